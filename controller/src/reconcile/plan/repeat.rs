//! Whether a plan asks for more than one that was carried out. Pure.

use super::{super::record::PENDING, Plan};
use crate::{
    crd::{VMwareNodePoolTemplateStatus, VmStatus},
    wish::Adopt,
};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// Before what was asked for a moment ago is asked for again, if its answer changed nothing.
pub(super) const AGAIN: SignedDuration = SignedDuration::from_secs(1);

// === impl Plan ===

impl Plan {
    /// This plan as it may be told after `acted` was carried out: slots that would be given out only
    /// now were not written down. They, and all that came up meanwhile, are the next reconciliation's.
    pub(in super::super) fn after(mut self, acted: &Self, now: Timestamp) -> Self {
        let written = acted.record.next_slot;
        let new = |slot: i32, entry: &VmStatus| {
            entry.phase == PENDING && written.is_none_or(|next| slot >= next)
        };
        let unwritten = |(slot, entry): (&i32, &VmStatus)| new(*slot, entry);
        if self.record.entries.iter().any(unwritten) {
            self.record.entries.retain(|slot, entry| !new(*slot, entry));
            let highest = self.record.entries.keys().next_back();
            let seen = highest.map(|slot| slot.saturating_add(1));
            self.record.next_slot = written.max(seen);
        }
        let leave = !self.fence.is_empty() || !self.bury.is_empty();
        let sets = self.select.is_some() || !self.agents.is_empty();
        let makes = !self.ensure.is_empty() || !self.eject.is_empty() || sets;
        if leave || makes || !self.removed().is_empty() {
            let again = if self.asks_only_for_what(acted) {
                AGAIN
            } else {
                SignedDuration::ZERO
            };
            self.wake = Some(now + again);
        }
        self
    }

    /// Whether it adopts machines of which `status` does not say so. What was switched off before is left off, so
    /// that it has to be known where a machine came from.
    pub(in super::super) fn adopts_more_than(
        &self,
        status: &VMwareNodePoolTemplateStatus,
        adopt: Option<Adopt>,
    ) -> bool {
        let written = status.adoption.iter().flat_map(|it| &it.plan);
        let written: BTreeSet<_> = written.map(|line| line.moref.as_str()).collect();
        let agreed = self.adopt.iter().filter(|it| it.refusal.is_empty());
        let mut morefs = agreed.map(|it| it.adoption.moref.as_str());
        adopt == Some(Adopt::Do) && morefs.any(|moref| !written.contains(moref))
    }

    /// Whether all that this plan asks for was asked for by `acted`, too.
    fn asks_only_for_what(&self, acted: &Self) -> bool {
        let within = |these: &[i32], those: &[i32]| these.iter().all(|slot| those.contains(slot));
        let leave = within(&self.fence, &acted.fence) && within(&self.bury, &acted.bury);
        leave
            && (self.select.is_none() || acted.select.is_some())
            && self.made().is_subset(&acted.made())
            && self.ejected().is_subset(&acted.ejected())
            && self.removed().is_subset(&acted.removed())
            && self.welcomed().is_subset(&acted.welcomed())
    }

    /// Slots that are to be made.
    fn made(&self) -> BTreeSet<i32> {
        self.ensure.iter().map(|(slot, _)| *slot).collect()
    }

    /// Slots that are to be removed, or proved to be empty.
    pub(super) fn removed(&self) -> BTreeSet<i32> {
        let machines = self.delete.iter().chain(&self.prove);
        machines.map(|machine| machine.key.slot).collect()
    }

    /// Slots whose ISO is to be taken out.
    fn ejected(&self) -> BTreeSet<i32> {
        self.eject.iter().map(|machine| machine.key.slot).collect()
    }

    /// Slots whose Agents are to be set.
    fn welcomed(&self) -> BTreeSet<i32> {
        self.agents.iter().map(|(slot, _)| *slot).collect()
    }
}
