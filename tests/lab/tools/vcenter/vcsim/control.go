package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"strconv"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

// control steers a simulator over HTTP, on the loopback address only:
//
//	POST   /faults      adds a rule, and returns it with its id
//	GET    /faults      lists the rules, with how often each was met
//	DELETE /faults      forgets all rules
//	DELETE /faults/{id} forgets one
//	POST   /power       switches a VM on or off, as somebody else would
//	POST   /datastores  puts a datastore into maintenance, or mounts it read-only
//	GET    /guests      lists the VMs as what runs in them would find them
//	GET    /sessions    lists who is logged in
//	DELETE /sessions    ends every session, as an administrator can
type control struct {
	rules   *rules
	service *simulator.Service
}

func newControl(rules *rules, service *simulator.Service) http.Handler {
	c := &control{rules, service}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /faults", c.addFault)
	mux.HandleFunc("GET /faults", c.listFaults)
	mux.HandleFunc("DELETE /faults", c.clearFaults)
	mux.HandleFunc("DELETE /faults/{id}", c.removeFault)
	mux.HandleFunc("POST /power", c.power)
	mux.HandleFunc("POST /datastores", c.setDatastore)
	mux.HandleFunc("GET /guests", c.listGuests)
	mux.HandleFunc("GET /sessions", c.listSessions)
	mux.HandleFunc("DELETE /sessions", c.endSessions)
	return mux
}

func (c *control) addFault(w http.ResponseWriter, r *http.Request) {
	var wanted rule
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wanted); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	added, err := c.rules.add(wanted)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer(w, added)
}

func (c *control) listFaults(w http.ResponseWriter, _ *http.Request) {
	answer(w, c.rules.all())
}

func (c *control) clearFaults(w http.ResponseWriter, _ *http.Request) {
	c.rules.clear()
	w.WriteHeader(http.StatusNoContent)
}

func (c *control) removeFault(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || !c.rules.remove(id) {
		http.Error(w, "no such rule", http.StatusNotFound)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// switched is a VM, by its managed object id, and whether it shall be on.
type switched struct {
	VM string `json:"vm"`
	On bool   `json:"on"`
}

func (c *control) power(w http.ResponseWriter, r *http.Request) {
	var wanted switched
	if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx := context.Background()
	client, err := vim25.NewClient(ctx, c.service)
	if err == nil {
		err = switchPower(ctx, client, wanted)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer(w, wanted)
}

func switchPower(ctx context.Context, client *vim25.Client, wanted switched) error {
	vm := object.NewVirtualMachine(client, types.ManagedObjectReference{Type: "VirtualMachine", Value: wanted.VM})
	change := vm.PowerOff
	if wanted.On {
		change = vm.PowerOn
	}
	task, err := change(ctx)
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

// listed is a session; its key is left out, for it is as good as the password.
type listed struct {
	User      string `json:"user"`
	UserAgent string `json:"userAgent"`
	Calls     int64  `json:"calls"`
}

func (c *control) listSessions(w http.ResponseWriter, _ *http.Request) {
	_, manager := c.visit()
	sessions := make([]listed, 0, len(manager.SessionList))
	for _, session := range manager.SessionList {
		sessions = append(sessions, listed{session.UserName, session.UserAgent, session.CallCount})
	}
	answer(w, sessions)
}

func (c *control) endSessions(w http.ResponseWriter, _ *http.Request) {
	ctx, manager := c.visit()
	for _, session := range manager.SessionList {
		// One that ended by itself meanwhile is no failure.
		manager.TerminateSession(ctx, &types.TerminateSession{SessionId: []string{session.Key}})
	}
	answer(w, map[string]int{"ended": len(manager.SessionList)})
}

// visit is a session of the simulator's own, which nobody sees, and its session manager.
func (c *control) visit() (*simulator.Context, *simulator.SessionManager) {
	registry := c.service.Context.Map
	session := &simulator.Session{Registry: simulator.NewRegistry(), Map: registry}
	manager := session.Get(registry.SessionManager().Reference()).(*simulator.SessionManager)
	return &simulator.Context{Context: context.Background(), Session: session, Map: registry}, manager
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		log.Printf("answering: %v", err)
	}
}
