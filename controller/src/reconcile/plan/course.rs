//! What is to become of one slot. Pure.

use super::{
    super::{attempts::Work, record::DELETING},
    Seen,
};
use crate::{
    crd::VmStatus,
    driver::{Machine, State},
    leaving::course::GONE,
};
use contract::v1::Reason;

/// Why a name cannot be had.
const CONFLICTS: [Reason; 3] = [
    Reason::ConflictForeign,
    Reason::ConflictOtherOwner,
    Reason::ConflictCompanion,
];

/// What is to become of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// Nothing is to be done.
    Keep,
    /// It is to be made, or switched on for the first time.
    Make,
    /// It was there and is not in sight: that is to be proved.
    Prove,
    /// It is to go.
    Remove,
    /// It is going.
    Going,
}

impl Seen<'_> {
    /// What is to become of a slot, in the light of what was tried.
    pub(super) fn course(&self, slot: i32, entry: &VmStatus, machine: Option<&Machine>) -> Course {
        let tried = self.attempts.fault(Work::Make(slot));
        let taken =
            tried.is_some_and(|fault| CONFLICTS.iter().any(|it| it.row().word == fault.word));
        if machine.is_none() && entry.moref.is_empty() && taken {
            // A conflict is no machine, so that it is out of sight after the next snapshot. The name
            // is still somebody else's; without this the number would be waited for.
            return Course::Remove;
        }
        course(entry, machine)
    }
}

/// What is to become of a slot, whatever the number of machines.
fn course(entry: &VmStatus, machine: Option<&Machine>) -> Course {
    let leaving = entry.phase == DELETING;
    if entry.leaving == GONE {
        return Course::Going;
    }
    let Some(machine) = machine else {
        return match (leaving, entry.moref.is_empty()) {
            (true, _) => Course::Remove,
            (false, true) => Course::Make,
            (false, false) => Course::Prove,
        };
    };
    match machine.state {
        State::Deleting => Course::Going,
        _ if leaving => Course::Remove,
        // The name is somebody else's: pools skip the number.
        State::Conflict => Course::Remove,
        State::Off | State::Failed if !entry.powered_on_once => Course::Make,
        // Nobody knows what became of its create, or of its power-on: asking again looks it up.
        State::Unknown if entry.moref.is_empty() => Course::Make,
        State::Unknown if is_open(machine) && !entry.powered_on_once => Course::Make,
        State::Creating
        | State::PoweringOn
        | State::Running
        | State::Off
        | State::Gone
        | State::Drifted
        | State::Failed
        | State::Unknown => Course::Keep,
    }
}

/// Whether it is not known what became of the work on a machine. One that cannot be seen just now is another
/// matter: asking would not help.
fn is_open(machine: &Machine) -> bool {
    let word = Reason::OutcomeUnknown.row().word;
    machine.fault.as_ref().is_some_and(|it| it.word == word)
}
