package main

import (
	"context"
	"maps"
	"net/url"
	"reflect"
	"strings"
	"sync"

	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"
)

// client is a bare client that counts its calls.
type client struct {
	*vim25.Client
	sessions *session.Manager
	counter  *counter
}

func login(ctx context.Context, o *options) (*client, error) {
	address, err := soap.ParseURL(o.url)
	if err != nil {
		return nil, err
	}
	transport := soap.NewClient(address, false)
	if o.ca != "" {
		if err := transport.SetRootCAs(o.ca); err != nil {
			return nil, err
		}
	}
	// Without this most workers would open a connection for each of their calls.
	transport.DefaultTransport().MaxIdleConnsPerHost = o.workers + 4
	vim, err := vim25.NewClient(ctx, transport)
	if err != nil {
		return nil, err
	}
	counter := &counter{next: vim.RoundTripper, byMethod: make(map[string]int)}
	vim.RoundTripper = counter
	sessions := session.NewManager(vim)
	if err := sessions.Login(ctx, url.UserPassword(o.user, o.password)); err != nil {
		return nil, err
	}
	return &client{vim, sessions, counter}, nil
}

// counter counts the calls that pass through it.
type counter struct {
	next     soap.RoundTripper
	mutex    sync.Mutex
	total    int
	byMethod map[string]int
}

// RoundTrip counts the call, and makes it.
func (c *counter) RoundTrip(ctx context.Context, request, response soap.HasFault) error {
	method := strings.TrimSuffix(reflect.TypeOf(request).Elem().Name(), "Body")
	c.mutex.Lock()
	c.total++
	c.byMethod[method]++
	c.mutex.Unlock()
	return c.next.RoundTrip(ctx, request, response)
}

func (c *counter) reset() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.total, c.byMethod = 0, make(map[string]int)
}

func (c *counter) read() (int, map[string]int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.total, maps.Clone(c.byMethod)
}
