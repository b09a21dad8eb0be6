package main

import (
	"fmt"
	"path"
	"sync/atomic"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// holding is an object whose tasks wait, as those of files on storage that does not answer. The simulator
// finds its methods by their names.
type holding struct {
	standIn
	object mo.Reference
	until  <-chan struct{}
}

// heldTasks counts all tasks that were held.
var heldTasks atomic.Int64

// holdable lists the methods whose tasks can be held.
func holdable() []string {
	return []string{"DeleteDatastoreFile_Task", "MoveDatastoreFile_Task", "SearchDatastore_Task"}
}

// hold starts a task that waits, then does what last does, and ends as that.
func (h *holding) hold(ctx *simulator.Context, name string, last func() soap.HasFault) types.ManagedObjectReference {
	return h.holdBetween(ctx, name, nil, last)
}

// holdBetween is the same with something that is done before the wait.
func (h *holding) holdBetween(ctx *simulator.Context, name string, first, last func() soap.HasFault) types.ManagedObjectReference {
	h.leave(ctx)
	run := func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		if first != nil {
			if _, fault := h.do(ctx, first); fault != nil {
				return nil, fault
			}
		}
		<-h.until
		return h.do(ctx, last)
	}
	// While it waits, the object serves others: the lock that a task holds is one of its own.
	own := fmt.Sprintf("%s-holds-%d", h.Self.Value, heldTasks.Add(1))
	waits := types.ManagedObjectReference{Type: h.Self.Type, Value: own}
	return simulator.CreateTask(waits, name, run).Run(ctx)
}

// do starts a task of the object and waits for its end.
func (h *holding) do(ctx *simulator.Context, start func() soap.HasFault) (types.AnyType, types.BaseMethodFault) {
	var started types.ManagedObjectReference
	ctx.WithLock(h.object, func() { started = taskOf(start()) })
	task, _ := ctx.Map.Get(started).(*simulator.Task)
	task.Wait()
	if task.Info.Error != nil {
		return nil, task.Info.Error.Fault
	}
	return task.Info.Result, nil
}

// taskOf is the task that a call of a file returned.
func taskOf(body soap.HasFault) types.ManagedObjectReference {
	switch body := body.(type) {
	case *methods.DeleteDatastoreFile_TaskBody:
		return body.Res.Returnval
	case *methods.MoveDatastoreFile_TaskBody:
		return body.Res.Returnval
	case *methods.SearchDatastore_TaskBody:
		return body.Res.Returnval
	}
	return types.ManagedObjectReference{}
}

// MoveDatastoreFileTask moves later. Until then the file has neither name: nobody can take it away.
func (h *holding) MoveDatastoreFileTask(ctx *simulator.Context, request *types.MoveDatastoreFile_Task) soap.HasFault {
	manager := h.object.(*simulator.FileManager)
	between := object.DatastorePath{Datastore: datastoreName(request.SourceName), Path: "." + path.Base(request.SourceName)}
	away, there := *request, *request
	away.DestinationName, away.DestinationDatacenter = between.String(), request.SourceDatacenter
	there.SourceName = between.String()
	first := func() soap.HasFault { return manager.MoveDatastoreFileTask(ctx, &away) }
	last := func() soap.HasFault { return manager.MoveDatastoreFileTask(ctx, &there) }
	task := h.holdBetween(ctx, "moveDatastoreFile", first, last)
	return &methods.MoveDatastoreFile_TaskBody{Res: &types.MoveDatastoreFile_TaskResponse{Returnval: task}}
}

// DeleteDatastoreFileTask removes later.
func (h *holding) DeleteDatastoreFileTask(ctx *simulator.Context, request *types.DeleteDatastoreFile_Task) soap.HasFault {
	start := func() soap.HasFault { return h.object.(*simulator.FileManager).DeleteDatastoreFileTask(ctx, request) }
	task := h.hold(ctx, "deleteDatastoreFile", start)
	return &methods.DeleteDatastoreFile_TaskBody{Res: &types.DeleteDatastoreFile_TaskResponse{Returnval: task}}
}

// SearchDatastoreTask looks later.
func (h *holding) SearchDatastoreTask(ctx *simulator.Context, request *types.SearchDatastore_Task) soap.HasFault {
	start := func() soap.HasFault {
		return h.object.(*simulator.HostDatastoreBrowser).SearchDatastoreTask(ctx, request)
	}
	task := h.hold(ctx, "searchDatastore", start)
	return &methods.SearchDatastore_TaskBody{Res: &types.SearchDatastore_TaskResponse{Returnval: task}}
}

// datastoreName is that of a path `[datastore] file`.
func datastoreName(file string) string {
	var parsed object.DatastorePath
	parsed.FromString(file)
	return parsed.Datastore
}
