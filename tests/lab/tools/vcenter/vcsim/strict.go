package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// entity is an object of the inventory.
type entity = mo.Entity

// place is where a refusal reaches the client.
type place string

const (
	never        place = "allow"         // it is not refused
	atCall       place = "call"          // the call is answered by a fault
	inTask       place = "task"          // the call returns a task, and that fails
	notAttempted place = "not-attempted" // the group's task succeeds, and lists the VM as not attempted
	held         place = "held"          // the task waits before it does anything
)

// strictness says what is refused that the stock simulator lets pass, and a vCenter does not.
type strictness struct {
	// duplicateName is where a VM's name that its folder already has is refused.
	duplicateName place
	// isoAtCreate and isoAtPowerOn say when an ISO file must be there.
	isoAtCreate, isoAtPowerOn bool
}

func parseStrictness(duplicate, iso string) (strictness, error) {
	var s strictness
	switch place(duplicate) {
	case atCall, inTask, never:
		s.duplicateName = place(duplicate)
	default:
		return s, fmt.Errorf("-duplicate-name is task, call or allow, not %q", duplicate)
	}
	switch iso {
	case "create":
		s.isoAtCreate = true
	case "power-on":
		s.isoAtPowerOn = true
	case string(never):
	default:
		return s, fmt.Errorf("-missing-iso is create, power-on or allow, not %q", iso)
	}
	return s, nil
}

// ofCreate says why a VM may not be made. The caller holds the folder's lock, which a creating task
// holds until its VM is in the folder: nobody takes the name in between.
func (s strictness) ofCreate(registry *simulator.Registry, folder *simulator.Folder, spec *types.VirtualMachineConfigSpec) (types.BaseMethodFault, place) {
	if s.duplicateName != never {
		if other := registry.FindByName(escaped(spec.Name), folder.ChildEntity); other != nil {
			return &types.DuplicateName{Name: spec.Name, Object: other.Reference()}, s.duplicateName
		}
	}
	datacenter := datacenterOf(registry, folder)
	if fault := misplaced(registry, datacenter, spec.Files); fault != nil {
		return fault, inTask
	}
	if s.isoAtCreate {
		var devices object.VirtualDeviceList
		for _, change := range spec.DeviceChange {
			devices = append(devices, change.GetVirtualDeviceConfigSpec().Device)
		}
		if fault := missingISO(registry, datacenter, devices); fault != nil {
			return fault, inTask
		}
	}
	return nil, never
}

// ofPowerOn says why a VM may not be powered on.
func (s strictness) ofPowerOn(registry *simulator.Registry, vm *simulator.VirtualMachine) types.BaseMethodFault {
	if !s.isoAtPowerOn || vm.Config == nil {
		return nil
	}
	return missingISO(registry, datacenterOf(registry, vm), vm.Config.Hardware.Device)
}

// misplaced refuses a datastore that is not there; the stock simulator ends when it meets one.
func misplaced(registry *simulator.Registry, datacenter *simulator.Datacenter, files *types.VirtualMachineFileInfo) types.BaseMethodFault {
	var path object.DatastorePath
	if files == nil || !path.FromString(files.VmPathName) {
		return nil
	}
	if datastoreOf(registry, datacenter, path.Datastore) != nil {
		return nil
	}
	return &types.InvalidDatastorePath{
		InvalidDatastore: types.InvalidDatastore{Name: path.Datastore},
		DatastorePath:    files.VmPathName,
	}
}

// missingISO refuses a CD-ROM whose ISO file is not on its datastore.
func missingISO(registry *simulator.Registry, datacenter *simulator.Datacenter, devices object.VirtualDeviceList) types.BaseMethodFault {
	for _, device := range devices {
		backing, ok := device.GetVirtualDevice().Backing.(*types.VirtualCdromIsoBackingInfo)
		if ok && !isFile(registry, datacenter, backing.FileName) {
			return &types.FileNotFound{FileFault: types.FileFault{File: backing.FileName}}
		}
	}
	return nil
}

func isFile(registry *simulator.Registry, datacenter *simulator.Datacenter, name string) bool {
	var path object.DatastorePath
	if !path.FromString(name) {
		return false
	}
	datastore := datastoreOf(registry, datacenter, path.Datastore)
	if datastore == nil {
		return false
	}
	info, err := os.Stat(filepath.Join(datastore.Summary.Url, filepath.Clean("/"+path.Path)))
	return err == nil && info.Mode().IsRegular()
}

// escaped is the name as a vCenter keeps it.
func escaped(name string) string {
	return strings.NewReplacer(`%`, `%25`, `/`, `%2f`, `\`, `%5c`).Replace(name)
}

// ofReconfigure says why a VM may not be changed: the change rests on a version that is not its own any more.
func ofReconfigure(vm *simulator.VirtualMachine, body *types.ReconfigVM_Task) types.BaseMethodFault {
	if asked := body.Spec.ChangeVersion; asked != "" && asked != vm.Config.ChangeVersion {
		return new(types.ConcurrentAccess)
	}
	return nil
}
