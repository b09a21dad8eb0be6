//! The part of a plan that replaces machines that do not get on. Pure.

use super::{
    super::{
        hosts::{Hosts, Sight},
        record::DELETING,
    },
    Plan, Seen,
    course::Course,
    is_on,
    later::Later,
    leaving,
};
use crate::{
    crd::{SelfHealingStatus, VmStatus},
    demand::{Basis, HELD},
    driver::{Machine, Ownership, State},
    healing::{
        Case, Healing, Position, Stage, Verdict,
        circuit::{self, News},
        judge,
    },
    leaving::{course::Cause, release::Standing},
    reason::Reason,
    reconcile::attempts::Due,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeSet;

/// The condition that tells of the node pool.
const NODE_POOL: &str = "NodePoolFound";

/// What is known of machines that do not get on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Care {
    /// What is remembered of replacements, if that has changed.
    status: Option<SelfHealingStatus>,
    /// Slots of machines whose power is asked for once more.
    pub(super) retry: BTreeSet<i32>,
    /// Slots of machines that are late, and that a cluster has.
    pub(in super::super) overdue: BTreeSet<i32>,
    /// Slots of machines that are to be replaced, and must wait.
    pub(in super::super) waiting: BTreeSet<i32>,
    /// When the next deadline ends.
    wake: Option<Timestamp>,
}

/// A machine that is to be replaced: since when it is awaited, its slot, and what it did not reach.
type Candidate = (Option<Timestamp>, i32, Stage);

// === impl Plan ===

impl Plan {
    /// What is remembered of replacements.
    pub(in super::super) fn self_healing(&self, seen: &Seen<'_>) -> Option<SelfHealingStatus> {
        seen.wish.healing?;
        let status = self.care.status.as_ref();
        let status = status.or(seen.status.self_healing.as_ref());
        let status = status.filter(|status| **status != SelfHealingStatus::default());
        status.cloned()
    }

    /// Keeps machines that began to leave because they did not get on, and got on after all.
    pub(super) fn relent(&mut self, seen: &Seen<'_>) {
        let why = self.cannot_judge(seen).map(|(reason, _)| reason);
        // While Agents cannot be looked at, it waits where it is.
        let heals =
            seen.wish.healing.is_some() && matches!(why, None | Some(Reason::AgentsNotSeen));
        for (slot, entry) in &mut self.record.entries {
            let Some(stage) = Stage::of_reason(&entry.leaving_reason) else {
                continue;
            };
            if leaving::is_fencing(entry)
                && (!heals || position(seen, &self.hosts, *slot, entry).is_beyond(stage))
            {
                entry.stay();
            }
        }
    }

    /// Notes what each machine waits for, and says which are asked for once more, and which are replaced.
    pub(super) fn heal(&mut self, seen: &Seen<'_>) {
        let Some(healing) = self.healing(seen) else {
            return self.suspend(seen);
        };
        let mut status = seen.status.self_healing.clone().unwrap_or_default();
        self.resume(&mut status, seen.now);
        let mut later = Later::default();
        let mut success = false;
        let mut candidates = Vec::new();
        for (slot, entry) in &mut self.record.entries {
            if !entry.leaving.is_empty() || entry.phase == DELETING {
                entry.awaited = None;
                continue;
            }
            let position = position(seen, &self.hosts, *slot, entry);
            // Only its first time: where Agents come and go, some are always fit again.
            success |= position.has_got_on() && !entry.was_ready;
            entry.was_ready |= position.has_got_on();
            entry.awaited = position.awaited(entry.awaited.take(), seen.now);
            if let (Some(awaited), Some(since)) = (&mut entry.awaited, seen.pool.agents_since) {
                awaited.not_before(position, since);
            }
            let (Position::Before(stage), Some(awaited)) = (position, &entry.awaited) else {
                continue;
            };
            let case = Case {
                stage,
                awaited,
                // One that any Agent may be in is nobody's to judge.
                standing: match self.ties.standing(*slot, entry) {
                    Standing::Free if seen.pool.may_be_bound(entry) => Standing::Unknown,
                    standing => standing,
                },
                under_way: stage == Stage::PowerOn && is_powering_on(seen, *slot),
            };
            match judge(&case, &healing.deadlines, seen.now) {
                Verdict::Healthy => {}
                Verdict::Wait(at) => later.note(Due::At(at)),
                Verdict::Retry => {
                    entry.awaited = Some(awaited.again(seen.now));
                    self.care.retry.insert(*slot);
                }
                Verdict::Replace => {
                    let since = awaited.since.as_ref().map(|since| since.0);
                    candidates.push((since, *slot, stage));
                }
                Verdict::Overdue => {
                    self.care.overdue.insert(*slot);
                }
            }
        }
        self.care.wake = later.0;
        let asked = seen.wish.close_circuit;
        let status = circuit::after(status, News { success, asked });
        self.replace(healing, status, candidates);
    }

    /// Replaces those that wait longest, as many as may be replaced now.
    fn replace(
        &mut self,
        healing: &Healing,
        mut status: SelfHealingStatus,
        mut candidates: Vec<Candidate>,
    ) {
        let entries = self.record.entries.values();
        let replaced = entries.filter(|entry| Stage::of_reason(&entry.leaving_reason).is_some());
        let free = healing.at_once.saturating_sub(replaced.count());
        let free = free.min(circuit::left(&status, healing.failure_limit));
        candidates.sort_unstable();
        for (_, slot, stage) in candidates.drain(..free.min(candidates.len())) {
            if let Some(entry) = self.record.entries.get_mut(&slot) {
                let agent = self.ties.sighting(slot);
                leaving::leave(entry, Cause::Unhealthy(stage), agent);
                entry.awaited = None;
                status.replacements = status.replacements.saturating_add(1);
            }
        }
        self.care.waiting = candidates.iter().map(|(_, slot, _)| *slot).collect();
        self.care.status = Some(status);
    }

    /// Machines are not judged for now: what they wait for stands still. Where nothing is ever healed,
    /// nothing has a deadline.
    pub(super) fn suspend(&mut self, seen: &Seen<'_>) {
        if seen.wish.healing.is_none() {
            let entries = self.record.entries.values_mut();
            entries.for_each(|entry| entry.awaited = None);
            return;
        }
        let mut entries = self.record.entries.values();
        if entries.any(|entry| entry.awaited.is_some()) {
            let mut status = seen.status.self_healing.clone().unwrap_or_default();
            status.suspended_since.get_or_insert(Time(seen.now));
            self.care.status = Some(status);
        }
    }

    /// Machines are judged again: the time in which they were not does not count.
    fn resume(&mut self, status: &mut SelfHealingStatus, now: Timestamp) {
        let Some(since) = status.suspended_since.take() else {
            return;
        };
        let entries = self.record.entries.values_mut();
        for awaited in entries.filter_map(|entry| entry.awaited.as_mut()) {
            awaited.put_off(now.duration_since(since.0));
        }
    }

    /// What becomes of machines that do not get on; `None` while that is not to be judged.
    fn healing<'a>(&self, seen: &Seen<'a>) -> Option<&'a Healing> {
        let healing = seen.wish.healing.as_ref();
        healing.filter(|_| self.cannot_judge(seen).is_none())
    }

    /// Why machines are not judged although the template is acted for, and the condition that has the rest.
    pub(in super::super) fn cannot_judge(&self, seen: &Seen<'_>) -> Option<(Reason, &'static str)> {
        if seen.demand.fall.is_some() {
            // What leaves now is not made anew.
            return Some((Reason::ScaleDownHeld, HELD));
        }
        match &seen.demand.basis {
            Basis::Held(_) => Some((Reason::NodePoolNotHeard, NODE_POOL)),
            Basis::Leaving => Some((Reason::TemplateDeleting, NODE_POOL)),
            Basis::PoolDeleting => Some((Reason::NodePoolDeleting, NODE_POOL)),
            Basis::PoolAbsent { .. } => Some((Reason::NodePoolNotFound, NODE_POOL)),
            Basis::Test | Basis::Pool(_) => match self.hosts.sight {
                Sight::Blind(_) => Some((Reason::AgentsNotSeen, "vmStatus")),
                Sight::Unasked | Sight::Clear => None,
            },
        }
    }

    /// Asks once more for the power of machines that are not on, whatever became of it before.
    pub(super) fn ask_again(&mut self, seen: &Seen<'_>) {
        for slot in &self.care.retry {
            let machine = seen.sight.owner.machine(*slot);
            let asked = self.ensure.iter().any(|(asked, _)| asked == slot);
            if let Some(entry) = self.record.entries.get(slot)
                && !asked
                && seen.course(*slot, entry, machine) == Course::Make
            {
                self.ensure.push((*slot, entry.name.clone()));
            }
        }
        let mut later = Later(self.wake);
        if let Some(at) = self.care.wake {
            later.note(Due::At(at));
        }
        self.wake = later.0;
    }
}

/// Whether the machine is being switched on, or waits its turn for that.
fn is_powering_on(seen: &Seen<'_>, slot: i32) -> bool {
    let machine = seen.sight.owner.machine(slot);
    machine.is_some_and(|machine| machine.state == State::PoweringOn)
}

/// Where the machine of a slot is on its way.
fn position(seen: &Seen<'_>, hosts: &Hosts, slot: i32, entry: &VmStatus) -> Position {
    let machine = seen.sight.owner.machine(slot);
    let ours = |it: &&Machine| it.exists() && it.ownership == Ownership::Ours;
    let Some(machine) = machine.filter(ours) else {
        // A create that waits its turn, or runs, is vCenter's to end.
        return Position::Unseen;
    };
    match machine.state {
        State::Creating | State::Deleting | State::Gone | State::Conflict | State::Unknown => {
            Position::Unseen
        }
        State::PoweringOn | State::Running | State::Off | State::Drifted | State::Failed => {
            match (is_on(machine), entry.powered_on_once) {
                (true, _) => of_host(hosts, slot, entry),
                // Somebody has switched it off, who is not fought.
                (false, true) => Position::Excused,
                (false, false) => Position::Before(Stage::PowerOn),
            }
        }
    }
}

/// Where a machine is that is on.
fn of_host(hosts: &Hosts, slot: i32, entry: &VmStatus) -> Position {
    match hosts.sight {
        Sight::Unasked => Position::Ready,
        Sight::Blind(_) => Position::Unseen,
        Sight::Clear if hosts.is_excused(slot) => Position::Excused,
        Sight::Clear => {
            let phase = hosts.phase(slot, entry);
            phase.map_or(Position::Unseen, Position::of_host)
        }
    }
}
