package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	createVM     = "CreateVM_Task"
	powerOn      = "PowerOnVM_Task"
	powerOnMulti = "PowerOnMultiVM_Task"
)

// interceptor looks at every call before it reaches its object.
type interceptor struct {
	strictness strictness
	rules      *rules
	questions  *questions
}

// handle is the simulator's hook. A fault that it returns is the answer; an object that it puts in
// the way is called instead.
func (i interceptor) handle(ctx *simulator.Context, method *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	called := ctx.Map.Get(method.This)
	name := func() string { return nameOf(called, method.Body) }
	said := i.rules.play(method.Name, method.This, name)
	fault := said.fault
	if fault != nil && said.at == atCall {
		return nil, fault
	}
	if ctx.Session == nil {
		return nil, nil
	}
	stand := standIn{Self: method.This, interceptor: i, registry: ctx.Session.Registry, fault: fault}
	switch object := called.(type) {
	case *simulator.Folder:
		if fault == nil && method.Name == createVM {
			put(ctx, &strictFolder{standIn: stand, folder: object})
			return nil, nil
		}
	case *simulator.VirtualMachine:
		if fault == nil && method.Name == powerOn {
			stand.fault = i.strictness.ofPowerOn(ctx.Map, object)
		}
		body, ok := method.Body.(*types.ReconfigVM_Task)
		if ok && fault == nil {
			stand.fault = ofReconfigure(object, body)
		}
		if ok && stand.fault == nil && isHeld(object, body) || method.Name == answerVM {
			put(ctx, &asking{stand, object, i.questions})
			return nil, nil
		}
	case *simulator.FileManager:
		if body, ok := method.Body.(*types.MakeDirectory); ok {
			if refused := ofMakeDirectory(ctx.Map, body); refused != nil {
				return nil, refused
			}
		}
	case *simulator.SearchIndex:
		if method.Name == "FindChild" {
			put(ctx, &patientIndex{standIn: stand, index: object})
			return nil, nil
		}
	case *simulator.Datacenter:
		if fault == nil && method.Name == powerOnMulti {
			put(ctx, &strictDatacenter{standIn: stand, datacenter: object})
			return nil, nil
		}
	}
	switch {
	case stand.fault != nil:
		put(ctx, &failing{stand})
	case said.until != nil:
		put(ctx, &holding{stand, called, said.until})
	}
	return nil, nil
}

// put makes the rest of this one call go to stand instead of the object of the same reference.
//
// The simulator looks an object up in the session first. This call has its own copy of the session,
// and here that copy is given a registry of its own, so that no other call notices.
func put(ctx *simulator.Context, stand mo.Reference) {
	registry := simulator.NewRegistry()
	registry.Put(stand)
	ctx.Session.Registry = registry
}

// standIn is what every object that is put in the way has. Its lock is that of the object itself,
// for the simulator locks by the field Self.
type standIn struct {
	Self        types.ManagedObjectReference
	interceptor interceptor
	registry    *simulator.Registry
	fault       types.BaseMethodFault
}

// Reference is that of the object itself.
func (s *standIn) Reference() types.ManagedObjectReference { return s.Self }

// leave gives the call its session's objects back.
func (s *standIn) leave(ctx *simulator.Context) { ctx.Session.Registry = s.registry }

// task starts a task of the object that fails.
func (s *standIn) task(ctx *simulator.Context, name string, fault types.BaseMethodFault) types.ManagedObjectReference {
	s.leave(ctx)
	run := func(*simulator.Task) (types.AnyType, types.BaseMethodFault) { return nil, fault }
	return simulator.CreateTask(s.Self, name, run).Run(ctx)
}

// nameOf is the name of the VM that is to be made, of the datastore on which a file is, or of the object
// that is called.
func nameOf(called mo.Reference, body types.AnyType) string {
	switch body := body.(type) {
	case *types.CreateVM_Task:
		return body.Config.Name
	case *types.SearchDatastore_Task:
		return datastoreName(body.DatastorePath)
	case *types.MoveDatastoreFile_Task:
		return datastoreName(body.SourceName)
	case *types.DeleteDatastoreFile_Task:
		return datastoreName(body.Name)
	}
	if item, ok := called.(entity); ok {
		return item.Entity().Name
	}
	return ""
}
