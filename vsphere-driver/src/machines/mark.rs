//! The mark of a machine: whose it is, written into its extraConfig when it is made.

use contract::{
    REVISION,
    identity::{MachineKey, is_id},
    v1::Owner,
};

/// All keys of the mark begin so; users may not set such keys.
pub const PREFIX: &str = "hcp-vsphere.";
/// The Go companion's own mark, `namespace/name` of the template.
pub const COMPANION: &str = "guestinfo.vmware-hcp.template";

/// The keys, in the order of [`RawMark::values`].
pub const KEYS: [&str; 6] = [
    "hcp-vsphere.hub-id",
    "hcp-vsphere.owner",
    "hcp-vsphere.owner-uid",
    "hcp-vsphere.slot",
    "hcp-vsphere.spec-hash",
    "hcp-vsphere.revision",
];

/// A mark that can be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Whose machine it is.
    pub key: MachineKey,
    /// The owner, for people.
    pub owner: Owner,
    /// Hash of the spec it was made from.
    pub spec_hash: String,
    /// Revision of the contract that it was made by.
    pub revision: i32,
}

/// The values as a machine bears them; any of them may be missing or damaged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawMark {
    /// In the order of [`KEYS`].
    pub values: [String; KEYS.len()],
}

/// Whether `key` may not be set by a user: our mark, and the companion's.
pub fn is_reserved(key: &str) -> bool {
    // VMX keys are compared without case by vSphere.
    let key = key.to_ascii_lowercase();
    key.starts_with(PREFIX) || key == COMPANION
}

// === impl Mark ===

impl Mark {
    /// The keys and values that a create call carries.
    pub fn extra_config(&self) -> Vec<(String, String)> {
        let Self {
            key,
            owner,
            spec_hash,
            revision,
        } = self;
        let values = [
            key.hub_id.clone(),
            format!("{}/{}/{}", owner.kind, owner.namespace, owner.name),
            key.owner_uid.clone(),
            key.slot.to_string(),
            spec_hash.clone(),
            revision.to_string(),
        ];
        KEYS.iter()
            .map(|key| (*key).to_owned())
            .zip(values)
            .collect()
    }

    /// A mark of this revision of the contract.
    pub fn new(key: MachineKey, owner: Owner, spec_hash: String) -> Self {
        Self {
            key,
            owner,
            spec_hash,
            revision: REVISION,
        }
    }
}

// === impl RawMark ===

impl RawMark {
    /// Nothing of a mark is there.
    pub fn is_empty(&self) -> bool {
        self.values.iter().all(String::is_empty)
    }

    /// The mark, if its key can be read. A key that cannot be is nobody's, so the machine is foreign.
    pub fn parse(&self) -> Option<Mark> {
        let [hub_id, owner, owner_uid, slot, spec_hash, revision] = &self.values;
        let slot = slot.parse().ok().filter(|slot| *slot > 0)?;
        if !is_id(hub_id) || !is_id(owner_uid) {
            return None;
        }
        let mut parts = owner.splitn(3, '/').map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        Some(Mark {
            key: MachineKey {
                hub_id: hub_id.clone(),
                owner_uid: owner_uid.clone(),
                slot,
            },
            owner: Owner {
                kind: part(),
                namespace: part(),
                name: part(),
                uid: owner_uid.clone(),
            },
            spec_hash: spec_hash.clone(),
            revision: revision.parse().unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> Mark {
        let key = MachineKey {
            hub_id: "hub".into(),
            owner_uid: "uid".into(),
            slot: 3,
        };
        let owner = Owner {
            kind: "Kind".into(),
            namespace: "ns".into(),
            name: "pool".into(),
            uid: "uid".into(),
        };
        Mark::new(key, owner, "9512a2d1fb963fa2".into())
    }

    fn raw(mark: &Mark) -> RawMark {
        let values: Vec<_> = mark
            .extra_config()
            .into_iter()
            .map(|(_, value)| value)
            .collect();
        RawMark {
            values: values.try_into().expect("one for each key"),
        }
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        assert_eq!(raw(&mark()).parse(), Some(mark()));
    }

    #[test]
    fn a_mark_without_a_whole_key_is_no_mark() {
        for (index, bad) in [(0, ""), (0, "a/b"), (2, ""), (3, "x"), (3, "0"), (3, "-1")] {
            let mut raw = raw(&mark());
            raw.values[index] = bad.into();
            assert_eq!(raw.parse(), None, "{}={bad}", KEYS[index]);
        }
    }

    #[test]
    fn the_keys_of_both_marks_are_kept_from_users_in_any_case() {
        for (key, reserved) in [
            ("hcp-vsphere.anything", true),
            ("HCP-vSphere.slot", true),
            ("guestinfo.vmware-hcp.template", true),
            ("guestinfo.vmware-hcp.other", false),
            ("disk.EnableUUID", false),
        ] {
            assert_eq!(is_reserved(key), reserved, "{key}");
        }
    }
}
