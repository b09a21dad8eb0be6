//! What sets one machine of a view apart.

use crate::driver::{Machine, Ownership, Tombstone};
use contract::identity::MachineKey;

/// Its key, or for all that are not ours where vCenter keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Id {
    Ours(MachineKey),
    Other(String),
}

// === impl Id ===

impl Id {
    pub(super) fn of(machine: &Machine) -> Option<Self> {
        match (machine.ownership, &machine.key) {
            (Ownership::Ours, Some(key)) => Some(Self::Ours(key.clone())),
            _ => Some(machine.moref.clone())
                .filter(|moref| !moref.is_empty())
                .map(Self::Other),
        }
    }

    /// A copy bears the key of the original: only the instance UUID tells them apart.
    pub(super) fn of_tombstone(tombstone: &Tombstone) -> Option<Self> {
        let ours = |key: &&MachineKey| {
            let uuid = &tombstone.instance_uuid;
            uuid.is_empty() || *uuid == key.instance_uuid().to_string()
        };
        match tombstone.key.as_ref().filter(ours) {
            Some(key) => Some(Self::Ours(key.clone())),
            None => Some(tombstone.moref.clone())
                .filter(|moref| !moref.is_empty())
                .map(Self::Other),
        }
    }
}
