//! A machine as vCenter shows it.

use super::mark::{Mark, RawMark};
use crate::soap::{MoRef, question::Question};
use contract::{
    identity::MachineKey,
    v1::{Ownership, PowerState},
};
use uuid::Uuid;

/// A virtual machine in the inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vm {
    /// Its name, decoded.
    pub name: String,
    /// The folder that holds it.
    pub parent: Option<MoRef>,
    /// Its instance UUID.
    pub instance_uuid: Option<Uuid>,
    /// Its BIOS UUID.
    pub bios_uuid: Option<Uuid>,
    /// Its power state.
    pub power: PowerState,
    /// `runtime.connectionState`: anything but `connected` means that its state is not known.
    pub connection: String,
    /// The question that it waits to be answered.
    pub question: Option<Box<Question>>,
    /// What it bears of our mark.
    pub mark: Option<Box<RawMark>>,
    /// The companion's tag; empty: none.
    pub companion: String,
    /// Its MAC addresses and mounted ISO, once read.
    pub devices: Option<Box<Devices>>,
}

/// What is read once of a machine's devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// MAC addresses in the order of the interfaces.
    pub mac_addresses: Vec<String>,
    /// ISO in its drive.
    pub mounted_iso: String,
}

/// Under which name changes of a machine are told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// A machine that is or shall be ours.
    Key(MachineKey),
    /// A copy, or one of the companion's.
    Moref(MoRef),
}

// === impl Vm ===

impl Vm {
    /// Its mark, if it bears one that can be read.
    pub fn mark(&self) -> Option<Mark> {
        self.mark.as_ref()?.parse()
    }

    /// Whose it is, with its mark where it bears one.
    pub fn ownership(&self) -> (Ownership, Option<Mark>) {
        match self.mark() {
            Some(mark) if self.instance_uuid == Some(mark.key.instance_uuid()) => {
                (Ownership::Ours, Some(mark))
            }
            Some(mark) => (Ownership::Copy, Some(mark)),
            None if !self.companion.is_empty() => (Ownership::Companion, None),
            None => (Ownership::Foreign, None),
        }
    }

    /// Whether vCenter knows what it does.
    pub fn is_accessible(&self) -> bool {
        self.connection.is_empty() || self.connection == "connected"
    }
}

#[cfg(test)]
pub mod fixtures {
    //! Machines for tests.

    use super::*;
    use contract::v1::Owner;

    /// The key that tests use.
    pub fn key(slot: i32) -> MachineKey {
        MachineKey {
            hub_id: "hub".into(),
            owner_uid: "uid".into(),
            slot,
        }
    }

    /// A machine of ours, off.
    ///
    /// # Panics
    /// Never: there is a value for each key.
    pub fn ours(slot: i32, spec_hash: &str) -> Vm {
        let key = key(slot);
        let owner = Owner {
            name: "pool".into(),
            uid: "uid".into(),
            ..Owner::default()
        };
        let mark = Mark::new(key.clone(), owner, spec_hash.into());
        let values: Vec<_> = mark
            .extra_config()
            .into_iter()
            .map(|(_, value)| value)
            .collect();
        Vm {
            name: format!("pool-n{slot:02}"),
            parent: Some(MoRef::new("Folder", "group-v3")),
            instance_uuid: Some(key.instance_uuid()),
            bios_uuid: Some(key.bios_uuid()),
            power: PowerState::Off,
            mark: Some(Box::new(RawMark {
                values: values.try_into().expect("each key"),
            })),
            ..Vm::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_ours_only_with_mark_and_uuid_together() {
        let ours = fixtures::ours(1, "x");
        let copy = Vm {
            instance_uuid: Some(Uuid::nil()),
            ..ours.clone()
        };
        let companion = Vm {
            companion: "ns/pool".into(),
            ..Vm::default()
        };
        let no_mark = Vm {
            mark: None,
            ..ours.clone()
        };
        for (vm, ownership) in [
            (ours, Ownership::Ours),
            (copy, Ownership::Copy),
            (companion, Ownership::Companion),
            (no_mark, Ownership::Foreign),
        ] {
            assert_eq!(vm.ownership().0, ownership, "{vm:?}");
        }
    }
}
