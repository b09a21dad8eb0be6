package main

import (
	"encoding/json"
	"net/http"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// service says how a datastore, by its name, shall stand.
type service struct {
	Name        string `json:"name"`
	Maintenance bool   `json:"maintenance"`
	ReadOnly    bool   `json:"readOnly"`
}

func (c *control) setDatastore(w http.ResponseWriter, r *http.Request) {
	var wanted service
	if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, _ := c.visit()
	for _, item := range ctx.Map.All("Datastore") {
		if datastore := item.(*simulator.Datastore); datastore.Name == wanted.Name {
			ctx.Map.AtomicUpdate(ctx, datastore, wanted.changes(datastore))
			answer(w, wanted)
			return
		}
	}
	http.Error(w, "no such datastore", http.StatusNotFound)
}

// changes are the properties that say so, on each host that mounts the datastore.
func (s service) changes(datastore *simulator.Datastore) []types.PropertyChange {
	maintenance, access := types.DatastoreSummaryMaintenanceModeStateNormal, types.HostMountModeReadWrite
	if s.Maintenance {
		maintenance = types.DatastoreSummaryMaintenanceModeStateInMaintenance
	}
	if s.ReadOnly {
		access = types.HostMountModeReadOnly
	}
	mounts := make([]types.DatastoreHostMount, len(datastore.Host))
	copy(mounts, datastore.Host)
	for i := range mounts {
		mounts[i].MountInfo.AccessMode = string(access)
	}
	return []types.PropertyChange{
		{Name: "summary.maintenanceMode", Val: string(maintenance)},
		{Name: "host", Val: mounts},
	}
}
