//! What a call asks of machines, checked.

use contract::{
    identity::MachineKey,
    v1::{Owner, PowerState, VirtualMachineSpec},
};
use std::time::Duration;
use uuid::Uuid;

/// One machine to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Its identity.
    pub key: MachineKey,
    /// Its name, decoded.
    pub name: String,
}

/// Machines to have.
#[derive(Clone, Debug, PartialEq)]
pub struct EnsureRequest {
    /// Whose they are.
    pub owner: Owner,
    /// Which.
    pub wishes: Vec<Wish>,
    /// What each shall be, with its defaults.
    pub spec: VirtualMachineSpec,
    /// Hash of the spec.
    pub spec_hash: String,
    /// How long to hold the reply.
    pub wait: Duration,
    /// Only plan.
    pub validate_only: bool,
}

/// Names a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// By its key.
    Key(MachineKey),
    /// By its name among the machines of a hub.
    Name(String),
    /// By its instance UUID.
    InstanceUuid(Uuid),
    /// By its managed object id.
    Moref(String),
}

/// Names a machine, and says where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Which.
    pub name: Name,
    /// Managed object id that it had. Empty: not known.
    pub moref_hint: String,
    /// Folder where it was or would be, as an inventory path. Empty: not known.
    pub folder_hint: String,
}

/// Machines to remove or to switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRequest {
    /// Which.
    pub machines: Vec<Reference>,
    /// How long to hold the reply.
    pub wait: Duration,
    /// Only plan.
    pub validate_only: bool,
}

impl ChangeRequest {
    /// How long the reply is held. A plan is answered at once: nothing will come of it.
    pub fn patience(&self) -> Duration {
        if self.validate_only {
            Duration::ZERO
        } else {
            self.wait
        }
    }

    /// Work on how many machines it may begin.
    pub fn begins(&self) -> usize {
        if self.validate_only {
            0
        } else {
            self.machines.len()
        }
    }
}

/// The power state to switch machines to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// On.
    On,
    /// Off, hard.
    Off,
}

// === impl Wanted ===

impl From<Wanted> for PowerState {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::On => Self::On,
            Wanted::Off => Self::Off,
        }
    }
}
