//! Which properties are watched, and how they become [`Object`]s and [`Vm`]s.
//!
//! As few as do: nothing that changes all the time, so that an idle vCenter sends nothing.

use super::{Inventory, Kind, Object, PortGroup, TopFolders, path};
use crate::{
    machines::{
        mark::{COMPANION, KEYS},
        vm::{Devices, Vm},
    },
    soap::{Element, MoRef, property_collector::PropertySpec, question::Question},
};
use contract::v1::PowerState;
use uuid::Uuid;

/// The type whose objects are machines.
pub const VIRTUAL_MACHINE: &str = "VirtualMachine";

/// Types whose objects are watched.
pub const TYPES: [&str; 9] = [
    "Folder",
    "Datacenter",
    "ComputeResource",
    "HostSystem",
    "ResourcePool",
    "Datastore",
    "Network",
    "DistributedVirtualSwitch",
    VIRTUAL_MACHINE,
];

const NAMED: [&str; 2] = ["name", "parent"];

/// Properties of all watched types.
pub fn watched() -> Vec<PropertySpec> {
    let of = |kind, more: &[&str]| PropertySpec::new(kind, NAMED.iter().chain(more).copied());
    let compute = ["resourcePool", "host", "datastore", "network"];
    let cluster = ["resourcePool", "host", "datastore", "network", DRS];
    vec![
        of("Folder", &[]),
        of("Datacenter", &["vmFolder"]),
        of("ComputeResource", &compute),
        of("ClusterComputeResource", &cluster),
        of(
            "HostSystem",
            &[
                "runtime.connectionState",
                "runtime.inMaintenanceMode",
                "summary.hardware.numCpuThreads",
                "datastore",
                "network",
            ],
        ),
        of("ResourcePool", &["owner"]),
        of(
            "Datastore",
            &[
                "summary.accessible",
                "summary.maintenanceMode",
                "browser",
                PLAIN_TOP,
            ],
        ),
        of("Network", &[]),
        of(
            "DistributedVirtualPortgroup",
            &["key", "config.distributedVirtualSwitch", "config.uplink"],
        ),
        of("DistributedVirtualSwitch", &["uuid"]),
        of_machines(),
    ]
}

const PLAIN_TOP: &str = "capability.topLevelDirectoryCreateSupported";
const DRS: &str = "configurationEx.drsConfig.enabled";
const MACHINE: [&str; 7] = [
    "name",
    "parent",
    "config.instanceUuid",
    "config.uuid",
    "runtime.powerState",
    "runtime.connectionState",
    "runtime.question",
];

/// Properties of machines: never the whole of `config`, which is large and changes often.
pub fn of_machines() -> PropertySpec {
    let marks = KEYS
        .iter()
        .chain([&COMPANION])
        .map(|key| format!("config.extraConfig[\"{key}\"]"));
    PropertySpec::new(
        VIRTUAL_MACHINE,
        MACHINE.iter().map(|p| (*p).to_owned()).chain(marks),
    )
}

/// The version of a machine's configuration, which each change of it moves on.
pub const CHANGE_VERSION: &str = "config.changeVersion";

/// What is read of one machine that is to be changed.
pub fn of_machine() -> PropertySpec {
    let PropertySpec { kind, mut paths } = of_machines();
    paths.push(CHANGE_VERSION.to_owned());
    PropertySpec { kind, paths }
}

/// What is read once of a machine's devices.
pub const DEVICES: &str = "config.hardware.device";

/// Takes over one property of an object; without a value it is unset.
pub fn apply(object: &mut Object, path: &str, value: Option<&Element>) {
    let text = || {
        value
            .map(|value| value.text().to_owned())
            .unwrap_or_default()
    };
    let moref = || value.and_then(Element::moref);
    let morefs = || {
        value
            .map(|value| value.morefs().collect())
            .unwrap_or_default()
    };
    let truth = || value.and_then(Element::as_bool);
    match path {
        "name" => object.name = text(),
        "parent" => object.parent = moref(),
        "vmFolder" => object.vm_folder = moref(),
        "resourcePool" => object.root_pool = moref(),
        "owner" => object.owner = moref(),
        "host" => object.hosts = morefs(),
        "datastore" => object.datastores = morefs(),
        "network" => object.networks = morefs(),
        DRS => object.drs = Some(truth().unwrap_or_default()),
        "runtime.connectionState" => object.connected = text() == "connected",
        "runtime.inMaintenanceMode" => object.in_maintenance = truth().unwrap_or_default(),
        "summary.hardware.numCpuThreads" => {
            let threads = value.and_then(Element::as_i64);
            object.cpus = threads
                .and_then(|n| i32::try_from(n).ok())
                .unwrap_or_default();
        }
        "summary.accessible" => object.accessible = truth().unwrap_or(true),
        "summary.maintenanceMode" => {
            object.in_maintenance = !matches!(&*text(), "" | "normal");
        }
        "browser" => object.browser = moref(),
        PLAIN_TOP => {
            object.top_folders = match truth() {
                Some(false) => TopFolders::Objects,
                Some(true) | None => TopFolders::Plain,
            }
        }
        "key" => group(object).key = text(),
        "config.distributedVirtualSwitch" => group(object).switch = moref(),
        "config.uplink" => group(object).uplink = truth().unwrap_or_default(),
        "uuid" => object.switch_uuid = text(),
        _ => {}
    }
}

fn group(object: &mut Object) -> &mut PortGroup {
    object.port_group.get_or_insert_default()
}

/// Takes over one property of a machine; without a value it is unset.
pub fn apply_to_vm(vm: &mut Vm, path: &str, value: Option<&Element>) {
    let text = || {
        value
            .map(|value| value.text().to_owned())
            .unwrap_or_default()
    };
    let uuid = || Uuid::parse_str(&text()).ok();
    match path {
        "name" => vm.name = path::decode(&text()),
        "parent" => vm.parent = value.and_then(Element::moref),
        "config.instanceUuid" => vm.instance_uuid = uuid(),
        "config.uuid" => vm.bios_uuid = uuid(),
        "runtime.powerState" => vm.power = power(&text()),
        "runtime.connectionState" => vm.connection = text(),
        "runtime.question" => {
            let question = value.map(Question::read).filter(|it| !it.id.is_empty());
            vm.question = question.map(Box::new);
        }
        _ => apply_extra_config(vm, path, value),
    }
}

fn apply_extra_config(vm: &mut Vm, path: &str, value: Option<&Element>) {
    let Some(key) = path
        .strip_prefix("config.extraConfig[\"")
        .and_then(|p| p.strip_suffix("\"]"))
    else {
        return;
    };
    // The value of the path is the whole option, `key` and `value`.
    let text = value
        .and_then(|option| option.str("value"))
        .unwrap_or_default()
        .to_owned();
    if key == COMPANION {
        vm.companion = text;
    } else if let Some(index) = KEYS.iter().position(|k| *k == key) {
        let mut mark = vm.mark.take().unwrap_or_default();
        mark.values[index] = text;
        vm.mark = (!mark.is_empty()).then_some(mark);
    }
}

fn power(text: &str) -> PowerState {
    match text {
        "poweredOn" => PowerState::On,
        "poweredOff" => PowerState::Off,
        "suspended" => PowerState::Suspended,
        _ => PowerState::Unspecified,
    }
}

/// MAC addresses and the mounted ISO, from `config.hardware.device`.
pub fn devices(value: &Element) -> Devices {
    let mut found = Devices::default();
    for device in value.children() {
        if let Some(mac) = device.str("macAddress") {
            found.mac_addresses.push(mac.to_ascii_lowercase());
        }
        if device.xsi_type() == "VirtualCdrom"
            && let Some(file) = device.str("backing.fileName")
        {
            file.clone_into(&mut found.mounted_iso);
        }
    }
    found
}

/// What an object of the inventory is called in a message, when only its reference is known.
pub fn kind_of(moref: &MoRef) -> &'static str {
    Kind::of_type(&moref.kind).map_or("object", Kind::noun)
}

/// An inventory that is read back as it was written: for tests here and elsewhere.
impl Inventory {
    /// Takes over one property of an object, which may be new.
    pub fn apply(&mut self, moref: &MoRef, path: &str, value: Option<&Element>) {
        if let Some(object) = self.entry(moref) {
            apply(object, path, value);
        }
    }
}

#[cfg(test)]
pub mod fixtures {
    //! A small inventory for tests.

    use super::*;

    /// A reference.
    pub fn moref(kind: &str, id: &str) -> MoRef {
        MoRef::new(kind, id)
    }

    fn add(
        inventory: &mut Inventory,
        kind: &str,
        id: &str,
        (name, parent): (&str, (&str, &str)),
        change: impl FnOnce(&mut Object),
    ) {
        let object = inventory.entry(&moref(kind, id)).expect("known kind");
        object.name = name.into();
        object.parent = Some(moref(parent.0, parent.1));
        change(object);
    }

    #[expect(clippy::too_many_lines, reason = "a table of objects")]
    /// Two datacenters; in `DC0` the cluster `C0` with one host, two datastores, networks, folders.
    pub fn inventory() -> Inventory {
        let mut all = Inventory::default();
        let root = ("Folder", "root");
        let i = &mut all;
        add(i, "Datacenter", "dc-1", ("DC0", root), |o| {
            o.vm_folder = Some(moref("Folder", "vm-1"));
        });
        add(i, "Datacenter", "dc-2", ("DC1", root), |o| {
            o.vm_folder = Some(moref("Folder", "vm-2"));
        });
        let dc = ("Datacenter", "dc-1");
        for (id, name) in [
            ("vm-1", "vm"),
            ("host-1", "host"),
            ("store-1", "datastore"),
            ("net-f1", "network"),
        ] {
            add(i, "Folder", id, (name, dc), |_| {});
        }
        add(i, "Folder", "vm-2", ("vm", ("Datacenter", "dc-2")), |_| {});
        add(
            i,
            "Folder",
            "host-2",
            ("host", ("Datacenter", "dc-2")),
            |_| {},
        );
        add(i, "Folder", "f-1", ("a", ("Folder", "vm-1")), |_| {});
        add(i, "Folder", "f-2", ("b%2fc", ("Folder", "f-1")), |_| {});
        let has = |o: &mut Object| {
            o.datastores = vec![moref("Datastore", "ds-1"), moref("Datastore", "ds-2")];
            o.networks = vec![moref("DistributedVirtualPortgroup", "pg-1")];
        };
        add(
            i,
            "ClusterComputeResource",
            "c-1",
            ("C0", ("Folder", "host-1")),
            |o| {
                has(o);
                o.root_pool = Some(moref("ResourcePool", "pool-1"));
                o.hosts = vec![moref("HostSystem", "h-1")];
                o.drs = Some(true);
            },
        );
        add(
            i,
            "ClusterComputeResource",
            "c-9",
            ("other", ("Folder", "host-2")),
            |_| {},
        );
        add(
            i,
            "HostSystem",
            "h-1",
            ("h1", ("ClusterComputeResource", "c-1")),
            |o| {
                has(o);
                o.connected = true;
                o.cpus = 8;
            },
        );
        add(
            i,
            "ResourcePool",
            "pool-1",
            ("Resources", ("ClusterComputeResource", "c-1")),
            |o| {
                o.owner = Some(moref("ClusterComputeResource", "c-1"));
            },
        );
        add(
            i,
            "Datastore",
            "ds-1",
            ("LocalDS_0", ("Folder", "store-1")),
            |_| {},
        );
        add(
            i,
            "Datastore",
            "ds-2",
            ("LocalDS_1", ("Folder", "store-1")),
            |_| {},
        );
        let networks = ("Folder", "net-f1");
        add(i, "Network", "net-1", ("twice", networks), |_| {});
        add(i, "Network", "net-2", ("twice", networks), |_| {});
        add(
            i,
            "VmwareDistributedVirtualSwitch",
            "dvs-1",
            ("DVS0", networks),
            |o| {
                o.switch_uuid = "uuid-1".into();
            },
        );
        add(
            i,
            "DistributedVirtualPortgroup",
            "pg-1",
            ("PG0", networks),
            |o| {
                let switch = Some(moref("VmwareDistributedVirtualSwitch", "dvs-1"));
                o.port_group = Some(PortGroup {
                    key: "pg-1".into(),
                    switch,
                    uplink: false,
                });
            },
        );
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::xml::Limits;

    fn element(text: &str) -> Element {
        Element::parse(text.as_bytes(), Limits::DEFAULT).expect("well-formed")
    }

    #[test]
    fn a_mark_is_read_option_by_option_and_taken_off_again() {
        let mut vm = Vm::default();
        let path = "config.extraConfig[\"hcp-vsphere.slot\"]";
        let option = element("<val><key>hcp-vsphere.slot</key><value>7</value></val>");
        apply_to_vm(&mut vm, path, Some(&option));
        assert_eq!(vm.mark.as_ref().map(|mark| &*mark.values[3]), Some("7"));
        apply_to_vm(&mut vm, path, None);
        assert_eq!(vm.mark, None);
    }

    #[test]
    fn devices_give_addresses_and_the_mounted_iso() {
        let value = element(
            r#"<val xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
              <VirtualDevice xsi:type="VirtualVmxnet3"><macAddress>00:0C:29:AA</macAddress></VirtualDevice>
              <VirtualDevice xsi:type="VirtualCdrom"><backing><fileName>[ds] a.iso</fileName></backing></VirtualDevice>
            </val>"#,
        );
        let found = devices(&value);
        assert_eq!(found.mac_addresses, ["00:0c:29:aa"]);
        assert_eq!(found.mounted_iso, "[ds] a.iso");
    }
}
