package main

import (
	"context"
	"net/http"
	"sort"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// guest is a VM as what runs in it would find it: whoever plays a guest needs no session for that.
type guest struct {
	VM       string   `json:"vm"`
	Name     string   `json:"name"`
	On       bool     `json:"on"`
	UUID     string   `json:"uuid"`
	CPUs     int32    `json:"cpus"`
	MemoryMB int32    `json:"memoryMB"`
	MACs     []string `json:"macs"`
	Disks    []disk   `json:"disks"`
	// The file in a CD-ROM drive that is connected when the VM starts.
	ISO string `json:"iso"`
}

type disk struct {
	UUID  string `json:"uuid"`
	Bytes int64  `json:"bytes"`
}

func (c *control) listGuests(w http.ResponseWriter, _ *http.Request) {
	registry := c.service.Context.Map
	guests := []guest{}
	for _, entity := range registry.All("VirtualMachine") {
		vm, ok := entity.(*simulator.VirtualMachine)
		if !ok {
			continue
		}
		// A context holds one lock at a time.
		own := &simulator.Context{Context: context.Background(), Session: c.service.Context.Session, Map: registry}
		own.WithLock(vm, func() {
			if vm.Config != nil {
				guests = append(guests, guestOf(vm))
			}
		})
	}
	sort.Slice(guests, func(one, other int) bool { return guests[one].Name < guests[other].Name })
	answer(w, guests)
}

func guestOf(vm *simulator.VirtualMachine) guest {
	found := guest{
		VM:       vm.Self.Value,
		Name:     vm.Name,
		On:       vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn,
		UUID:     vm.Config.Uuid,
		CPUs:     vm.Config.Hardware.NumCPU,
		MemoryMB: vm.Config.Hardware.MemoryMB,
		MACs:     []string{},
		Disks:    []disk{},
	}
	for _, device := range vm.Config.Hardware.Device {
		switch device := device.(type) {
		case *types.VirtualDisk:
			found.Disks = append(found.Disks, diskOf(device))
		case *types.VirtualCdrom:
			found.ISO = isoIn(device)
		case types.BaseVirtualEthernetCard:
			found.MACs = append(found.MACs, device.GetVirtualEthernetCard().MacAddress)
		}
	}
	return found
}

func diskOf(device *types.VirtualDisk) disk {
	found := disk{Bytes: device.CapacityInBytes}
	if found.Bytes == 0 {
		found.Bytes = device.CapacityInKB * 1024
	}
	if file, ok := device.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok {
		found.UUID = file.Uuid
	}
	return found
}

func isoIn(device *types.VirtualCdrom) string {
	file, ok := device.Backing.(*types.VirtualCdromIsoBackingInfo)
	if !ok || device.Connectable == nil || !device.Connectable.StartConnected {
		return ""
	}
	return file.FileName
}
