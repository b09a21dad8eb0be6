package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

// rule says which calls fail, and how.
type rule struct {
	// ID is given by the simulator.
	ID int `json:"id"`
	// Method is the SOAP method, such as CreateVM_Task. PowerOnVM_Task also means each VM that a
	// PowerOnMultiVM_Task powers on.
	Method string `json:"method"`
	// Name is a pattern, with * and ?, for the name of the VM that is to be made, of the datastore on
	// which a file is, or of the object that is called. Absent: any.
	Name string `json:"name,omitempty"`
	// First is the first matching call that fails, from 1. Absent: 1.
	First int `json:"first,omitempty"`
	// Times is how many calls fail from there on. Absent: all.
	Times int `json:"times,omitempty"`
	// At is call, task (the default for methods that return one), not-attempted (PowerOnVM_Task only), or
	// held (tasks of files only): the task runs, and does what it is for once the rule is taken away.
	At place `json:"at,omitempty"`
	// Fault is the fault. Absent for what is held.
	Fault faultSpec `json:"fault"`

	// Seen counts matching calls, Played those that failed.
	Seen   int `json:"seen"`
	Played int `json:"played"`

	// gone is closed when the rule is taken away.
	gone chan struct{}
}

// verdict is what the rules say of a call: a fault and where it comes, or until when its task is held.
type verdict struct {
	fault types.BaseMethodFault
	at    place
	until <-chan struct{}
}

// faultSpec is a fault by the name of its type, such as NoPermission, and its fields by their names
// in the API.
type faultSpec struct {
	Type   string          `json:"type"`
	Fields json.RawMessage `json:"fields,omitempty"`
}

// rules are the rules of a simulator.
type rules struct {
	mutex sync.Mutex
	last  int
	list  []*rule
}

// add checks a rule, and returns it with its id.
func (r *rules) add(rule rule) (rule, error) {
	if err := rule.check(); err != nil {
		return rule, err
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.last++
	rule.ID, rule.Seen, rule.Played, rule.gone = r.last, 0, 0, make(chan struct{})
	r.list = append(r.list, &rule)
	return rule, nil
}

// all returns copies of the rules.
func (r *rules) all() []rule {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	list := make([]rule, 0, len(r.list))
	for _, rule := range r.list {
		list = append(list, *rule)
	}
	return list
}

// remove forgets one rule, and says whether it was there.
func (r *rules) remove(id int) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.forget(func(rule *rule) bool { return rule.ID == id })
}

// clear forgets all rules.
func (r *rules) clear() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.forget(func(*rule) bool { return true })
}

// forget takes rules away, and says whether there were any.
func (r *rules) forget(is func(*rule) bool) bool {
	before := len(r.list)
	r.list = slices.DeleteFunc(r.list, func(rule *rule) bool {
		if is(rule) {
			close(rule.gone)
			return true
		}
		return false
	})
	return len(r.list) < before
}

// play returns what the first rule says that is for this call and due. Every rule that matches counts
// the call.
func (r *rules) play(method string, object types.ManagedObjectReference, name func() string) verdict {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	said := verdict{at: never}
	for _, rule := range r.list {
		if rule.Method != method || !rule.isFor(name) {
			continue
		}
		rule.Seen++
		if said.at == never && rule.isDue() {
			rule.Played++
			said.at = rule.At
			if rule.At == held {
				said.until = rule.gone
			} else {
				said.fault = rule.Fault.of(object)
			}
		}
	}
	return said
}

func (r *rule) check() error {
	if r.Method == "" {
		return fmt.Errorf("method is missing")
	}
	if _, err := path.Match(r.Name, ""); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if r.First < 0 || r.Times < 0 {
		return fmt.Errorf("first and times are not negative")
	}
	r.First = max(r.First, 1)
	if r.At == "" {
		r.At = atCall
		if isTask(r.Method) {
			r.At = inTask
		}
	}
	switch r.At {
	case atCall:
	case inTask:
		if !canFailLater(r.Method) {
			return fmt.Errorf("no task of %s can be made to fail; those of %s can", r.Method, strings.Join(failable(), ", "))
		}
	case notAttempted:
		if r.Method != powerOn {
			return fmt.Errorf("only %s can be not-attempted", powerOn)
		}
	case held:
		if !slices.Contains(holdable(), r.Method) {
			return fmt.Errorf("no task of %s can be held; those of %s can", r.Method, strings.Join(holdable(), ", "))
		}
		return nil
	default:
		return fmt.Errorf("at is call, task, not-attempted or held, not %q", r.At)
	}
	_, err := r.Fault.decode()
	return err
}

func (r *rule) isFor(name func() string) bool {
	if r.Name == "" {
		return true
	}
	matches, err := path.Match(r.Name, name())
	return err == nil && matches
}

func (r *rule) isDue() bool {
	return r.Seen >= r.First && (r.Times == 0 || r.Played < r.Times)
}

var typeOf = types.TypeFunc()

// decode makes the fault.
func (f *faultSpec) decode() (types.BaseMethodFault, error) {
	kind, ok := typeOf(f.Type)
	if !ok {
		return nil, fmt.Errorf("the API has no type %q", f.Type)
	}
	value := reflect.New(kind).Interface()
	fault, ok := value.(types.BaseMethodFault)
	if !ok {
		return nil, fmt.Errorf("%s is no fault", f.Type)
	}
	if len(f.Fields) == 0 {
		return fault, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(f.Fields))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return nil, fmt.Errorf("fields of %s: %w", f.Type, err)
	}
	return fault, nil
}

// of makes the fault for a call of object. A missing permission is one on that object, unless the
// rule names another.
func (f *faultSpec) of(object types.ManagedObjectReference) types.BaseMethodFault {
	fault, err := f.decode()
	if err != nil { // It was decoded when the rule was added.
		return &types.SystemError{Reason: err.Error()}
	}
	switch permission := fault.(type) {
	case *types.NoPermission:
		if permission.Object == nil {
			permission.Object = &object
		}
	case *types.NotAuthenticated:
		if permission.Object == nil {
			permission.Object = &object
		}
	}
	return fault
}
