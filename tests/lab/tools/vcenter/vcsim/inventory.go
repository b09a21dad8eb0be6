package main

import (
	"context"
	"strings"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

// releaseOf is the release that has the API version: 8.0.3 has 8.0.3.0.
func releaseOf(apiVersion string) string {
	parts := strings.Split(apiVersion, ".")
	return strings.Join(parts[:min(len(parts), 3)], ".")
}

func setSessionTimeout(service *simulator.Service, timeout time.Duration) {
	if timeout == 0 {
		return
	}
	service.Context.Map.OptionManager().UpdateOptions(&types.UpdateOptions{
		ChangedValue: []types.BaseOptionValue{
			&types.OptionValue{Key: "config.vmacore.soap.sessionTimeout", Value: timeout.String()},
		},
	})
}

// turnOffDRS makes every cluster one that starts VMs only where it is told to.
func turnOffDRS(service *simulator.Service) error {
	ctx := context.Background()
	client, err := vim25.NewClient(ctx, service)
	if err != nil {
		return err
	}
	spec := &types.ClusterConfigSpecEx{DrsConfig: &types.ClusterDrsConfigInfo{Enabled: types.NewBool(false)}}
	for _, cluster := range service.Context.Map.All("ClusterComputeResource") {
		task, err := object.NewClusterComputeResource(client, cluster.Reference()).Reconfigure(ctx, spec, true)
		if err != nil {
			return err
		}
		if err := task.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// datacenterOf is the datacenter that an object of the inventory is in, or nil.
func datacenterOf(registry *simulator.Registry, item entity) *simulator.Datacenter {
	for {
		if datacenter, ok := item.(*simulator.Datacenter); ok {
			return datacenter
		}
		parent := item.Entity().Parent
		if parent == nil {
			return nil
		}
		next, ok := registry.Get(*parent).(entity)
		if !ok {
			return nil
		}
		item = next
	}
}

// datastoreOf is the datastore of that name in a datacenter, or nil.
func datastoreOf(registry *simulator.Registry, datacenter *simulator.Datacenter, name string) *simulator.Datastore {
	if datacenter == nil {
		return nil
	}
	datastore, _ := registry.FindByName(name, datacenter.Datastore).(*simulator.Datastore)
	return datastore
}
