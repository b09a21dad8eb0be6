package main

import (
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// failing is an object whose tasks fail. The simulator finds its methods by their names.
type failing struct{ standIn }

// failable lists the methods whose tasks can be made to fail.
func failable() []string {
	return []string{
		createVM, powerOn, "CloneVM_Task", "CreateSnapshot_Task", "DeleteDatastoreFile_Task", "Destroy_Task",
		"MoveDatastoreFile_Task", "PowerOffVM_Task", powerOnMulti, "ReconfigVM_Task", "Rename_Task",
		"ResetVM_Task", "SearchDatastore_Task", "SearchDatastoreSubFolders_Task",
	}
}

func canFailLater(method string) bool { return slices.Contains(failable(), method) }

func isTask(method string) bool { return strings.HasSuffix(method, "_Task") }

func created(task types.ManagedObjectReference) soap.HasFault {
	return &methods.CreateVM_TaskBody{Res: &types.CreateVM_TaskResponse{Returnval: task}}
}

// CreateVMTask fails.
func (f *failing) CreateVMTask(ctx *simulator.Context, _ *types.CreateVM_Task) soap.HasFault {
	return created(f.task(ctx, "createVm", f.fault))
}

// PowerOnVMTask fails.
func (f *failing) PowerOnVMTask(ctx *simulator.Context, _ *types.PowerOnVM_Task) soap.HasFault {
	task := f.task(ctx, "powerOn", f.fault)
	return &methods.PowerOnVM_TaskBody{Res: &types.PowerOnVM_TaskResponse{Returnval: task}}
}

// PowerOnMultiVMTask fails as a whole.
func (f *failing) PowerOnMultiVMTask(ctx *simulator.Context, _ *types.PowerOnMultiVM_Task) soap.HasFault {
	task := f.task(ctx, "powerOnMultiVM", f.fault)
	return &methods.PowerOnMultiVM_TaskBody{Res: &types.PowerOnMultiVM_TaskResponse{Returnval: task}}
}

// PowerOffVMTask fails.
func (f *failing) PowerOffVMTask(ctx *simulator.Context, _ *types.PowerOffVM_Task) soap.HasFault {
	task := f.task(ctx, "powerOff", f.fault)
	return &methods.PowerOffVM_TaskBody{Res: &types.PowerOffVM_TaskResponse{Returnval: task}}
}

// ResetVMTask fails.
func (f *failing) ResetVMTask(ctx *simulator.Context, _ *types.ResetVM_Task) soap.HasFault {
	task := f.task(ctx, "reset", f.fault)
	return &methods.ResetVM_TaskBody{Res: &types.ResetVM_TaskResponse{Returnval: task}}
}

// DestroyTask fails.
func (f *failing) DestroyTask(ctx *simulator.Context, _ *types.Destroy_Task) soap.HasFault {
	task := f.task(ctx, "destroy", f.fault)
	return &methods.Destroy_TaskBody{Res: &types.Destroy_TaskResponse{Returnval: task}}
}

// ReconfigVMTask fails.
func (f *failing) ReconfigVMTask(ctx *simulator.Context, _ *types.ReconfigVM_Task) soap.HasFault {
	task := f.task(ctx, "reconfigure", f.fault)
	return &methods.ReconfigVM_TaskBody{Res: &types.ReconfigVM_TaskResponse{Returnval: task}}
}

// RenameTask fails.
func (f *failing) RenameTask(ctx *simulator.Context, _ *types.Rename_Task) soap.HasFault {
	task := f.task(ctx, "rename", f.fault)
	return &methods.Rename_TaskBody{Res: &types.Rename_TaskResponse{Returnval: task}}
}

// CloneVMTask fails.
func (f *failing) CloneVMTask(ctx *simulator.Context, _ *types.CloneVM_Task) soap.HasFault {
	task := f.task(ctx, "clone", f.fault)
	return &methods.CloneVM_TaskBody{Res: &types.CloneVM_TaskResponse{Returnval: task}}
}

// CreateSnapshotTask fails.
func (f *failing) CreateSnapshotTask(ctx *simulator.Context, _ *types.CreateSnapshot_Task) soap.HasFault {
	task := f.task(ctx, "createSnapshot", f.fault)
	return &methods.CreateSnapshot_TaskBody{Res: &types.CreateSnapshot_TaskResponse{Returnval: task}}
}

// MoveDatastoreFileTask fails.
func (f *failing) MoveDatastoreFileTask(ctx *simulator.Context, _ *types.MoveDatastoreFile_Task) soap.HasFault {
	task := f.task(ctx, "moveDatastoreFile", f.fault)
	return &methods.MoveDatastoreFile_TaskBody{Res: &types.MoveDatastoreFile_TaskResponse{Returnval: task}}
}

// DeleteDatastoreFileTask fails.
func (f *failing) DeleteDatastoreFileTask(ctx *simulator.Context, _ *types.DeleteDatastoreFile_Task) soap.HasFault {
	task := f.task(ctx, "deleteDatastoreFile", f.fault)
	return &methods.DeleteDatastoreFile_TaskBody{Res: &types.DeleteDatastoreFile_TaskResponse{Returnval: task}}
}

// SearchDatastoreTask fails.
func (f *failing) SearchDatastoreTask(ctx *simulator.Context, _ *types.SearchDatastore_Task) soap.HasFault {
	task := f.task(ctx, "searchDatastore", f.fault)
	return &methods.SearchDatastore_TaskBody{Res: &types.SearchDatastore_TaskResponse{Returnval: task}}
}

// SearchDatastoreSubFoldersTask fails.
func (f *failing) SearchDatastoreSubFoldersTask(ctx *simulator.Context, _ *types.SearchDatastoreSubFolders_Task) soap.HasFault {
	task := f.task(ctx, "searchDatastoreSubFolders", f.fault)
	return &methods.SearchDatastoreSubFolders_TaskBody{Res: &types.SearchDatastoreSubFolders_TaskResponse{Returnval: task}}
}
