//! What the simulators are told to do otherwise than usual.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::State;

/// How long the simulators take; in the field it is minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long each state and each stage lasts at least.
    pub step: Duration,
    /// How long a machine must be silent to count as disconnected.
    pub silence: Duration,
    /// How often they look for what nobody tells them, such as the machines in vCenter.
    pub look: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            step: Duration::from_millis(100),
            silence: Duration::from_millis(500),
            look: Duration::from_millis(100),
        }
    }
}

/// What is wrong with a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// It boots, and no Agent comes of it.
    NeverRegisters,
    /// Its Agent bears the serial number of another machine.
    Contradicts,
    /// It runs, and the installer does not hear of it.
    Disconnected,
    /// It does not pass validation.
    Insufficient,
    /// Its installation fails when the image is written.
    FailsInstallation,
    /// It cannot be rebooted into discovery once it was installed.
    CannotBeReclaimed,
}

/// What the simulators are told; a machine is named as in vCenter.
#[derive(Debug)]
pub struct Orders {
    pace: Pace,
    told: Mutex<Told>,
}

/// The orders at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    troubles: BTreeMap<String, BTreeSet<Trouble>>,
    everywhere: BTreeSet<Trouble>,
    held: BTreeSet<State>,
}

// === impl Orders ===

impl Orders {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            told: Mutex::default(),
        }
    }

    /// From now on this is wrong with a machine, also with one that comes later.
    pub fn trouble(&self, machine: &str, trouble: Trouble) {
        self.change(|told| {
            let troubles = told.troubles.entry(machine.to_owned()).or_default();
            troubles.insert(trouble);
        });
    }

    /// From now on this is wrong with every machine.
    pub fn trouble_all(&self, trouble: Trouble) {
        self.change(|told| {
            told.everywhere.insert(trouble);
        });
    }

    /// Nothing is wrong any more with a machine.
    pub fn mend(&self, machine: &str) {
        self.change(|told| {
            told.troubles.remove(machine);
        });
    }

    /// Nothing is wrong any more with any machine.
    pub fn mend_all(&self) {
        self.change(|told| {
            told.troubles.clear();
            told.everywhere.clear();
        });
    }

    /// Agents that come into this state stay in it.
    pub fn hold(&self, state: State) {
        self.change(|told| {
            told.held.insert(state);
        });
    }

    /// Agents go on from this state.
    pub fn release(&self, state: State) {
        self.change(|told| {
            told.held.remove(&state);
        });
    }

    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    pub(super) fn told(&self) -> Told {
        let told = self.told.lock();
        told.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Told)) {
        let told = self.told.lock();
        change(&mut told.unwrap_or_else(PoisonError::into_inner));
    }
}

// === impl Told ===

impl Told {
    /// Whether this is wrong with a machine.
    pub(super) fn is(&self, machine: &str, trouble: Trouble) -> bool {
        let own = self.troubles.get(machine);
        self.everywhere.contains(&trouble) || own.is_some_and(|own| own.contains(&trouble))
    }

    /// Whether Agents stay in this state.
    pub(super) fn holds(&self, state: State) -> bool {
        self.held.contains(&state)
    }
}
