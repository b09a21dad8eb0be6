//! How many machines there are to be, and which are too many. Pure.

use super::{
    super::record::{DELETING, Naming},
    Plan, Seen,
    course::Course,
    creation, leaving,
};
use crate::{
    crd::VmStatus,
    driver::{Machine, State},
    leaving::{
        course::{Cause, GONE},
        release::Standing,
        victims::{victims, worth},
    },
};

/// Whether a machine does what it was made for: it was on, is in sight, and did not fail.
fn runs(entry: &VmStatus, machine: Option<&Machine>) -> bool {
    let failed = machine.is_none_or(|machine| machine.state == State::Failed);
    entry.powered_on_once && !failed
}

// === impl Plan ===

impl Plan {
    /// Gives up, for good, slots whose name is somebody else's: whatever is told of them later, they go.
    pub(super) fn skip_taken(&mut self, seen: &Seen<'_>) {
        for (slot, entry) in &mut self.record.entries {
            let machine = seen.sight.owner.machine(*slot);
            if machine.is_some_and(|machine| machine.state == State::Conflict) {
                entry.phase = DELETING.into();
            }
        }
    }

    /// Gives out slots, or chooses those that are to go.
    pub(super) fn scale(&mut self, seen: &Seen<'_>) {
        let owner = &seen.sight.owner;
        let desired = usize::try_from(seen.demand.desired).unwrap_or_default();
        let counted: Vec<_> = self
            .record
            .entries
            .iter()
            .map(|(slot, entry)| (*slot, entry, owner.machine(*slot)))
            .filter(|(slot, entry, machine)| {
                let stays = matches!(
                    seen.course(*slot, entry, *machine),
                    Course::Keep | Course::Make | Course::Prove
                );
                stays && entry.leaving.is_empty()
            })
            .collect();
        let have = counted.len();
        let surplus = have.saturating_sub(desired);
        // Looking for the Agents of all machines is not cheap, and mostly there is no surplus.
        let counted = counted.into_iter().filter(|_| surplus > 0);
        let free = counted.filter(|(slot, entry, _)| {
            // Those that are used are never too many: who uses them gives them back.
            self.ties.standing(*slot, entry) == Standing::Free
        });
        // Nor is one that any Agent may be in.
        let free = free.filter(|(_, entry, _)| !seen.pool.may_be_bound(entry));
        let free = free.map(|(slot, entry, machine)| {
            let worth = worth(runs(entry, machine), self.ties.sighting(slot));
            (worth, slot)
        });
        for slot in victims(free.collect(), surplus) {
            if let Some(entry) = self.record.entries.get_mut(&slot) {
                leaving::leave(entry, Cause::Surplus, self.ties.sighting(slot));
            }
        }
        let needed = usize::try_from(seen.demand.needed()).unwrap_or_default();
        let missing = self.take_back(needed.saturating_sub(have));
        // Machines that are going have their place until they are proved gone.
        let there = self.record.entries.values();
        let there = there.filter(|entry| entry.leaving != GONE).count();
        let room = seen.wish.max.map_or(usize::MAX, |max| {
            let max = usize::try_from(max).unwrap_or_default();
            max.saturating_sub(there)
        });
        let missing = missing.min(room);
        if let Some(folder) = creation(seen).filter(|_| missing > 0) {
            let naming = Naming {
                hub_id: seen.hub_id,
                owner_uid: &seen.wish.owner.uid,
                prefix: &seen.wish.prefix,
                folder,
            };
            self.record.give_out(missing, &naming);
        }
    }
}
