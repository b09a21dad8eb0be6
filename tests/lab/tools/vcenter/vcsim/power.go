package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// strictDatacenter is a datacenter that asks the rules about each VM that it powers on.
type strictDatacenter struct {
	standIn
	datacenter *simulator.Datacenter
}

// refused is a VM that is not powered on.
type refused struct {
	vm    types.ManagedObjectReference
	fault types.BaseMethodFault
	at    place
}

// PowerOnMultiVMTask is the stock one, unless a VM of the group is to be refused.
func (d *strictDatacenter) PowerOnMultiVMTask(ctx *simulator.Context, request *types.PowerOnMultiVM_Task) soap.HasFault {
	d.leave(ctx)
	refused := d.refused(ctx, request.Vm)
	if len(refused) == 0 {
		return d.datacenter.PowerOnMultiVMTask(ctx, request)
	}
	run := func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		return d.powerOn(ctx, request.Vm, refused), nil
	}
	task := simulator.CreateTask(d.datacenter, "powerOnMultiVM", run).Run(ctx)
	return &methods.PowerOnMultiVM_TaskBody{Res: &types.PowerOnMultiVM_TaskResponse{Returnval: task}}
}

func (d *strictDatacenter) refused(ctx *simulator.Context, vms []types.ManagedObjectReference) map[types.ManagedObjectReference]refused {
	found := make(map[types.ManagedObjectReference]refused)
	for _, reference := range vms {
		vm, ok := ctx.Map.Get(reference).(*simulator.VirtualMachine)
		if !ok {
			continue
		}
		name := func() string { return vm.Name }
		said := d.interceptor.rules.play(powerOn, reference, name)
		fault, at := said.fault, said.at
		if fault == nil {
			fault, at = d.interceptor.strictness.ofPowerOn(ctx.Map, vm), inTask
		}
		if fault != nil {
			found[reference] = refused{reference, fault, at}
		}
	}
	return found
}

// powerOn answers as a vCenter does: the task of the group succeeds, and each VM's own fails or not.
func (d *strictDatacenter) powerOn(ctx *simulator.Context, vms []types.ManagedObjectReference, refused map[types.ManagedObjectReference]refused) types.ClusterPowerOnVmResult {
	var result types.ClusterPowerOnVmResult
	for _, reference := range vms {
		vm, ok := ctx.Map.Get(reference).(*simulator.VirtualMachine)
		if !ok {
			continue
		}
		if no, ok := refused[reference]; ok && no.at != inTask {
			result.NotAttempted = append(result.NotAttempted, types.ClusterNotAttemptedVmInfo{
				Vm:    reference,
				Fault: types.LocalizedMethodFault{Fault: no.fault, LocalizedMessage: "The attempt was not made."},
			})
			continue
		}
		// A context holds one lock at a time, and each VM's task wants that of its VM.
		own := &simulator.Context{Context: ctx.Context, Session: ctx.Session, Map: ctx.Map}
		var task types.ManagedObjectReference
		own.WithLock(vm, func() { task = powerOnOne(own, vm, refused[reference].fault) })
		result.Attempted = append(result.Attempted, types.ClusterAttemptedVmInfo{Vm: reference, Task: &task})
	}
	return result
}

func powerOnOne(ctx *simulator.Context, vm *simulator.VirtualMachine, fault types.BaseMethodFault) types.ManagedObjectReference {
	if fault != nil {
		run := func(*simulator.Task) (types.AnyType, types.BaseMethodFault) { return nil, fault }
		return simulator.CreateTask(vm, "powerOn", run).Run(ctx)
	}
	body := vm.PowerOnVMTask(ctx, &types.PowerOnVM_Task{This: vm.Self}).(*methods.PowerOnVM_TaskBody)
	return body.Res.Returnval
}
