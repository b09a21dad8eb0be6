package main

import (
	"context"
	"fmt"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

// target is where the VMs are made.
type target struct {
	datacenter *object.Datacenter
	folder     *object.Folder
	pool       *object.ResourcePool
	datastore  string
	network    types.BaseVirtualDeviceBackingInfo
	iso        string
}

func findTarget(ctx context.Context, client *vim25.Client, o *options) (*target, error) {
	finder := find.NewFinder(client, false)
	datacenter, err := finder.Datacenter(ctx, o.datacenter)
	if err != nil {
		return nil, err
	}
	finder.SetDatacenter(datacenter)
	found := &target{datacenter: datacenter, datastore: o.datastore, iso: o.iso}
	if o.folder == "" {
		folders, err := datacenter.Folders(ctx)
		if err != nil {
			return nil, err
		}
		found.folder = folders.VmFolder
	} else if found.folder, err = finder.Folder(ctx, o.folder); err != nil {
		return nil, err
	}
	if found.pool, err = finder.ResourcePool(ctx, o.pool); err != nil {
		return nil, err
	}
	network, err := finder.Network(ctx, o.network)
	if err != nil {
		return nil, err
	}
	found.network, err = network.EthernetCardBackingInfo(ctx)
	return found, err
}

// spec is a VM as the driver makes it: everything in the one call.
func (t *target) spec(name string) types.VirtualMachineConfigSpec {
	const scsi, sata, disk, cdrom, card = -1, -2, -3, -4, -5
	key := func(controller int32, unit int32, key int32) types.VirtualDevice {
		return types.VirtualDevice{Key: key, ControllerKey: controller, UnitNumber: &unit}
	}
	drive := types.VirtualDisk{VirtualDevice: key(scsi, 0, disk), CapacityInKB: 120 << 20}
	drive.Backing = &types.VirtualDiskFlatVer2BackingInfo{
		VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: fmt.Sprintf("[%s]", t.datastore)},
		DiskMode:                     string(types.VirtualDiskModePersistent),
		ThinProvisioned:              types.NewBool(true),
	}
	reader := types.VirtualCdrom{VirtualDevice: key(sata, 0, cdrom)}
	reader.Connectable = &types.VirtualDeviceConnectInfo{StartConnected: true, AllowGuestControl: true}
	if t.iso == "" {
		reader.Connectable.StartConnected = false
		reader.Backing = &types.VirtualCdromRemotePassthroughBackingInfo{}
	} else {
		reader.Backing = &types.VirtualCdromIsoBackingInfo{
			VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: t.iso},
		}
	}
	ethernet := types.VirtualVmxnet3{}
	ethernet.Key = card
	ethernet.Backing = t.network
	ethernet.Connectable = &types.VirtualDeviceConnectInfo{StartConnected: true, AllowGuestControl: true}

	devices := []types.BaseVirtualDevice{
		&types.ParaVirtualSCSIController{VirtualSCSIController: types.VirtualSCSIController{
			VirtualController: types.VirtualController{VirtualDevice: types.VirtualDevice{Key: scsi}},
			SharedBus:         types.VirtualSCSISharingNoSharing,
		}},
		&types.VirtualAHCIController{VirtualSATAController: types.VirtualSATAController{
			VirtualController: types.VirtualController{VirtualDevice: types.VirtualDevice{Key: sata}},
		}},
		&drive, &reader, &ethernet,
	}
	spec := types.VirtualMachineConfigSpec{
		Name:     name,
		GuestId:  "rhel9_64Guest",
		NumCPUs:  4,
		MemoryMB: 16384,
		Files:    &types.VirtualMachineFileInfo{VmPathName: fmt.Sprintf("[%s]", t.datastore)},
		ExtraConfig: []types.BaseOptionValue{
			&types.OptionValue{Key: "disk.EnableUUID", Value: "TRUE"},
		},
	}
	for _, device := range devices {
		change := &types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationAdd, Device: device}
		if device == &drive {
			change.FileOperation = types.VirtualDeviceConfigSpecFileOperationCreate
		}
		spec.DeviceChange = append(spec.DeviceChange, change)
	}
	return spec
}
