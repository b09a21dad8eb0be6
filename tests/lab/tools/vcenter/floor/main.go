// Command floor makes VMs and powers them on with a bare client: what a bench of the driver is
// compared with. It does nothing that the driver could leave out.
//
// It makes the VMs with as many calls at once as -workers says, powers them on in groups of 32, and
// reads all tasks that still run with one call, every 50 ms. With -follow it reads no task, and
// follows tasks and VMs by one pending WaitForUpdatesEx instead, as the driver does.
//
// It prints one line of JSON:
//
//	{"vms":1000,"seconds":3.2,"calls":1092,"by_method":{"CreateVM_Task":1000,…}}
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

// result is what is printed.
type result struct {
	VMs      int            `json:"vms"`
	Seconds  float64        `json:"seconds"`
	Calls    int            `json:"calls"`
	ByMethod map[string]int `json:"by_method"`
}

func run() error {
	options, err := parseOptions(os.Args[1:])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), options.timeout)
	defer cancel()
	client, err := login(ctx, options)
	if err != nil {
		return err
	}
	// An own context: the session is ended even when the time is up.
	defer func() { _ = client.sessions.Logout(context.WithoutCancel(ctx)) }()
	target, err := findTarget(ctx, client.Client, options)
	if err != nil {
		return err
	}

	work := newWork(client.Client, target, options)
	client.counter.reset()
	started := time.Now()
	if err := work.run(ctx); err != nil {
		return err
	}
	seconds := time.Since(started).Seconds()
	calls, byMethod := client.counter.read()
	if err := work.check(ctx); err != nil {
		return err
	}
	if options.remove {
		if err := work.remove(ctx); err != nil {
			return err
		}
	}
	line, err := json.Marshal(result{options.vms, seconds, calls, byMethod})
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(line))
	return err
}
