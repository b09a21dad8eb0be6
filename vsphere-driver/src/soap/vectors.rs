//! Compares our requests with those of an independent client.
//!
//! `vectors/*.xml` is what govmomi sends; the Go program in `tests/lab/tools/vcenter/vectors` makes
//! it. What must be equal is what vCenter judges: the elements, their order, types and texts.

use super::{
    Element, Method, MoRef, Request, authorization,
    config_spec::{BootDevice, ConfigSpec, Firmware},
    datastore,
    device::{Device, Drive, NetworkBacking, disk_key},
    file_manager, folder, namespace_manager,
    property_collector::{self, FilterSpec, PropertySpec, WaitOptions},
    question,
    reconfigure::{self, Reconfiguration},
    search::{self, UuidKind},
    session, views, virtual_machine,
    xml::Limits,
};
use crate::{
    capacity::{self, Site},
    secret::Secret,
};
use std::{collections::BTreeSet, ffi::OsStr, fs, path::Path, time::Duration};

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors");

#[test]
fn each_request_is_what_an_independent_client_sends() {
    for (name, request) in requests() {
        let path = Path::new(DIR).join(format!("{name}.xml"));
        let theirs = body(&fs::read(&path).expect(name));
        let ours = body(request.envelope(Some("op-1")).as_bytes());
        assert_eq!(outline(&ours), outline(&theirs), "{name}");
    }
}

#[test]
fn each_vector_has_a_request() {
    let files = fs::read_dir(DIR).unwrap().map(|file| file.unwrap().path());
    let vectors: BTreeSet<_> = files
        .filter(|path| path.extension() == Some(OsStr::new("xml")))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let ours: BTreeSet<_> = requests().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(ours, vectors);
}

#[test]
fn each_method_has_a_vector() {
    let ours: BTreeSet<_> = requests().map(|(_, request)| request.method()).collect();
    assert!(ours.into_iter().eq(Method::ALL.iter().copied()));
}

fn body(document: &[u8]) -> Element {
    let envelope = Element::parse(document, Limits::DEFAULT).unwrap();
    envelope.path("Body").unwrap().children()[0].clone()
}

/// One line per element, indented: easier to read in a failed comparison than nested values.
fn outline(element: &Element) -> String {
    let object = element.moref().map(|object| object.kind);
    let kind = object.as_deref().unwrap_or(element.xsi_type());
    let mut lines = vec![format!("{} ({kind}) {:?}", element.name(), element.text())];
    for child in element.children() {
        lines.extend(outline(child).lines().map(|line| format!("  {line}")));
    }
    lines.join("\n")
}

fn requests() -> impl Iterator<Item = (&'static str, Request)> {
    sessions()
        .into_iter()
        .chain(viewing())
        .chain(watching())
        .chain(retrieving())
        .chain(machines())
        .chain(finding())
        .chain(files())
}

fn vm(number: u8) -> MoRef {
    MoRef::new("VirtualMachine", format!("vm-{number}"))
}

fn task(number: u8) -> MoRef {
    MoRef::new("Task", format!("task-{number}"))
}

fn folder() -> MoRef {
    MoRef::new("Folder", "group-v3")
}

fn pool() -> MoRef {
    MoRef::new("ResourcePool", "resgroup-8")
}

fn host() -> MoRef {
    MoRef::new("HostSystem", "host-21")
}

fn datacenter() -> MoRef {
    MoRef::new("Datacenter", "datacenter-2")
}

fn collector() -> MoRef {
    MoRef::new("PropertyCollector", "session[1]pc")
}

fn sessions() -> [(&'static str, Request); 4] {
    let manager = MoRef::new("SessionManager", "SessionManager");
    let password = Secret::new("<p>&\"'ä");
    [
        (
            "retrieve_service_content",
            session::retrieve_service_content(),
        ),
        ("current_time", session::current_time()),
        ("login", session::login(&manager, "DOMAIN\\user", &password)),
        ("logout", session::logout(&manager)),
    ]
}

fn viewing() -> [(&'static str, Request); 4] {
    let manager = MoRef::new("ViewManager", "ViewManager");
    let root = MoRef::new("Folder", "group-d1");
    let kinds = ["VirtualMachine", "Folder"];
    let list = MoRef::new("ListView", "session[1]l");
    [
        (
            "create_container_view",
            views::create_container_view(&manager, &root, &kinds),
        ),
        (
            "create_list_view",
            views::create_list_view(&manager, &[task(1)]),
        ),
        (
            "modify_list_view",
            views::modify_list_view(&list, &[task(2), task(3)], &[task(1)]),
        ),
        ("destroy_view", views::destroy_view(&view())),
    ]
}

fn view() -> MoRef {
    MoRef::new("ContainerView", "session[1]v")
}

fn of_view() -> FilterSpec {
    let of_vms = PropertySpec::new("VirtualMachine", ["name", "config.extraConfig[\"a.b\"]"]);
    FilterSpec::of_view(&view(), [of_vms, PropertySpec::new("Folder", ["name"])])
}

fn of_objects() -> FilterSpec {
    let power = PropertySpec::new("VirtualMachine", ["runtime.powerState"]);
    FilterSpec::of_objects([vm(1), vm(2)], [power])
}

fn watching() -> [(&'static str, Request); 7] {
    use property_collector as pc;
    let default = MoRef::new("PropertyCollector", "propertyCollector");
    let filter = MoRef::new("PropertyFilter", "session[1]f");
    let options = WaitOptions {
        max_wait: Duration::from_mins(1),
        max_objects: Some(500),
    };
    let tolerant = of_objects().tolerating_missing();
    [
        (
            "create_property_collector",
            pc::create_property_collector(&default),
        ),
        (
            "destroy_property_collector",
            pc::destroy_property_collector(&collector()),
        ),
        (
            "create_filter_of_view",
            pc::create_filter(&collector(), &of_view()),
        ),
        (
            "create_filter_of_objects",
            pc::create_filter(&collector(), &tolerant),
        ),
        ("destroy_filter", pc::destroy_filter(&filter)),
        (
            "wait_for_updates",
            pc::wait_for_updates(&collector(), "7", options),
        ),
        (
            "cancel_wait_for_updates",
            pc::cancel_wait_for_updates(&collector()),
        ),
    ]
}

fn retrieving() -> [(&'static str, Request); 4] {
    use property_collector as pc;
    let specs = [of_view(), of_objects()];
    let site = Site {
        cluster: MoRef::new("ClusterComputeResource", "domain-c7"),
        pool: pool(),
        datastore: MoRef::new("Datastore", "datastore-10"),
    };
    let room = [capacity::filter(&site, &[host()])];
    [
        (
            "retrieve_capacity",
            pc::retrieve_properties(&collector(), &room, None),
        ),
        (
            "retrieve_properties",
            pc::retrieve_properties(&collector(), &specs, Some(500)),
        ),
        (
            "continue_retrieve_properties",
            pc::continue_retrieve_properties(&collector(), "1"),
        ),
        (
            "cancel_retrieve_properties",
            pc::cancel_retrieve_properties(&collector(), "1"),
        ),
    ]
}

fn machines() -> [(&'static str, Request); 10] {
    use virtual_machine as machine;
    let smallest = ConfigSpec {
        name: "n02".into(),
        firmware: Some(Firmware::Bios),
        ..ConfigSpec::default()
    };
    [
        (
            "create_vm",
            machine::create_vm(&folder(), &full_machine(), &pool(), Some(&host())),
        ),
        (
            "create_vm_smallest",
            machine::create_vm(&folder(), &smallest, &pool(), None),
        ),
        (
            "power_on",
            machine::power_on(&datacenter(), &[vm(1), vm(2)]),
        ),
        ("power_on_one", machine::power_on_one(&vm(1), Some(&host()))),
        ("power_off", machine::power_off(&vm(1))),
        ("destroy", machine::destroy(&vm(1))),
        ("reconfigure", reconfigure::reconfigure(&vm(1), &change())),
        ("empty_drive", reconfigure::reconfigure(&vm(1), &emptying())),
        ("answer", question::answer(&vm(1), "7", "1")),
        ("create_folder", folder::create_folder(&folder(), "a%2fb")),
    ]
}

fn change() -> Reconfiguration {
    Reconfiguration {
        change_version: "2026-11-21T11:00:00.000001Z".into(),
        instance_uuid: Some("500d".into()),
        emptied: Vec::new(),
        extra_config: vec![
            ("hcp-vsphere.hub".into(), "<&>".into()),
            ("hcp-vsphere.slot".into(), String::new()),
        ],
    }
}

fn emptying() -> Reconfiguration {
    let drive = Drive {
        key: 16_000,
        controller: 15_000,
        unit: 0,
        iso: "[ds] iso/a.iso".into(),
    };
    Reconfiguration {
        change_version: "7".into(),
        emptied: vec![drive],
        ..Reconfiguration::default()
    }
}

fn full_machine() -> ConfigSpec {
    ConfigSpec {
        name: "pool-n01".into(),
        uuid: Some("420c".into()),
        instance_uuid: Some("500c".into()),
        guest_id: Some("rhel8_64Guest".into()),
        annotation: Some("made by hand\nnever".into()),
        vm_path_name: Some("[ds]".into()),
        num_cpus: Some(4),
        memory_mb: Some(16384),
        firmware: Some(Firmware::Efi { secure_boot: true }),
        boot_order: vec![BootDevice::Disk(disk_key(0)), BootDevice::Cdrom],
        nested_hv_enabled: Some(true),
        devices: devices(),
        extra_config: vec![
            ("disk.EnableUUID".into(), "TRUE".into()),
            ("hcp-vsphere.hub".into(), "<&>".into()),
        ],
    }
}

fn devices() -> Vec<Device> {
    let disk = |index, size_gib| Device::Disk {
        index,
        size_gib,
        file_name: "[ds]".into(),
    };
    let nic = |(index, backing)| Device::Nic { index, backing };
    let iso = "[ds] iso/a.iso".into();
    let mut all = vec![Device::ScsiController, disk(0, 120), disk(7, 1)];
    all.extend((0..).zip(backings()).map(nic));
    all.extend([Device::SataController, Device::Cdrom { iso }]);
    all
}

fn backings() -> [NetworkBacking; 3] {
    [
        NetworkBacking::Standard {
            name: "VM Network".into(),
            network: MoRef::new("Network", "network-7"),
        },
        NetworkBacking::Distributed {
            switch_uuid: "50 0e".into(),
            portgroup_key: "dvportgroup-9".into(),
        },
        NetworkBacking::Opaque {
            id: "abc".into(),
            kind: "nsx.LogicalSwitch".into(),
        },
    ]
}

fn finding() -> [(&'static str, Request); 4] {
    let browser = MoRef::new("HostDatastoreBrowser", "datastoreBrowser-7");
    let index = MoRef::new("SearchIndex", "SearchIndex");
    let manager = MoRef::new("AuthorizationManager", "AuthorizationManager");
    let entities = [folder(), pool()];
    let privileges = ["System.Read", "VirtualMachine.Inventory.Create"];
    [
        (
            "search_datastore",
            datastore::search_datastore(&browser, "[ds] iso", "a.iso"),
        ),
        ("find_child", search::find_child(&index, &folder(), "n01")),
        (
            "find_vms",
            search::find_vms(&index, Some(&datacenter()), "5f0c", UuidKind::Instance),
        ),
        (
            "has_privileges",
            authorization::has_privileges(&manager, "key", &entities, &privileges),
        ),
    ]
}

fn files() -> [(&'static str, Request); 4] {
    let manager = MoRef::new("FileManager", "FileManager");
    let namespaces = MoRef::new("DatastoreNamespaceManager", "DatastoreNamespaceManager");
    let datastore = MoRef::new("Datastore", "datastore-10");
    let (part, whole) = ("[ds] isos/a.part-1.iso", "[ds] isos/a.iso");
    [
        (
            "make_directory",
            file_manager::make_directory(&manager, "[ds] isos", &datacenter()),
        ),
        (
            "move_file",
            file_manager::move_file(&manager, (part, whole), &datacenter()),
        ),
        (
            "delete_file",
            file_manager::delete_file(&manager, part, &datacenter()),
        ),
        (
            "create_namespace",
            namespace_manager::create_namespace(&namespaces, &datastore, "isos"),
        ),
    ]
}
