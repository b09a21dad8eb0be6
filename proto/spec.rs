//! The defaults of a spec, and its hash.

use crate::v1::{
    BlankSource, Firmware, Hardware, VirtualMachineSpec, virtual_machine_spec::Source,
};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// CPUs of a machine whose spec says none.
pub const DEFAULT_CPUS: i32 = 2;
/// MiB of memory of a machine whose spec says none.
pub const DEFAULT_MEMORY_MIB: i32 = 8192;
/// Guest id of a machine whose spec says none.
pub const DEFAULT_GUEST_ID: &str = "rhel8_64Guest";

/// Bytes of the digest that the hash shows.
const SHOWN: usize = 8;

/// The same spec with `source` and all of `hardware` filled in. Names of inventory objects stay as they
/// were asked: what they stand for is the driver's to say.
pub fn with_defaults(mut spec: VirtualMachineSpec) -> VirtualMachineSpec {
    spec.source.get_or_insert(Source::Blank(BlankSource {}));
    let hardware = spec.hardware.get_or_insert_default();
    let Hardware {
        num_cpus,
        memory_mib,
        guest_id,
        firmware,
        ..
    } = hardware;
    default_to(num_cpus, DEFAULT_CPUS);
    default_to(memory_mib, DEFAULT_MEMORY_MIB);
    default_to(guest_id, DEFAULT_GUEST_ID.to_owned());
    default_to(firmware, Firmware::EfiSecure.into());
    spec
}

/// The hash of a spec, 16 hexadecimal digits: the rule stands at the head of `virtual_machines.proto`.
pub fn spec_hash(spec: &VirtualMachineSpec) -> String {
    let hashed = VirtualMachineSpec {
        cdrom: None,
        ..with_defaults(spec.clone())
    };
    let digest = Sha256::digest(hashed.encode_to_vec());
    digest[..SHOWN]
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn default_to<T: Default + PartialEq>(value: &mut T, default: T) {
    if *value == T::default() {
        *value = default;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{Cdrom, Disk, NetworkInterface, Placement};

    fn spec() -> VirtualMachineSpec {
        VirtualMachineSpec {
            placement: Some(Placement {
                cluster: "DC0_C0".into(),
                datastore: "LocalDS_0".into(),
                ..Placement::default()
            }),
            disks: vec![Disk { size_gib: 20 }],
            network_interfaces: vec![NetworkInterface {
                network: "VM Network".into(),
            }],
            ..VirtualMachineSpec::default()
        }
    }

    #[test]
    fn the_hash_is_that_of_the_contract() {
        assert_eq!(spec_hash(&spec()), "9512a2d1fb963fa2");
    }

    #[test]
    fn neither_a_default_that_is_written_out_nor_the_iso_changes_the_hash() {
        let cdrom = Some(Cdrom {
            iso_path: "[a] b.iso".into(),
        });
        let same = VirtualMachineSpec {
            cdrom,
            ..with_defaults(spec())
        };
        assert_eq!(spec_hash(&same), spec_hash(&spec()));
    }

    #[test]
    fn anything_else_changes_the_hash() {
        let mut other = spec();
        other.hardware.get_or_insert_default().num_cpus = 3;
        assert_ne!(spec_hash(&other), spec_hash(&spec()));
        let mut other = spec();
        other.extra_config.insert("a".into(), "b".into());
        assert_ne!(spec_hash(&other), spec_hash(&spec()));
    }
}
