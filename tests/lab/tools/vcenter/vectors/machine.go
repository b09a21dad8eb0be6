package main

import "github.com/vmware/govmomi/vim25/types"

const mebiPerGibi = 1 << 20

// smallestMachine has nothing but what must be there.
func smallestMachine() types.VirtualMachineConfigSpec {
	return types.VirtualMachineConfigSpec{
		Name:     "n02",
		Firmware: string(types.GuestOsDescriptorFirmwareTypeBios),
	}
}

// fullMachine has every device and every setting that the driver knows.
func fullMachine() types.VirtualMachineConfigSpec {
	spec := types.VirtualMachineConfigSpec{
		Name:            "pool-n01",
		Uuid:            "420c",
		InstanceUuid:    "500c",
		GuestId:         "rhel8_64Guest",
		Annotation:      "made by hand\nnever",
		Files:           &types.VirtualMachineFileInfo{VmPathName: "[ds]"},
		NumCPUs:         4,
		MemoryMB:        16384,
		Firmware:        string(types.GuestOsDescriptorFirmwareTypeEfi),
		NestedHVEnabled: types.NewBool(true),
		BootOptions: &types.VirtualMachineBootOptions{
			EfiSecureBootEnabled: types.NewBool(true),
			BootOrder: []types.BaseVirtualMachineBootOptionsBootableDevice{
				&types.VirtualMachineBootOptionsBootableDiskDevice{DeviceKey: 2000},
				&types.VirtualMachineBootOptionsBootableCdromDevice{},
			},
		},
		ExtraConfig: []types.BaseOptionValue{
			&types.OptionValue{Key: "disk.EnableUUID", Value: "TRUE"},
			&types.OptionValue{Key: "hcp-vsphere.hub", Value: "<&>"},
		},
	}
	for _, device := range devices() {
		change := &types.VirtualDeviceConfigSpec{
			Operation: types.VirtualDeviceConfigSpecOperationAdd,
			Device:    device,
		}
		if _, ok := device.(*types.VirtualDisk); ok {
			change.FileOperation = types.VirtualDeviceConfigSpecFileOperationCreate
		}
		spec.DeviceChange = append(spec.DeviceChange, change)
	}
	return spec
}

// change takes a machine over where it stands.
func change() types.VirtualMachineConfigSpec {
	return types.VirtualMachineConfigSpec{
		ChangeVersion: "2026-11-21T11:00:00.000001Z",
		InstanceUuid:  "500d",
		ExtraConfig: []types.BaseOptionValue{
			&types.OptionValue{Key: "hcp-vsphere.hub", Value: "<&>"},
			&types.OptionValue{Key: "hcp-vsphere.slot", Value: ""},
		},
	}
}

// emptying takes an ISO out of a drive, which stays.
func emptying() types.VirtualMachineConfigSpec {
	drive := &types.VirtualCdrom{VirtualDevice: types.VirtualDevice{
		Key:           16000,
		Backing:       &types.VirtualCdromRemotePassthroughBackingInfo{},
		Connectable:   &types.VirtualDeviceConnectInfo{AllowGuestControl: true},
		ControllerKey: 15000,
		UnitNumber:    types.NewInt32(0),
	}}
	return types.VirtualMachineConfigSpec{
		ChangeVersion: "7",
		DeviceChange: []types.BaseVirtualDeviceConfigSpec{&types.VirtualDeviceConfigSpec{
			Operation: types.VirtualDeviceConfigSpecOperationEdit,
			Device:    drive,
		}},
	}
}

func devices() []types.BaseVirtualDevice {
	all := []types.BaseVirtualDevice{
		&types.ParaVirtualSCSIController{VirtualSCSIController: types.VirtualSCSIController{
			VirtualController: types.VirtualController{VirtualDevice: types.VirtualDevice{Key: 1000}},
			SharedBus:         types.VirtualSCSISharingNoSharing,
		}},
		disk(2000, 0, 120), disk(2008, 8, 1),
	}
	all = append(all, networkInterfaces()...)
	return append(all,
		&types.VirtualAHCIController{VirtualSATAController: types.VirtualSATAController{
			VirtualController: types.VirtualController{VirtualDevice: types.VirtualDevice{Key: 15000}},
		}},
		&types.VirtualCdrom{VirtualDevice: types.VirtualDevice{
			Key: 16000,
			Backing: &types.VirtualCdromIsoBackingInfo{
				VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: "[ds] iso/a.iso"},
			},
			Connectable:   connected(),
			ControllerKey: 15000,
			UnitNumber:    types.NewInt32(0),
		}},
	)
}

func disk(key, unit int32, gib int64) *types.VirtualDisk {
	return &types.VirtualDisk{
		VirtualDevice: types.VirtualDevice{
			Key: key,
			Backing: &types.VirtualDiskFlatVer2BackingInfo{
				VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: "[ds]"},
				DiskMode:                     string(types.VirtualDiskModePersistent),
				ThinProvisioned:              types.NewBool(true),
			},
			ControllerKey: 1000,
			UnitNumber:    types.NewInt32(unit),
		},
		CapacityInKB: gib * mebiPerGibi,
	}
}

func networkInterfaces() []types.BaseVirtualDevice {
	network := ref("Network", "network-7")
	backings := []types.BaseVirtualDeviceBackingInfo{
		&types.VirtualEthernetCardNetworkBackingInfo{
			VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: "VM Network"},
			Network:                        &network,
		},
		&types.VirtualEthernetCardDistributedVirtualPortBackingInfo{
			Port: types.DistributedVirtualSwitchPortConnection{
				SwitchUuid: "50 0e", PortgroupKey: "dvportgroup-9",
			},
		},
		&types.VirtualEthernetCardOpaqueNetworkBackingInfo{
			OpaqueNetworkId: "abc", OpaqueNetworkType: "nsx.LogicalSwitch",
		},
	}
	var all []types.BaseVirtualDevice
	for index, backing := range backings {
		all = append(all, &types.VirtualVmxnet3{VirtualVmxnet: types.VirtualVmxnet{
			VirtualEthernetCard: types.VirtualEthernetCard{
				VirtualDevice: types.VirtualDevice{
					Key: 4000 + int32(index), Backing: backing, Connectable: connected(),
				},
				AddressType: string(types.VirtualEthernetCardMacTypeGenerated),
			},
		}})
	}
	return all
}

func connected() *types.VirtualDeviceConnectInfo {
	return &types.VirtualDeviceConnectInfo{
		StartConnected: true, AllowGuestControl: true, Connected: true,
	}
}
