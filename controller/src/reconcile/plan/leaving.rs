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
        course::{Burial, Cause, FENCING, GONE, Turn, burial, turn},
        release::{Sighting, Standing},
    },
};

/// Begins with the leaving of a machine. Without an Agent there is nothing to be fenced.
pub(super) fn leave(entry: &mut VmStatus, cause: Cause, agent: Sighting<'_>) {
    entry.leaving_reason = cause.word().into();
    match agent {
        Sighting::Absent => entry.phase = DELETING.into(),
        Sighting::There(_) | Sighting::Blind => entry.leaving = FENCING.into(),
    }
}

/// It has begun to leave, and can still be kept.
fn is_fencing(entry: &VmStatus) -> bool {
    entry.leaving == FENCING && entry.phase != DELETING
}

/// It was chosen to be destroyed, and the driver has not begun with that: there is no way back from there.
fn can_be_kept(machine: &Machine) -> bool {
    machine.exists() && machine.state != State::Deleting
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

    /// Brings those that leave a step further, and begins with those that were given back.
    pub(super) fn part(&mut self, seen: &Seen<'_>) {
        for (slot, entry) in &mut self.record.entries {
            let standing = self.ties.standing(*slot, entry);
            if entry.phase == DELETING {
                let machine = seen.sight.owner.machine(*slot);
                if standing == Standing::Used && machine.is_some_and(can_be_kept) {
                    entry.stay();
                    entry.phase.clear();
                }
                continue;
            }
            match turn(
                is_fencing(entry),
                standing,
                self.ties.sighting(*slot),
                self.ties.looks.get(slot).copied(),
            ) {
                Turn::Stay => entry.stay(),
                Turn::Wait | Turn::Fence => {}
                Turn::Leave(cause) => leave(entry, cause, self.ties.sighting(*slot)),
                Turn::Go => entry.phase = DELETING.into(),
            }
        }
    }

    /// Keeps, of those that have only begun to leave because there were too many, as many as are missing;
    /// how many are missing then.
    pub(super) fn take_back(&mut self, missing: usize) -> usize {
        let surplus = |entry: &&mut VmStatus| {
            is_fencing(entry) && entry.leaving_reason == Cause::Surplus.word()
        };
        let surplus = self.record.entries.values_mut().filter(surplus);
        let kept = surplus.take(missing).map(VmStatus::stay).count();
        missing.saturating_sub(kept)
    }

    /// Says which Agents are to be fenced or buried now, and when later.
    pub(super) fn fence(&mut self, seen: &Seen<'_>, later: &mut Later) {
        for (slot, entry) in &self.record.entries {
            let there = matches!(self.ties.sighting(*slot), Sighting::There(_));
            let due = seen.attempts.due(Work::Fence(*slot), None, seen.now);
            if there && is_fencing(entry) && later.allows(due) {
                self.fence.push(*slot);
            }
        }
        self.bury
            .retain(|slot| later.allows(seen.attempts.due(Work::Bury(*slot), None, seen.now)));
    }
}
