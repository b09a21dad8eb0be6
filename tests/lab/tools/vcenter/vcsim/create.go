package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// strictFolder is a folder that makes VMs as a vCenter does.
type strictFolder struct {
	standIn
	folder *simulator.Folder
}

// CreateVMTask makes the VM, or says why not.
func (f *strictFolder) CreateVMTask(ctx *simulator.Context, request *types.CreateVM_Task) soap.HasFault {
	fault, at := f.interceptor.strictness.ofCreate(ctx.Map, f.folder, &request.Config)
	switch {
	case fault == nil:
		f.leave(ctx)
		return f.folder.CreateVMTask(ctx, request)
	case at == atCall:
		return &methods.CreateVM_TaskBody{Fault_: simulator.Fault(fmt.Sprintf("The name '%s' already exists.", request.Config.Name), fault)}
	default:
		return created(f.task(ctx, "createVm", fault))
	}
}
