package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
)

// passwordVariable keeps the password out of the command line, which everybody can read.
const passwordVariable = "VCSIM_PASSWORD"

// options are what the command line and the environment say.
type options struct {
	model          *simulator.Model
	listen         string
	user           *url.Userinfo
	tls            *tls.Config
	apiVersion     string
	sessionTimeout time.Duration
	drs            bool
	vsan           bool
	strictness     strictness
}

func parseOptions(arguments []string) (*options, error) {
	model := simulator.VPX()
	model.Machine = 0
	o := &options{model: model}
	var user, passwordFile, certificate, key, duplicate, iso string

	flags := flag.NewFlagSet("vcsim", flag.ContinueOnError)
	flags.StringVar(&o.listen, "l", "127.0.0.1:0", "`address` to listen on")
	flags.StringVar(&user, "user", "administrator@vsphere.local", "the one user `name`")
	flags.StringVar(&passwordFile, "password-file", "", "`file` with the user's password; else "+passwordVariable)
	flags.StringVar(&certificate, "cert", "", "PEM `file` with the certificate; without one it serves plain HTTP")
	flags.StringVar(&key, "key", "", "PEM `file` with the certificate's key")
	flags.StringVar(&o.apiVersion, "api-version", "8.0.3.0", "the API `version` that it says it has")
	flags.DurationVar(&o.sessionTimeout, "session-timeout", 0, "end sessions that were idle for this `duration`; 0: never")
	flags.BoolVar(&o.drs, "drs", true, "clusters place VMs by themselves")
	flags.BoolVar(&o.vsan, "vsan", false, "datastores are vSAN: folders at their top are objects of the storage")
	flags.StringVar(&duplicate, "duplicate-name", "task", "refuse a VM's name that its folder has: in the `task`, at the call, or never (allow)")
	flags.StringVar(&iso, "missing-iso", "create", "refuse an ISO that is not there: at `create`, at power-on, or never (allow)")
	flags.IntVar(&model.Datacenter, "dc", model.Datacenter, "`number` of datacenters")
	flags.IntVar(&model.Cluster, "cluster", model.Cluster, "`number` of clusters per datacenter")
	flags.IntVar(&model.ClusterHost, "host", model.ClusterHost, "`number` of hosts per cluster")
	flags.IntVar(&model.Host, "standalone-host", model.Host, "`number` of hosts outside of clusters per datacenter")
	flags.IntVar(&model.Pool, "pool", model.Pool, "`number` of resource pools per cluster")
	flags.IntVar(&model.Datastore, "ds", model.Datastore, "`number` of datastores per datacenter")
	flags.IntVar(&model.Pod, "pod", model.Pod, "`number` of datastore clusters per datacenter")
	flags.IntVar(&model.Portgroup, "pg", model.Portgroup, "`number` of distributed port groups per datacenter, on one switch")
	flags.IntVar(&model.OpaqueNetwork, "nsx", model.OpaqueNetwork, "`number` of opaque networks per datacenter")
	flags.IntVar(&model.Folder, "folder", model.Folder, "`number` of datacenters inside a folder")
	flags.IntVar(&model.Machine, "vm", model.Machine, "`number` of VMs per resource pool")
	flags.BoolVar(&model.Autostart, "autostart", model.Autostart, "power those VMs on")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	if flags.NArg() != 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	var err error
	if o.strictness, err = parseStrictness(duplicate, iso); err != nil {
		return nil, err
	}
	if o.user, err = readUser(user, passwordFile); err != nil {
		return nil, err
	}
	o.tls, err = readCertificate(certificate, key)
	return o, err
}

func readUser(name, passwordFile string) (*url.Userinfo, error) {
	password := os.Getenv(passwordVariable)
	if passwordFile != "" {
		content, err := os.ReadFile(passwordFile)
		if err != nil {
			return nil, err
		}
		password = strings.TrimRight(string(content), "\r\n")
	}
	if password == "" {
		return nil, errors.New("no password: give -password-file or " + passwordVariable)
	}
	return url.UserPassword(name, password), nil
}

func readCertificate(certificate, key string) (*tls.Config, error) {
	if certificate == "" && key == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}
