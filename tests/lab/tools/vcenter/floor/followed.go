package main

import (
	"context"
	"sync"

	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

// followed learns of tasks and VMs by one pending WaitForUpdatesEx: a view of the VMs, and a list of
// the tasks, that is changed while the call is pending. Nothing may get lost, or it never ends.
type followed struct {
	work  *work
	tasks *view.ListView

	mutex    sync.Mutex
	infos    map[reference]types.TaskInfo
	ended    map[reference]bool
	finished []types.TaskInfo
	seenOn   map[reference]bool
	err      error
}

func newFollowed(ctx context.Context, w *work) (*followed, error) {
	views := view.NewManager(w.client)
	tasks, err := views.CreateListView(ctx, nil)
	if err != nil {
		return nil, err
	}
	vms, err := views.CreateContainerView(ctx, w.target.folder.Reference(), []string{"VirtualMachine"}, true)
	if err != nil {
		return nil, err
	}
	collector, err := property.DefaultCollector(w.client).Create(ctx)
	if err != nil {
		return nil, err
	}
	filters := []types.PropertyFilterSpec{
		filter(vms.Reference(), "VirtualMachine", "runtime.powerState"),
		filter(tasks.Reference(), "Task", "info.state", "info.error", "info.result"),
	}
	for _, spec := range filters {
		request := types.CreateFilter{This: collector.Reference(), Spec: spec}
		if _, err := methods.CreateFilter(ctx, w.client, &request); err != nil {
			return nil, err
		}
	}
	f := &followed{
		work:   w,
		tasks:  tasks,
		infos:  make(map[reference]types.TaskInfo),
		ended:  make(map[reference]bool),
		seenOn: make(map[reference]bool),
	}
	go f.follow(ctx, collector.Reference())
	return f, nil
}

// filter follows what a view holds.
func filter(of reference, kind string, paths ...string) types.PropertyFilterSpec {
	return types.PropertyFilterSpec{
		ObjectSet: []types.ObjectSpec{{
			Obj:       of,
			Skip:      types.NewBool(true),
			SelectSet: []types.BaseSelectionSpec{&types.TraversalSpec{Type: of.Type, Path: "view"}},
		}},
		PropSet: []types.PropertySpec{{Type: kind, PathSet: paths}},
	}
}

func (f *followed) follow(ctx context.Context, collector reference) {
	version := ""
	for ctx.Err() == nil {
		response, err := methods.WaitForUpdatesEx(ctx, f.work.client, &types.WaitForUpdatesEx{
			This:    collector,
			Version: version,
			Options: &types.WaitOptions{MaxWaitSeconds: types.NewInt32(60)},
		})
		if err != nil {
			f.mutex.Lock()
			f.err = err
			f.mutex.Unlock()
			return
		}
		if response.Returnval == nil {
			continue
		}
		version = response.Returnval.Version
		f.take(response.Returnval)
	}
}

func (f *followed) take(updates *types.UpdateSet) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for _, set := range updates.FilterSet {
		for _, update := range set.ObjectSet {
			for _, change := range update.ChangeSet {
				f.change(update.Obj, change)
			}
			f.end(update.Obj)
		}
	}
}

// end keeps what became of a task that is over. A simulator may report one more than once.
func (f *followed) end(task reference) {
	info, known := f.infos[task]
	over := info.State == types.TaskInfoStateSuccess || info.State == types.TaskInfoStateError
	if known && over && !f.ended[task] {
		f.ended[task] = true
		f.finished = append(f.finished, info)
	}
}

func (f *followed) change(of reference, change types.PropertyChange) {
	info := f.infos[of]
	switch change.Name { // a value is absent when the property has none
	case "runtime.powerState":
		f.seenOn[of] = change.Val == types.VirtualMachinePowerStatePoweredOn
		return
	case "info.state":
		info.State, _ = change.Val.(types.TaskInfoState)
	case "info.error":
		info.Error = nil
		if failure, ok := change.Val.(types.LocalizedMethodFault); ok {
			info.Error = &failure
		}
	case "info.result":
		info.Result = change.Val
	}
	f.infos[of] = info
}

func (f *followed) gather(ctx context.Context) error {
	if started := f.work.takeStarted(); len(started) != 0 {
		if _, err := f.tasks.Add(ctx, started); err != nil {
			return err
		}
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for _, info := range f.finished {
		// The VMs' own power states tell whether they are on: the tasks of a group are not followed.
		if _, err := f.work.done(&info); err != nil {
			return err
		}
	}
	f.finished = nil
	f.work.on = 0
	for _, vm := range f.work.made { // the folder may have others
		if f.seenOn[vm] {
			f.work.on++
		}
	}
	return f.err
}
