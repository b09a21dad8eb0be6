// Command vectors writes what govmomi, an independent client, sends for each request that the driver
// makes, and which fault type extends which. A test of the driver compares its own requests with it:
// vCenter insists on the order of the elements, the simulator does not.
//
// After a change of the requests, from the folder above:
//
//	go run ./vectors ../../../../vsphere-driver/vectors
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/xml"
)

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: vectors DIR"))
	}
	if err := write(os.Args[1]); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func write(dir string) error {
	stale, err := filepath.Glob(filepath.Join(dir, "*.xml"))
	if err != nil {
		return err
	}
	for _, file := range stale {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	for _, request := range requests() {
		text, err := envelope(request.body)
		if err != nil {
			return fmt.Errorf("%s: %w", request.name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, request.name+".xml"), text, 0o644); err != nil {
			return err
		}
	}
	var faults bytes.Buffer
	if err := faultBases(&faults); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "faults.txt"), faults.Bytes(), 0o644)
}

// envelope encodes as govmomi's client does, but on several lines, so that a change can be read.
func envelope(body any) ([]byte, error) {
	text, err := xml.MarshalIndent(soap.Envelope{Body: body}, "", "  ")
	return append(text, '\n'), err
}
