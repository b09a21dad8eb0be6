//! The spec of a machine, checked and with its defaults.

use crate::{iso::path::DatastorePath, machines::mark};
use contract::{
    spec::with_defaults,
    v1::{
        Disk, Fault, Firmware, Hardware, NetworkInterface, Placement, Reason, VirtualMachineSpec,
    },
};
use std::{collections::BTreeMap, ops::RangeInclusive};

const CPUS: RangeInclusive<i32> = 1..=768;
const MEMORY_MIB: RangeInclusive<i32> = 4..=25_165_824;
const MEMORY_STEP: i32 = 4;
const DISK_GIB: RangeInclusive<i32> = 1..=63_488;
const MAX_DISKS: usize = 15;
const MAX_INTERFACES: usize = 10;
const MAX_NAME: usize = 1_024;
const MAX_GUEST_ID: usize = 64;
const MAX_KEYS: usize = 256;
const MAX_VALUE: usize = 64 * 1024;
const MAX_EXTRA_CONFIG: usize = 256 * 1024;

/// Checks a spec and fills in its defaults. Names of inventory objects are looked up later.
pub(in crate::grpc) fn spec(
    asked: Option<VirtualMachineSpec>,
) -> Result<VirtualMachineSpec, Fault> {
    let spec = with_defaults(asked.unwrap_or_default());
    let VirtualMachineSpec {
        placement,
        source: _,
        hardware,
        disks,
        network_interfaces,
        cdrom,
        extra_config,
    } = &spec;
    check_placement(placement.as_ref())?;
    if let Some(hardware) = hardware {
        check_hardware(hardware)?;
    }
    check_disks(disks)?;
    check_interfaces(network_interfaces)?;
    if let Some(cdrom) = cdrom {
        let field = "spec.cdrom.iso_path";
        DatastorePath::parse(&cdrom.iso_path).map_err(|problem| {
            let what = format!("`{field}` {problem}");
            Fault::new(Reason::InvalidDatastorePath, what).at(field)
        })?;
    }
    check_extra_config(extra_config)?;
    Ok(spec)
}

fn check_placement(placement: Option<&Placement>) -> Result<(), Fault> {
    let Some(placement) = placement else {
        return Ok(());
    };
    let Placement {
        datacenter,
        cluster,
        resource_pool,
        datastore,
        folder,
    } = placement;
    for (name, value) in [
        ("datacenter", datacenter),
        ("cluster", cluster),
        ("resource_pool", resource_pool),
        ("datastore", datastore),
        ("folder", folder),
    ] {
        check_name(&format!("spec.placement.{name}"), value)?;
    }
    Ok(())
}

fn check_name(field: &str, name: &str) -> Result<(), Fault> {
    if name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Fault::invalid(
            field,
            "is longer than 1,024 bytes or has control characters",
        ));
    }
    Ok(())
}

fn check_hardware(hardware: &Hardware) -> Result<(), Fault> {
    let Hardware {
        num_cpus,
        memory_mib,
        guest_id,
        firmware,
        nested_virtualization: _,
        disk_enable_uuid: _,
    } = hardware;
    check_range("spec.hardware.num_cpus", *num_cpus, &CPUS)?;
    check_range("spec.hardware.memory_mib", *memory_mib, &MEMORY_MIB)?;
    if memory_mib % MEMORY_STEP != 0 {
        return Err(Fault::invalid(
            "spec.hardware.memory_mib",
            "must be a multiple of 4",
        ));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if guest_id.len() > MAX_GUEST_ID || !guest_id.chars().all(plain) {
        let problem = "must be a guest id of vSphere, as in rhel8_64Guest";
        return Err(Fault::invalid("spec.hardware.guest_id", problem));
    }
    if Firmware::try_from(*firmware).is_err() {
        let problem = format!("has {firmware}, which this driver does not know");
        return Err(Fault::invalid("spec.hardware.firmware", problem));
    }
    Ok(())
}

fn check_disks(disks: &[Disk]) -> Result<(), Fault> {
    if disks.len() > MAX_DISKS {
        return Err(Fault::invalid("spec.disks", "has more than 15 entries"));
    }
    let check = |(i, disk): (usize, &Disk)| {
        check_range(
            &format!("spec.disks[{i}].size_gib"),
            disk.size_gib,
            &DISK_GIB,
        )
    };
    disks.iter().enumerate().try_for_each(check)
}

fn check_interfaces(interfaces: &[NetworkInterface]) -> Result<(), Fault> {
    if interfaces.len() > MAX_INTERFACES {
        return Err(Fault::invalid(
            "spec.network_interfaces",
            "has more than 10 entries",
        ));
    }
    let check = |(i, interface): (usize, &NetworkInterface)| {
        check_name(
            &format!("spec.network_interfaces[{i}].network"),
            &interface.network,
        )
    };
    interfaces.iter().enumerate().try_for_each(check)
}

fn check_range(field: &str, value: i32, range: &RangeInclusive<i32>) -> Result<(), Fault> {
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = (range.start(), range.end());
    Err(Fault::invalid(
        field,
        format!("is {value}; it must be {least} to {most}"),
    ))
}

fn check_extra_config(extra_config: &BTreeMap<String, String>) -> Result<(), Fault> {
    const FIELD: &str = "spec.extra_config";
    for (key, value) in extra_config {
        if mark::is_reserved(key) {
            let what = format!("`{FIELD}` has the key `{key}`, which is kept for marks");
            let fault = Fault::new(Reason::ExtraConfigKeyRefused, what);
            return Err(fault.with("key", key).at(FIELD));
        }
        if key.is_empty() || has_control(key) || has_control(value) {
            let problem = format!("has a key or value with control characters: `{key:?}`");
            return Err(Fault::invalid(FIELD, problem));
        }
        if value.len() > MAX_VALUE {
            let problem = format!("has more than 64 KiB under the key `{key}`");
            return Err(Fault::invalid(FIELD, problem));
        }
    }
    let size: usize = extra_config
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if extra_config.len() > MAX_KEYS || size > MAX_EXTRA_CONFIG {
        return Err(Fault::invalid(FIELD, "has more than 256 keys or 256 KiB"));
    }
    Ok(())
}

/// XML 1.0 has no place for control characters but tab and line ends.
fn has_control(text: &str) -> bool {
    text.chars()
        .any(|c| (c.is_control() && !"\t\n".contains(c)) || matches!(c, '\u{fffe}' | '\u{ffff}'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::v1::Cdrom;

    fn refused(change: impl FnOnce(&mut VirtualMachineSpec)) -> (Reason, String) {
        let mut asked = with_defaults(VirtualMachineSpec::default());
        change(&mut asked);
        let fault = spec(Some(asked)).expect_err("refused");
        (fault.reason(), fault.field)
    }

    #[test]
    fn a_spec_that_says_nothing_is_good_and_gets_the_defaults() {
        let good = spec(None).expect("good");
        assert_eq!(good.hardware.expect("filled in").memory_mib, 8192);
    }

    #[test]
    fn each_number_out_of_range_is_named() {
        type Change = fn(&mut VirtualMachineSpec);
        let cases: [(&str, Change); 8] = [
            ("spec.hardware.num_cpus", |s| {
                s.hardware.get_or_insert_default().num_cpus = -1;
            }),
            ("spec.hardware.memory_mib", |s| {
                s.hardware.get_or_insert_default().memory_mib = 4097;
            }),
            ("spec.hardware.guest_id", |s| {
                s.hardware.get_or_insert_default().guest_id = "a b".into();
            }),
            ("spec.hardware.firmware", |s| {
                s.hardware.get_or_insert_default().firmware = 99;
            }),
            ("spec.disks[1].size_gib", |s| {
                s.disks = vec![Disk { size_gib: 1 }, Disk { size_gib: 0 }];
            }),
            ("spec.disks", |s| s.disks = vec![Disk { size_gib: 1 }; 16]),
            ("spec.network_interfaces", |s| {
                s.network_interfaces = vec![NetworkInterface::default(); 11];
            }),
            ("spec.placement.folder", |s| {
                s.placement.get_or_insert_default().folder = "a\nb".into();
            }),
        ];
        for (field, change) in cases {
            assert_eq!(refused(change), (Reason::InvalidField, field.to_owned()));
        }
    }

    #[test]
    fn a_bad_iso_path_and_a_reserved_key_have_their_own_reasons() {
        let iso = refused(|s| {
            s.cdrom = Some(Cdrom {
                iso_path: "[ds] ../a.iso".into(),
            });
        });
        assert_eq!(
            iso,
            (Reason::InvalidDatastorePath, "spec.cdrom.iso_path".into())
        );
        let key = refused(|s| {
            s.extra_config.insert("hcp-vsphere.slot".into(), "9".into());
        });
        assert_eq!(
            key,
            (Reason::ExtraConfigKeyRefused, "spec.extra_config".into())
        );
    }
}
