package main

import (
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// patientIndex finds machines while others are made.
type patientIndex struct {
	standIn
	index *simulator.SearchIndex
}

// FindChild passes over a machine that is being made: it has no name yet, and the simulator would panic
// and then hold its lock for ever.
func (p *patientIndex) FindChild(ctx *simulator.Context, request *types.FindChild) soap.HasFault {
	p.leave(ctx)
	folder, ok := ctx.Map.Get(request.Entity).(*simulator.Folder)
	if !ok || !slices.Contains(folder.ChildType, "VirtualMachine") {
		return p.index.FindChild(ctx, request)
	}
	found := new(types.FindChildResponse)
	for _, reference := range folder.ChildEntity {
		child, ok := ctx.Map.Get(reference).(entity)
		if ok && child.Entity().Name == request.Name {
			found.Returnval = &reference
			break
		}
	}
	return &methods.FindChildBody{Res: found}
}
