package main

import (
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

type request struct {
	name string
	body any
}

func ref(kind, id string) types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: kind, Value: id}
}

var (
	collector = ref("PropertyCollector", "session[1]pc")
	folder    = ref("Folder", "group-v3")
	pool      = ref("ResourcePool", "resgroup-8")
	host      = ref("HostSystem", "host-21")
	vm        = ref("VirtualMachine", "vm-1")
	otherVM   = ref("VirtualMachine", "vm-2")
	task      = ref("Task", "task-1")
	view      = ref("ContainerView", "session[1]v")
	listView  = ref("ListView", "session[1]l")
	instance  = ref("ServiceInstance", "ServiceInstance")
	session   = ref("SessionManager", "SessionManager")
	views     = ref("ViewManager", "ViewManager")
	search    = ref("SearchIndex", "SearchIndex")
)

func requests() []request {
	var all []request
	for _, group := range [][]request{sessions(), viewing(), collecting(), machines(), finding(), files()} {
		all = append(all, group...)
	}
	return all
}

func sessions() []request {
	return []request{
		{"retrieve_service_content", methods.RetrieveServiceContentBody{
			Req: &types.RetrieveServiceContent{This: instance},
		}},
		{"current_time", methods.CurrentTimeBody{Req: &types.CurrentTime{This: instance}}},
		{"login", methods.LoginBody{Req: &types.Login{
			This: session, UserName: `DOMAIN\user`, Password: `<p>&"'ä`,
		}}},
		{"logout", methods.LogoutBody{Req: &types.Logout{This: session}}},
	}
}

func viewing() []request {
	return []request{
		{"create_container_view", methods.CreateContainerViewBody{Req: &types.CreateContainerView{
			This: views, Container: ref("Folder", "group-d1"),
			Type: []string{"VirtualMachine", "Folder"}, Recursive: true,
		}}},
		{"create_list_view", methods.CreateListViewBody{Req: &types.CreateListView{
			This: views, Obj: []types.ManagedObjectReference{task},
		}}},
		{"modify_list_view", methods.ModifyListViewBody{Req: &types.ModifyListView{
			This:   listView,
			Add:    []types.ManagedObjectReference{ref("Task", "task-2"), ref("Task", "task-3")},
			Remove: []types.ManagedObjectReference{task},
		}}},
		{"destroy_view", methods.DestroyViewBody{Req: &types.DestroyView{This: view}}},
	}
}

func viewSpec() types.PropertyFilterSpec {
	return types.PropertyFilterSpec{
		PropSet: []types.PropertySpec{
			{Type: "VirtualMachine", PathSet: []string{"name", `config.extraConfig["a.b"]`}},
			{Type: "Folder", PathSet: []string{"name"}},
		},
		ObjectSet: []types.ObjectSpec{{
			Obj: view, Skip: types.NewBool(true),
			SelectSet: []types.BaseSelectionSpec{&types.TraversalSpec{
				Type: "ContainerView", Path: "view", Skip: types.NewBool(false),
			}},
		}},
	}
}

func capacitySpec() types.PropertyFilterSpec {
	cluster, datastore := ref("ClusterComputeResource", "domain-c7"), ref("Datastore", "datastore-10")
	return types.PropertyFilterSpec{
		PropSet: []types.PropertySpec{
			{Type: cluster.Type, PathSet: []string{
				"summary.totalCpu", "summary.totalMemory", "summary.effectiveCpu", "summary.effectiveMemory",
				"configurationEx.dasConfig",
			}},
			{Type: pool.Type, PathSet: []string{"runtime.cpu", "runtime.memory"}},
			{Type: datastore.Type, PathSet: []string{"summary.capacity", "summary.freeSpace", "summary.uncommitted"}},
			{Type: host.Type, PathSet: []string{
				"summary.hardware.cpuMhz", "summary.hardware.numCpuCores", "summary.hardware.memorySize",
				"summary.quickStats",
			}},
		},
		ObjectSet: []types.ObjectSpec{
			{Obj: cluster, Skip: types.NewBool(false)},
			{Obj: pool, Skip: types.NewBool(false)},
			{Obj: datastore, Skip: types.NewBool(false)},
			{Obj: host, Skip: types.NewBool(false)},
		},
		ReportMissingObjectsInResults: types.NewBool(true),
	}
}

func objectsSpec() types.PropertyFilterSpec {
	return types.PropertyFilterSpec{
		PropSet: []types.PropertySpec{{Type: "VirtualMachine", PathSet: []string{"runtime.powerState"}}},
		ObjectSet: []types.ObjectSpec{
			{Obj: vm, Skip: types.NewBool(false)},
			{Obj: otherVM, Skip: types.NewBool(false)},
		},
	}
}

func collecting() []request {
	tolerant := objectsSpec()
	tolerant.ReportMissingObjectsInResults = types.NewBool(true)
	return []request{
		{"create_property_collector", methods.CreatePropertyCollectorBody{
			Req: &types.CreatePropertyCollector{This: ref("PropertyCollector", "propertyCollector")},
		}},
		{"destroy_property_collector", methods.DestroyPropertyCollectorBody{
			Req: &types.DestroyPropertyCollector{This: collector},
		}},
		{"create_filter_of_view", methods.CreateFilterBody{
			Req: &types.CreateFilter{This: collector, Spec: viewSpec()},
		}},
		{"create_filter_of_objects", methods.CreateFilterBody{
			Req: &types.CreateFilter{This: collector, Spec: tolerant},
		}},
		{"destroy_filter", methods.DestroyPropertyFilterBody{
			Req: &types.DestroyPropertyFilter{This: ref("PropertyFilter", "session[1]f")},
		}},
		{"wait_for_updates", methods.WaitForUpdatesExBody{Req: &types.WaitForUpdatesEx{
			This: collector, Version: "7",
			Options: &types.WaitOptions{MaxWaitSeconds: types.NewInt32(60), MaxObjectUpdates: 500},
		}}},
		{"cancel_wait_for_updates", methods.CancelWaitForUpdatesBody{
			Req: &types.CancelWaitForUpdates{This: collector},
		}},
		{"retrieve_properties", methods.RetrievePropertiesExBody{Req: &types.RetrievePropertiesEx{
			This: collector, SpecSet: []types.PropertyFilterSpec{viewSpec(), objectsSpec()},
			Options: types.RetrieveOptions{MaxObjects: 500},
		}}},
		{"retrieve_capacity", methods.RetrievePropertiesExBody{Req: &types.RetrievePropertiesEx{
			This: collector, SpecSet: []types.PropertyFilterSpec{capacitySpec()},
		}}},
		{"continue_retrieve_properties", methods.ContinueRetrievePropertiesExBody{
			Req: &types.ContinueRetrievePropertiesEx{This: collector, Token: "1"},
		}},
		{"cancel_retrieve_properties", methods.CancelRetrievePropertiesExBody{
			Req: &types.CancelRetrievePropertiesEx{This: collector, Token: "1"},
		}},
	}
}

func machines() []request {
	return []request{
		{"create_vm", methods.CreateVM_TaskBody{Req: &types.CreateVM_Task{
			This: folder, Config: fullMachine(), Pool: pool, Host: &host,
		}}},
		{"create_vm_smallest", methods.CreateVM_TaskBody{Req: &types.CreateVM_Task{
			This: folder, Config: smallestMachine(), Pool: pool,
		}}},
		{"power_on", methods.PowerOnMultiVM_TaskBody{Req: &types.PowerOnMultiVM_Task{
			This: ref("Datacenter", "datacenter-2"), Vm: []types.ManagedObjectReference{vm, otherVM},
			Option: []types.BaseOptionValue{&types.OptionValue{
				Key:   string(types.ClusterPowerOnVmOptionOverrideAutomationLevel),
				Value: string(types.DrsBehaviorFullyAutomated),
			}},
		}}},
		{"power_on_one", methods.PowerOnVM_TaskBody{Req: &types.PowerOnVM_Task{This: vm, Host: &host}}},
		{"power_off", methods.PowerOffVM_TaskBody{Req: &types.PowerOffVM_Task{This: vm}}},
		{"destroy", methods.Destroy_TaskBody{Req: &types.Destroy_Task{This: vm}}},
		{"reconfigure", methods.ReconfigVM_TaskBody{Req: &types.ReconfigVM_Task{This: vm, Spec: change()}}},
		{"empty_drive", methods.ReconfigVM_TaskBody{Req: &types.ReconfigVM_Task{This: vm, Spec: emptying()}}},
		{"answer", methods.AnswerVMBody{Req: &types.AnswerVM{This: vm, QuestionId: "7", AnswerChoice: "1"}}},
		{"create_folder", methods.CreateFolderBody{Req: &types.CreateFolder{This: folder, Name: "a%2fb"}}},
	}
}

func finding() []request {
	datacenter := ref("Datacenter", "datacenter-2")
	return []request{
		{"search_datastore", methods.SearchDatastore_TaskBody{Req: &types.SearchDatastore_Task{
			This: ref("HostDatastoreBrowser", "datastoreBrowser-7"), DatastorePath: "[ds] iso",
			SearchSpec: &types.HostDatastoreBrowserSearchSpec{
				Details: &types.FileQueryFlags{
					FileSize: true, FileType: false, Modification: false,
				},
				MatchPattern: []string{"a.iso"},
			},
		}}},
		{"find_child", methods.FindChildBody{Req: &types.FindChild{
			This: search, Entity: folder, Name: "n01",
		}}},
		{"find_vms", methods.FindAllByUuidBody{Req: &types.FindAllByUuid{
			This: search, Datacenter: &datacenter, Uuid: "5f0c", VmSearch: true,
			InstanceUuid: types.NewBool(true),
		}}},
		{"has_privileges", methods.HasPrivilegeOnEntitiesBody{Req: &types.HasPrivilegeOnEntities{
			This:      ref("AuthorizationManager", "AuthorizationManager"),
			Entity:    []types.ManagedObjectReference{folder, pool},
			SessionId: "key", PrivId: []string{"System.Read", "VirtualMachine.Inventory.Create"},
		}}},
	}
}

func files() []request {
	datacenter := ref("Datacenter", "datacenter-2")
	manager := ref("FileManager", "FileManager")
	part, whole := "[ds] isos/a.part-1.iso", "[ds] isos/a.iso"
	return []request{
		{"make_directory", methods.MakeDirectoryBody{Req: &types.MakeDirectory{
			This: manager, Name: "[ds] isos", Datacenter: &datacenter,
			CreateParentDirectories: types.NewBool(true),
		}}},
		{"move_file", methods.MoveDatastoreFile_TaskBody{Req: &types.MoveDatastoreFile_Task{
			This: manager, SourceName: part, SourceDatacenter: &datacenter,
			DestinationName: whole, DestinationDatacenter: &datacenter, Force: types.NewBool(false),
		}}},
		{"delete_file", methods.DeleteDatastoreFile_TaskBody{Req: &types.DeleteDatastoreFile_Task{
			This: manager, Name: part, Datacenter: &datacenter,
		}}},
		{"create_namespace", methods.CreateDirectoryBody{Req: &types.CreateDirectory{
			This:      ref("DatastoreNamespaceManager", "DatastoreNamespaceManager"),
			Datastore: ref("Datastore", "datastore-10"), DisplayName: "isos",
		}}},
	}
}
