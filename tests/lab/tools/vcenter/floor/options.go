package main

import (
	"errors"
	"flag"
	"os"
	"strings"
	"time"
)

// passwordVariable keeps the password out of the command line, which everybody can read.
const passwordVariable = "FLOOR_PASSWORD"

// options are what the command line and the environment say.
type options struct {
	url, user, password, ca string

	datacenter, folder, pool, datastore, network, iso string

	vms, workers int
	prefix       string
	follow       bool
	remove       bool
	timeout      time.Duration
}

func parseOptions(arguments []string) (*options, error) {
	o := new(options)
	var passwordFile string
	flags := flag.NewFlagSet("floor", flag.ContinueOnError)
	flags.StringVar(&o.url, "url", "", "`URL` of the vCenter's SDK")
	flags.StringVar(&o.user, "user", "administrator@vsphere.local", "user `name`")
	flags.StringVar(&passwordFile, "password-file", "", "`file` with the password; else "+passwordVariable)
	flags.StringVar(&o.ca, "ca", "", "PEM `file` with the CA to trust")
	flags.StringVar(&o.datacenter, "datacenter", "DC0", "`name` of the datacenter")
	flags.StringVar(&o.folder, "folder", "", "inventory `path` of the folder; else the datacenter's own")
	flags.StringVar(&o.pool, "pool", "DC0_C0/Resources", "`path` of the resource pool")
	flags.StringVar(&o.datastore, "datastore", "LocalDS_0", "`name` of the datastore")
	flags.StringVar(&o.network, "network", "VM Network", "`name` of the network")
	flags.StringVar(&o.iso, "iso", "", "datastore `path` of the ISO; else the CD-ROM is empty")
	flags.IntVar(&o.vms, "vms", 1000, "`number` of VMs")
	flags.IntVar(&o.workers, "workers", 20, "`number` of creates at once")
	flags.StringVar(&o.prefix, "prefix", "floor", "what the VMs' names begin with")
	flags.BoolVar(&o.follow, "follow", false, "follow tasks and VMs by one update loop")
	flags.BoolVar(&o.remove, "remove", false, "destroy the VMs afterwards; not in the figures")
	flags.DurationVar(&o.timeout, "timeout", 10*time.Minute, "give up after this `duration`")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	if o.url == "" || o.vms < 1 || o.workers < 1 {
		return nil, errors.New("-url is needed, and -vms and -workers are positive")
	}
	o.password = os.Getenv(passwordVariable)
	if passwordFile == "" {
		return o, nil
	}
	content, err := os.ReadFile(passwordFile)
	o.password = strings.TrimRight(string(content), "\r\n")
	return o, err
}
