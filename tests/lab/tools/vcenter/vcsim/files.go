package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// makeVSAN makes every datastore one on which folders at the top are objects of the storage.
func makeVSAN(registry *simulator.Registry) {
	for _, item := range registry.All("Datastore") {
		datastore := item.(*simulator.Datastore)
		datastore.Summary.Type = string(types.HostFileSystemVolumeFileSystemTypeVsan)
		datastore.Capability.TopLevelDirectoryCreateSupported = types.NewBool(false)
	}
}

// ofMakeDirectory says why a folder may not be made: it is there, or it would have to be an object.
func ofMakeDirectory(registry *simulator.Registry, request *types.MakeDirectory) types.BaseMethodFault {
	var path object.DatastorePath
	if request.Datacenter == nil || !path.FromString(request.Name) {
		return nil
	}
	datacenter, _ := registry.Get(*request.Datacenter).(*simulator.Datacenter)
	datastore := datastoreOf(registry, datacenter, path.Datastore)
	if datastore == nil {
		return nil
	}
	file := types.FileFault{File: request.Name}
	top := strings.Trim(path.Path, "/")
	plain := datastore.Capability.TopLevelDirectoryCreateSupported
	if plain != nil && !*plain && !strings.Contains(top, "/") {
		return &types.CannotCreateFile{FileFault: file}
	}
	if _, err := os.Stat(filepath.Join(datastore.Summary.Url, filepath.Clean("/"+top))); err == nil {
		return &types.FileAlreadyExists{FileFault: file}
	}
	return nil
}
