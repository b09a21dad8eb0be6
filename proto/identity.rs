//! The identity of machines: their keys, and the UUIDs and names that follow from them.
//!
//! Both ends compute them, so that the name of an Agent is known before its machine boots. The head of
//! `virtual_machines.proto` gives the rule with its vectors.

use std::fmt;
use uuid::{Uuid, uuid};

/// The namespace of all UUIDs of the contract.
const NAMESPACE: Uuid = uuid!("75bebb01-ae9e-52f6-80b2-599bd6c41a6c");

/// The hub id of a person who calls by hand.
pub const MANUAL_HUB: &str = "manual";

/// Longest hub id, owner UID or operation id that the contract takes.
const MAX_ID: usize = 63;

/// The identity of a machine. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineKey {
    /// The hub that owns it.
    pub hub_id: String,
    /// UID of the object on that hub that owns it.
    pub owner_uid: String,
    /// Its number at that owner, 1 or more.
    pub slot: i32,
}

/// Whether `text` has the form of a hub id or owner UID: 1 to 63 characters of `A-Za-z0-9._-`.
pub fn is_id(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !text.is_empty() && text.len() <= MAX_ID && text.chars().all(allowed)
}

/// The name of a machine that was given none: `<prefix>-n<slot, two digits or more>`.
pub fn machine_name(prefix: &str, slot: i32) -> String {
    format!("{prefix}-n{slot:02}")
}

/// The SMBIOS serial number of a machine with this BIOS UUID:
/// `VMware-7a d1 78 14 c2 7b 5f 31-9b 1a db fa 81 a6 f6 6e`.
pub fn serial_number(bios_uuid: Uuid) -> String {
    let hex = |bytes: &[u8]| {
        let pairs: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        pairs.join(" ")
    };
    let (first, second) = bios_uuid.as_bytes().split_at(8);
    format!("VMware-{}-{}", hex(first), hex(second))
}

// === impl MachineKey ===

impl MachineKey {
    /// The instance UUID (`config.instanceUuid`) that makes a marked machine ours.
    pub fn instance_uuid(&self) -> Uuid {
        self.uuid("instance")
    }

    /// The BIOS UUID (`config.uuid`), which names the Agent.
    pub fn bios_uuid(&self) -> Uuid {
        self.uuid("bios")
    }

    fn uuid(&self, label: &str) -> Uuid {
        Uuid::new_v5(&NAMESPACE, format!("{label}/{self}").as_bytes())
    }
}

impl fmt::Display for MachineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            hub_id,
            owner_uid,
            slot,
        } = self;
        write!(f, "{hub_id}/{owner_uid}/{slot}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(hub_id: &str, owner_uid: &str, slot: i32) -> MachineKey {
        MachineKey {
            hub_id: hub_id.into(),
            owner_uid: owner_uid.into(),
            slot,
        }
    }

    #[test]
    fn the_uuids_are_those_of_the_contract() {
        for (key, instance, bios) in [
            (
                key("manual", "demo", 1),
                uuid!("ea4b383c-fbb3-5623-9f67-aeadd70403d9"),
                uuid!("7ad17814-c27b-5f31-9b1a-dbfa81a6f66e"),
            ),
            (
                key(
                    "7d9b7a34-3c0e-4f57-9d3f-0d0a7c1f2b11",
                    "e2b4f7a0-5a51-4c5e-8e0f-6f1f9f1f7c22",
                    12,
                ),
                uuid!("0d52773b-b7dc-5ad8-9f39-adba7391d98c"),
                uuid!("851b1ad3-4334-5762-937b-80dad123e902"),
            ),
        ] {
            assert_eq!(
                (key.instance_uuid(), key.bios_uuid()),
                (instance, bios),
                "{key}"
            );
        }
    }

    #[test]
    fn the_serial_number_is_the_bios_uuid_in_the_printed_order() {
        assert_eq!(
            serial_number(key("manual", "demo", 1).bios_uuid()),
            "VMware-7a d1 78 14 c2 7b 5f 31-9b 1a db fa 81 a6 f6 6e"
        );
    }

    #[test]
    fn a_name_has_its_slot_in_two_digits_or_more() {
        let names = [1, 12, 345].map(|slot| machine_name("pool", slot));
        assert_eq!(names, ["pool-n01", "pool-n12", "pool-n345"]);
    }

    #[test]
    fn an_id_is_short_and_plain() {
        let long = "x".repeat(64);
        for (id, good) in [
            ("a.B_9-", true),
            ("", false),
            ("a/b", false),
            ("ä", false),
            (&long, false),
        ] {
            assert_eq!(is_id(id), good, "{id}");
        }
    }
}
