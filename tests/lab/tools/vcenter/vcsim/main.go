// Command vcsim is the lab's vCenter: govmomi's simulator, made as strict as a real vCenter where a
// client would notice, and with a control endpoint by which a test makes its tasks fail.
//
// Once it serves it prints one line of JSON to its standard output:
//
//	{"address":"127.0.0.1:41234","url":"https://127.0.0.1:41234/sdk","control":"127.0.0.1:41235"}
//
// Of the simulator's other endpoints ssoadmin is left out: it puts users of its own in the place of
// the one that is asked for.
//
// It ends on SIGINT and SIGTERM, and takes its datastores with it.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "github.com/vmware/govmomi/eam/simulator"
	_ "github.com/vmware/govmomi/lookup/simulator"
	_ "github.com/vmware/govmomi/pbm/simulator"
	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/sts/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)

	options, err := parseOptions(os.Args[1:])
	if err != nil {
		return err
	}
	defer options.model.Remove()
	service, err := create(options)
	if err != nil {
		return err
	}
	rules := new(rules)
	service.Context.Map.Handler = interceptor{options.strictness, rules, new(questions)}.handle

	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := service.NewServer()
	go func() {
		failed := (&http.Server{Handler: newControl(rules, service), ReadHeaderTimeout: time.Minute}).Serve(control)
		log.Printf("serving the control endpoint: %v", failed)
	}()

	if err := announce(server.URL, control.Addr()); err != nil {
		return err
	}
	// Calls that still wait for updates are cut: waiting for them would take as long as they do.
	<-stop
	return nil
}

func announce(sdk *url.URL, control net.Addr) error {
	address := *sdk
	address.User = nil
	line, err := json.Marshal(map[string]string{
		"address": address.Host,
		"url":     address.String(),
		"control": control.String(),
	})
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(line))
	return err
}

// create makes the inventory, and the service that serves it.
func create(options *options) (*simulator.Service, error) {
	about := &options.model.ServiceContent.About
	about.ApiVersion = options.apiVersion
	about.Version = releaseOf(options.apiVersion)
	if err := options.model.Create(); err != nil {
		return nil, err
	}
	service := options.model.Service
	service.RegisterEndpoints = true
	service.Listen = &url.URL{Host: options.listen, User: options.user}
	service.TLS = options.tls
	setSessionTimeout(service, options.sessionTimeout)
	measure(service.Context.Map)
	if options.vsan {
		makeVSAN(service.Context.Map)
	}
	if options.drs {
		return service, nil
	}
	return service, turnOffDRS(service)
}
