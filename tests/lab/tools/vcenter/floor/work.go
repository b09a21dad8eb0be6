package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	// group is how many VMs one call powers on: what a vCenter starts at once.
	group = 32
	// pause is how long results are left to gather.
	pause = 50 * time.Millisecond
)

type reference = types.ManagedObjectReference

// work makes VMs, and powers them on.
type work struct {
	client  *vim25.Client
	target  *target
	options *options

	mutex   sync.Mutex
	started []reference // tasks that nobody looked at yet
	made    []reference // all VMs
	waiting []reference // VMs to power on
	on      int
}

func newWork(client *vim25.Client, target *target, options *options) *work {
	return &work{client: client, target: target, options: options}
}

// run returns when every VM is on, or something failed.
func (w *work) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results, err := w.results(ctx)
	if err != nil {
		return err
	}
	go w.create(ctx, cancel)
	for w.on < w.options.vms {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d VMs made, %d on: %w", len(w.made), w.options.vms, w.on, context.Cause(ctx))
		case <-time.After(pause):
		}
		if err := results.gather(ctx); err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		if err := w.powerOn(ctx); err != nil {
			return err
		}
	}
	return nil
}

// results is a way to learn what became of the tasks.
type results interface {
	gather(ctx context.Context) error
}

func (w *work) results(ctx context.Context) (results, error) {
	if w.options.follow {
		return newFollowed(ctx, w)
	}
	return &polled{work: w}, nil
}

// create starts every create, a fixed number at once.
func (w *work) create(ctx context.Context, failed context.CancelCauseFunc) {
	numbers := make(chan int)
	for range w.options.workers {
		go func() {
			for number := range numbers {
				name := fmt.Sprintf("%s-%05d", w.options.prefix, number)
				request := &types.CreateVM_Task{
					This:   w.target.folder.Reference(),
					Config: w.target.spec(name),
					Pool:   w.target.pool.Reference(),
				}
				response, err := methods.CreateVM_Task(ctx, w.client, request)
				if err != nil {
					failed(fmt.Errorf("making %s: %w", name, err))
					continue
				}
				w.mutex.Lock()
				w.started = append(w.started, response.Returnval)
				w.mutex.Unlock()
			}
		}()
	}
	defer close(numbers)
	for number := range w.options.vms {
		select {
		case numbers <- number:
		case <-ctx.Done():
			return
		}
	}
}

// takeStarted returns the tasks that were started since.
func (w *work) takeStarted() []reference {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	started := w.started
	w.started = nil
	return started
}

// done takes the result of a task, and returns the tasks that it started.
func (w *work) done(info *types.TaskInfo) ([]reference, error) {
	if info.State == types.TaskInfoStateError {
		return nil, fmt.Errorf("task %s failed: %s", info.Name, kind(info.Error.Fault))
	}
	switch result := info.Result.(type) {
	case reference: // a create
		w.made = append(w.made, result)
		w.waiting = append(w.waiting, result)
	case types.ClusterPowerOnVmResult: // the group
		var tasks []reference
		for _, attempt := range result.Attempted {
			tasks = append(tasks, *attempt.Task)
		}
		if len(result.NotAttempted) != 0 {
			return nil, fmt.Errorf("not attempted: %s", kind(result.NotAttempted[0].Fault.Fault))
		}
		return tasks, nil
	default: // one of the group
		w.on++
	}
	return nil, nil
}

// kind is a fault's type, by its name in the API.
func kind(fault types.BaseMethodFault) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", fault), "*types.")
}

// powerOn powers on full groups, and the last one.
func (w *work) powerOn(ctx context.Context) error {
	last := len(w.made) == w.options.vms
	for len(w.waiting) >= group || last && len(w.waiting) > 0 {
		count := min(group, len(w.waiting))
		request := &types.PowerOnMultiVM_Task{This: w.target.datacenter.Reference(), Vm: w.waiting[:count]}
		response, err := methods.PowerOnMultiVM_Task(ctx, w.client, request)
		if err != nil {
			return err
		}
		w.waiting = w.waiting[count:]
		w.mutex.Lock()
		w.started = append(w.started, response.Returnval)
		w.mutex.Unlock()
	}
	return nil
}

// check reads every VM's power state, so that nothing is believed that was not seen.
func (w *work) check(ctx context.Context) error {
	var vms []mo.VirtualMachine
	if err := property.DefaultCollector(w.client).Retrieve(ctx, w.made, []string{"runtime.powerState"}, &vms); err != nil {
		return err
	}
	on := 0
	for _, vm := range vms {
		if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
			on++
		}
	}
	if on != w.options.vms {
		return fmt.Errorf("%d of %d VMs are on", on, w.options.vms)
	}
	return nil
}

// remove destroys what was made.
func (w *work) remove(ctx context.Context) error {
	for _, vm := range w.made {
		machine := object.NewVirtualMachine(w.client, vm)
		off, err := machine.PowerOff(ctx)
		if err != nil {
			return err
		}
		if err := off.Wait(ctx); err != nil {
			return err
		}
		destroyed, err := machine.Destroy(ctx)
		if err != nil {
			return err
		}
		if err := destroyed.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}
