//! A machine of the contract as vSphere's create call wants it: all of it in one call.

use super::mark::Mark;
use crate::{
    placement::{Network, Placement},
    soap::{
        config_spec::{BootDevice, ConfigSpec, Firmware},
        device::{Device, NetworkBacking, disk_key},
    },
};
use contract::v1::{self as pb, Hardware, VirtualMachineSpec};

/// The extraConfig key that shows the guest the UUIDs of its disks.
const DISK_ENABLE_UUID: &str = "disk.EnableUUID";

/// The create call's spec for the machine of `mark`, called `name`.
pub fn config_spec(
    spec: &VirtualMachineSpec,
    placement: &Placement,
    mark: &Mark,
    name: &str,
) -> ConfigSpec {
    let hardware = spec.hardware.clone().unwrap_or_default();
    let Hardware {
        num_cpus,
        memory_mib,
        guest_id,
        firmware: _,
        nested_virtualization,
        disk_enable_uuid,
    } = &hardware;
    let mut extra_config: Vec<_> = spec
        .extra_config
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if *disk_enable_uuid {
        extra_config.push((DISK_ENABLE_UUID.into(), "TRUE".into()));
    }
    extra_config.extend(mark.extra_config());
    ConfigSpec {
        name: crate::inventory::path::encode(name),
        uuid: Some(mark.key.bios_uuid().to_string()),
        instance_uuid: Some(mark.key.instance_uuid().to_string()),
        guest_id: Some(guest_id.clone()),
        annotation: Some(annotation(mark)),
        vm_path_name: Some(format!("[{}]", placement.datastore_name)),
        num_cpus: Some(*num_cpus),
        memory_mb: Some(i64::from(*memory_mib)),
        firmware: Some(firmware(hardware.firmware())),
        boot_order: boot_order(spec),
        nested_hv_enabled: Some(*nested_virtualization),
        devices: devices(spec, placement),
        extra_config,
    }
}

/// A line for people who meet the machine in vCenter.
fn annotation(mark: &Mark) -> String {
    let owner = &mark.owner;
    format!(
        "Managed by hcp-vsphere: machine {} of {} {}/{} on hub {}. Change it there, not here.",
        mark.key.slot, owner.kind, owner.namespace, owner.name, mark.key.hub_id
    )
}

fn firmware(asked: pb::Firmware) -> Firmware {
    match asked {
        pb::Firmware::Bios => Firmware::Bios,
        pb::Firmware::Efi => Firmware::Efi { secure_boot: false },
        pb::Firmware::EfiSecure | pb::Firmware::Unspecified => Firmware::Efi { secure_boot: true },
    }
}

fn boot_order(spec: &VirtualMachineSpec) -> Vec<BootDevice> {
    let disk = (!spec.disks.is_empty()).then(|| BootDevice::Disk(disk_key(0)));
    let cdrom = spec.cdrom.as_ref().map(|_| BootDevice::Cdrom);
    disk.into_iter().chain(cdrom).collect()
}

fn devices(spec: &VirtualMachineSpec, placement: &Placement) -> Vec<Device> {
    let mut devices = Vec::new();
    if !spec.disks.is_empty() {
        devices.push(Device::ScsiController);
    }
    let disk = |(index, disk): (u8, &pb::Disk)| Device::Disk {
        index,
        size_gib: i64::from(disk.size_gib),
        file_name: format!("[{}]", placement.datastore_name),
    };
    devices.extend((0..).zip(&spec.disks).map(disk));
    let nic = |(index, network): (u8, &Network)| Device::Nic {
        index,
        backing: backing(network),
    };
    devices.extend((0..).zip(&placement.networks).map(nic));
    if let Some(cdrom) = &spec.cdrom {
        devices.push(Device::SataController);
        devices.push(Device::Cdrom {
            iso: cdrom.iso_path.clone(),
        });
    }
    devices
}

fn backing(network: &Network) -> NetworkBacking {
    match network.clone() {
        Network::Standard { moref, name } => NetworkBacking::Standard {
            name,
            network: moref,
        },
        Network::Distributed {
            switch_uuid,
            port_group,
        } => NetworkBacking::Distributed {
            switch_uuid,
            portgroup_key: port_group,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        inventory::properties::fixtures::moref, machines::vm::fixtures::ours, placement::FolderPlan,
    };
    use contract::v1::{Cdrom, Disk};

    fn made(change: impl FnOnce(&mut VirtualMachineSpec)) -> ConfigSpec {
        let mut spec = contract::spec::with_defaults(VirtualMachineSpec {
            disks: vec![Disk { size_gib: 20 }],
            cdrom: Some(Cdrom {
                iso_path: "[iso] agent.iso".into(),
            }),
            ..VirtualMachineSpec::default()
        });
        change(&mut spec);
        let placement = Placement {
            datacenter: moref("Datacenter", "dc-1"),
            cluster: moref("ClusterComputeResource", "c-1"),
            pool: moref("ResourcePool", "pool-1"),
            datastore: moref("Datastore", "ds-1"),
            datastore_name: "LocalDS_0".into(),
            folder: FolderPlan {
                existing: moref("Folder", "vm-1"),
                missing: vec![],
                path: "/DC0/vm".into(),
            },
            networks: vec![],
            hosts: vec![],
        };
        let mark = ours(1, "h").mark().expect("ours");
        config_spec(&spec, &placement, &mark, "a/b")
    }

    #[test]
    fn identity_and_mark_are_part_of_the_create_call() {
        let spec = made(|_| {});
        let mark = ours(1, "h").mark().expect("ours");
        assert_eq!(
            spec.instance_uuid,
            Some(mark.key.instance_uuid().to_string())
        );
        assert_eq!(spec.uuid, Some(mark.key.bios_uuid().to_string()));
        assert_eq!(spec.extra_config, mark.extra_config());
        assert_eq!(spec.name, "a%2fb");
    }

    #[test]
    fn the_disk_boots_before_the_cdrom() {
        assert_eq!(
            made(|_| {}).boot_order,
            [BootDevice::Disk(disk_key(0)), BootDevice::Cdrom]
        );
        let bare = made(|spec| {
            spec.disks.clear();
            spec.cdrom = None;
        });
        assert_eq!((bare.boot_order, bare.devices), (vec![], vec![]));
    }

    #[test]
    fn secure_boot_is_the_default() {
        assert_eq!(
            made(|_| {}).firmware,
            Some(Firmware::Efi { secure_boot: true })
        );
        let bios = made(|s| {
            s.hardware
                .get_or_insert_default()
                .set_firmware(pb::Firmware::Bios);
        });
        assert_eq!(bios.firmware, Some(Firmware::Bios));
    }
}
