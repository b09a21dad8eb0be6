//! Where machines can be: one datacenter, one cluster with one host, one datastore, one network.

use super::{
    Properties,
    values::{leaf, parts, reference, references},
};
use std::{collections::BTreeMap, sync::Arc};
use vsphere_driver::soap::{MoRef, ServiceContent, session::About};

fn object(kind: &str, id: &str) -> MoRef {
    MoRef::new(kind, id)
}

/// The folder of all machines.
pub(crate) fn vm_folder() -> MoRef {
    object("Folder", "group-v3")
}

/// What the objects are that vCenter begins with.
pub(super) fn content() -> ServiceContent {
    ServiceContent {
        root_folder: object("Folder", "group-d1"),
        property_collector: object("PropertyCollector", "propertyCollector"),
        view_manager: object("ViewManager", "ViewManager"),
        session_manager: object("SessionManager", "SessionManager"),
        search_index: object("SearchIndex", "SearchIndex"),
        authorization_manager: object("AuthorizationManager", "AuthorizationManager"),
        file_manager: object("FileManager", "FileManager"),
        namespace_manager: None,
        about: About {
            full_name: "vCenter in memory".into(),
            version: "8.0.3".into(),
            build: "1".into(),
            api_type: "VirtualCenter".into(),
            api_version: "8.0.3.0".into(),
            instance_uuid: "6ba7b810-9dad-11d1-80b4-00c04fd430c8".into(),
        },
    }
}

/// All objects but machines and tasks.
#[expect(clippy::too_many_lines, reason = "a table of objects")]
pub(super) fn objects() -> BTreeMap<MoRef, Arc<Properties>> {
    let root = object("Folder", "group-d1");
    let datacenter = object("Datacenter", "datacenter-2");
    let cluster = object("ClusterComputeResource", "domain-c7");
    let (host, pool) = (
        object("HostSystem", "host-8"),
        object("ResourcePool", "resgroup-9"),
    );
    let (store, network) = (
        object("Datastore", "datastore-10"),
        object("Network", "network-11"),
    );
    let folder = |id: &str| object("Folder", id);
    let mut all = BTreeMap::new();
    let mut add = |moref: &MoRef, name: &str, parent: Option<&MoRef>, more: Vec<(&str, _)>| {
        let named = [("name", leaf(name))].into_iter();
        let placed = parent.map(|parent| ("parent", reference(parent)));
        let properties = named.chain(placed).chain(more);
        let properties = properties.map(|(path, value)| (path.to_owned(), value));
        all.insert(moref.clone(), Arc::new(properties.collect::<Properties>()));
    };
    add(&root, "Datacenters", None, vec![]);
    let vm_folder = vec![("vmFolder", reference(&vm_folder()))];
    add(&datacenter, "DC0", Some(&root), vm_folder);
    for (id, name) in [
        ("group-v3", "vm"),
        ("group-h4", "host"),
        ("group-s5", "datastore"),
        ("group-n6", "network"),
    ] {
        add(&folder(id), name, Some(&datacenter), vec![]);
    }
    let has = || {
        vec![
            ("datastore", references(std::slice::from_ref(&store))),
            ("network", references(std::slice::from_ref(&network))),
        ]
    };
    let mut compute = has();
    compute.extend([
        ("resourcePool", reference(&pool)),
        ("host", references(std::slice::from_ref(&host))),
        ("configurationEx.drsConfig.enabled", leaf("true")),
        ("summary.totalCpu", leaf("256000")),
        ("summary.totalMemory", leaf("4398046511104")),
        ("summary.effectiveCpu", leaf("250000")),
        ("summary.effectiveMemory", leaf("4100000")),
    ]);
    add(&cluster, "C0", Some(&folder("group-h4")), compute);
    let mut of_host = has();
    of_host.extend([
        ("runtime.connectionState", leaf("connected")),
        ("runtime.inMaintenanceMode", leaf("false")),
        ("summary.hardware.numCpuThreads", leaf("64")),
        ("summary.hardware.cpuMhz", leaf("4000")),
        ("summary.hardware.numCpuCores", leaf("64")),
        ("summary.hardware.memorySize", leaf("4398046511104")),
        ("summary.quickStats", parts(&[("overallCpuUsage", "90")])),
    ]);
    add(&host, "h0", Some(&cluster), of_host);
    let usage = |all: &str| parts(&[("unreservedForVm", all), ("maxUsage", all)]);
    let owner = vec![
        ("owner", reference(&cluster)),
        ("runtime.cpu", usage("250000")),
        ("runtime.memory", usage("4299161600000")),
    ];
    add(&pool, "Resources", Some(&cluster), owner);
    let of_store = vec![
        ("summary.accessible", leaf("true")),
        ("summary.maintenanceMode", leaf("normal")),
        ("summary.capacity", leaf("99000000000000")),
        ("summary.freeSpace", leaf("98000000000000")),
        (
            "browser",
            reference(&object("HostDatastoreBrowser", "browser-10")),
        ),
    ];
    add(&store, "ds", Some(&folder("group-s5")), of_store);
    add(&network, "net", Some(&folder("group-n6")), vec![]);
    all
}
