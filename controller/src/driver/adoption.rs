//! Machines that change hands, as the controller asks for it.

use super::{Answer, Machine, MachineSpec, Owner, Ownership};
use contract::identity::MachineKey;

/// Machines to adopt.
#[derive(Clone, Debug)]
pub struct Adopting<'a> {
    /// Whose they become.
    pub owner: &'a Owner,
    /// Which, at most 1,000.
    pub adoptions: &'a [Adoption],
    /// What the owner asks today.
    pub spec: &'a MachineSpec,
    /// Only say what would change.
    pub plan: bool,
}

/// One machine to adopt, and what it is taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// Its managed object id.
    pub moref: String,
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: String,
    /// Whose it is now.
    pub previous: Previous,
    /// The slot that it gets.
    pub slot: i32,
}

/// Whose a machine is before it is adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Previous {
    /// The companion's, for this template.
    Companion(String),
    /// Ours, of another owner.
    Key(MachineKey),
}

/// What became of one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// As of any call.
    pub answer: Answer,
    /// What is changed, `property: before -> after`.
    pub changes: Vec<String>,
}

// === impl Adoption ===

impl Adoption {
    /// A machine as it is seen; `None` for one that nobody may adopt.
    pub fn of(machine: &Machine, slot: i32) -> Option<Self> {
        let previous = match (machine.ownership, &machine.key) {
            (Ownership::Companion, _) => Previous::Companion(machine.companion_template.clone()),
            (Ownership::Ours, Some(key)) => Previous::Key(key.clone()),
            (Ownership::Ours | Ownership::Copy | Ownership::Foreign, _) => return None,
        };
        Some(Self {
            moref: machine.moref.clone(),
            name: machine.name.clone(),
            folder: machine.folder.clone(),
            previous,
            slot,
        })
    }
}
