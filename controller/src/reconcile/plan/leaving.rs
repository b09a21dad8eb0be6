//! The part of a plan that brings machines out, each a step further. Pure.

use super::{
    super::{attempts::Work, record::DELETING},
    Plan, Seen,
    later::Later,
};
use crate::{
    crd::VmStatus,
    driver::{Machine, State},
    leaving::{
        census::Unknowns,
        course::{Burial, Cause, FENCING, GONE, Turn, burial, turn},
        release::{Sighting, Standing},
    },
    link::OwnerView,
};
use std::collections::BTreeSet;

/// Begins with the leaving of a machine. Without an Agent there is nothing to be fenced.
pub(super) fn leave(entry: &mut VmStatus, cause: Cause, agent: Sighting<'_>) {
    entry.leaving_reason = cause.word().into();
    match agent {
        Sighting::Absent => entry.phase = DELETING.into(),
        Sighting::There(_) | Sighting::Blind => entry.leaving = FENCING.into(),
    }
}

/// It has begun to leave, and can still be kept.
pub(super) fn is_fencing(entry: &VmStatus) -> bool {
    entry.leaving == FENCING && entry.phase != DELETING
}

/// It has begun to leave only because there were too many: whether that is so, the next number says.
fn is_surplus(entry: &VmStatus) -> bool {
    is_fencing(entry) && entry.leaving_reason == Cause::Surplus.word()
}

/// The driver has not begun to destroy it: there is no way back from there. Nor from a name that is taken.
fn can_be_kept(machine: &Machine) -> bool {
    machine.exists() && !matches!(machine.state, State::Deleting | State::Conflict)
}

// === impl Plan ===

impl Plan {
    /// Says what is to be done about the Agents of machines that are gone, and forgets those that have none.
    pub(super) fn bury(&mut self) {
        let (bury, ties) = (&mut self.bury, &self.ties);
        self.record.entries.retain(|slot, entry| {
            if entry.leaving != GONE {
                return true;
            }
            let agent = ties.sighting(*slot);
            match burial(agent, ties.standing(*slot, entry)) {
                Burial::Done => return false,
                Burial::Wait => {}
                Burial::Delete | Burial::LetGo => bury.push(*slot),
            }
            true
        });
    }

    /// Looks anew at those that were chosen to be destroyed: one that is used after all stays, and one whose
    /// Agent has only now been told of is fenced first.
    pub(super) fn reconsider(&mut self, seen: &Seen<'_>) {
        for (slot, entry) in &mut self.record.entries {
            let machine = seen.sight.owner.machine(*slot);
            if entry.phase != DELETING || !machine.is_some_and(can_be_kept) {
                continue;
            }
            let there = matches!(self.ties.sighting(*slot), Sighting::There(_));
            match self.ties.standing(*slot, entry) {
                Standing::Used => {
                    entry.stay();
                    entry.phase.clear();
                }
                Standing::Free | Standing::Released if there && entry.leaving.is_empty() => {
                    entry.leaving = FENCING.into();
                    entry.phase.clear();
                }
                Standing::Unknown | Standing::Free | Standing::Released => {}
            }
        }
    }

    /// Brings those that leave a step further, and begins with those that were given back.
    pub(super) fn part(&mut self, seen: &Seen<'_>) {
        let held = seen.demand.held().is_some();
        for (slot, entry) in &mut self.record.entries {
            if entry.phase == DELETING {
                continue;
            }
            let standing = self.ties.standing(*slot, entry);
            let agent = self.ties.sighting(*slot);
            let look = self.ties.looks.get(slot).copied();
            match turn(is_fencing(entry), standing, agent, look) {
                Turn::Stay => entry.stay(),
                Turn::Go if held && is_surplus(entry) => {}
                Turn::Wait | Turn::Fence => {}
                Turn::Leave(cause) => leave(entry, cause, agent),
                Turn::Go => {
                    entry.phase = DELETING.into();
                    // Nothing stands that could be told of.
                    if agent == Sighting::Absent {
                        entry.leaving.clear();
                    }
                }
            }
        }
    }

    /// Keeps, of those that have only begun to leave because there were too many, as many as are missing;
    /// how many are missing then.
    pub(super) fn take_back(&mut self, missing: usize) -> usize {
        let entries = self.record.entries.values_mut();
        let surplus = entries.filter(|entry| is_surplus(entry));
        let kept = surplus.take(missing).map(VmStatus::stay).count();
        missing.saturating_sub(kept)
    }

    /// Machines to be destroyed of which no Agent is known.
    pub(in super::super) fn unknowns(&self, view: &OwnerView) -> Unknowns {
        let slots: BTreeSet<_> = self.delete.iter().map(|it| it.key.slot).collect();
        let alone =
            |slot: &i32| slots.contains(slot) && self.ties.sighting(*slot) == Sighting::Absent;
        let entries = self.record.entries.iter().filter(|(slot, _)| alone(slot));
        let identities = self.record.identities(view).into_iter();
        Unknowns {
            entries: entries.map(|(slot, it)| (*slot, it.clone())).collect(),
            identities: identities.filter(|(slot, _)| alone(slot)).collect(),
        }
    }

    /// Says which Agents are to be fenced now, and when later.
    pub(super) fn fence(&mut self, seen: &Seen<'_>, later: &mut Later) {
        let held = seen.demand.held().is_some();
        for (slot, entry) in &self.record.entries {
            let there = matches!(self.ties.sighting(*slot), Sighting::There(_));
            let goes_on = is_fencing(entry) && !(held && is_surplus(entry));
            let due = || seen.attempts.due(Work::Fence(*slot), None, seen.now);
            if there && goes_on && later.allows(due()) {
                self.fence.push(*slot);
            }
        }
    }

    /// Leaves those to be buried that it is time for, and says when it is for the others: also where
    /// something holds all else.
    pub(super) fn pace_burials(&mut self, seen: &Seen<'_>) {
        let mut later = Later(self.wake);
        self.bury
            .retain(|slot| later.allows(seen.attempts.due(Work::Bury(*slot), None, seen.now)));
        self.wake = later.0;
    }
}
