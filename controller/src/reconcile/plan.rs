//! What is to be done for a template. Pure.

mod leaving;

use super::{
    attempts::{Attempts, Due, Work},
    checks::Checks,
    handover::{Handover, question},
    hosts::{self, Hosts, hosts},
    record::{DELETING, Naming, PENDING, Record},
    room::Measurement,
};
use crate::{
    adoption::{Candidate, Grounds, candidates},
    agents::approval::Change,
    capacity::Taken,
    crd::{AdoptionPlan, VMwareNodePoolTemplateStatus, VmStatus},
    demand::Demand,
    driver::{Fault, Machine, MachineRef, Power, State},
    leaving::{
        course::{Cause, GONE, Look},
        release::Standing,
        ties::Ties,
        victims::{victims, worth},
    },
    link::{Connection, OwnerView, Sight},
    pool::Pool,
    wish::{Adopt, Ending, Wish},
};
use contract::v1::Reason;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// All that a decision rests on.
#[derive(Clone, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) wish: &'a Wish,
    pub(crate) pool: &'a Pool,
    pub(crate) demand: Demand,
    pub(crate) hub_id: &'a str,
    pub(crate) sight: &'a Sight,
    pub(crate) status: &'a VMwareNodePoolTemplateStatus,
    pub(crate) checks: Option<&'a Checks>,
    pub(crate) measurement: Option<&'a Measurement>,
    pub(crate) taken: Taken,
    pub(crate) attempts: &'a Attempts,
    pub(crate) handover: &'a Handover,
    /// What was found after Agents were fenced, by slot.
    pub(crate) looks: &'a BTreeMap<i32, Look>,
    /// The Secret that is kept for the template.
    pub(crate) secret_in_use: &'a str,
    pub(crate) now: Timestamp,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Why nothing is done at all.
    pub(super) hold: Option<Hold>,
    /// Which machines there are or may be. New slots in it are written down before anything is asked.
    pub(super) record: Record,
    /// Slot and name of those to be made.
    pub(super) ensure: Vec<(i32, String)>,
    /// Those to be removed, or to be proved gone.
    pub(super) delete: Vec<MachineRef>,
    /// Machines that are out of sight, of which it is to be found out whether they are gone.
    pub(super) prove: Vec<MachineRef>,
    /// Those to be adopted, unless something speaks against it.
    pub(super) adopt: Vec<Candidate>,
    /// Those that are out of sight while they are adopted.
    pub(super) awaited: Vec<AdoptionPlan>,
    /// Those to be given up.
    pub(super) release: Vec<MachineRef>,
    /// What is known of the hosts in the machines.
    pub(super) hosts: Hosts,
    /// What is to be set of Agents, by slot.
    pub(super) agents: Vec<(i32, Change)>,
    /// What ties machines to those who use them.
    pub(super) ties: Ties,
    /// Slots of machines whose Agents are to be fenced and looked at.
    pub(super) fence: Vec<i32>,
    /// Slots of machines that are gone, whose Agents are to be deleted, or let go.
    pub(super) bury: Vec<i32>,
    /// Nothing of the template is left: it may go.
    pub(super) finished: bool,
    /// When to look again, if nothing wakes before.
    pub(super) wake: Option<Timestamp>,
}

/// Why nothing is done for a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Its annotation says so.
    Paused,
    /// Its spec is not valid.
    Invalid,
    /// What is seen is not complete and live.
    NotLive,
    /// Its machines are in another vCenter.
    OtherVcenter,
    /// Its machines are the companion's again.
    Released,
    /// Machines that are not its own yet are there for it.
    Adoption,
}

/// What is to become of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
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

/// What to do about `seen`.
pub(super) fn plan(seen: &Seen<'_>) -> Plan {
    let mut record = Record::of(seen.status);
    let hold = hold(seen, &record);
    let view = (hold != Some(Hold::OtherVcenter)).then_some(&seen.sight.owner);
    if let Some(view) = view {
        record.take_in(view);
    }
    let hosts = hosts(seen, &record);
    record.meet(&hosts.matches);
    let ties = Ties::of(seen.pool, &record.entries, &hosts.matches, seen.looks);
    if let Some(view) = view {
        record.bury(view, |slot, entry| ties.outlives(slot, entry));
        record.forget_gone(view);
    }
    record.remember(&ties);
    let mut plan = Plan {
        hold,
        record,
        hosts,
        ties,
        ..Plan::default()
    };
    if !seen.wish.paused {
        plan.bury();
    }
    plan.finished = finished(seen, &plan.record, hold);
    plan.hand_over(seen);
    if hold.is_none() && !plan.finished {
        plan.skip_taken(seen);
        plan.part();
        // Who cannot be heard asks for nothing.
        if seen.demand.held().is_none() {
            plan.scale(seen);
        }
        plan.assign(seen);
        plan.welcome(seen);
    }
    plan
}

/// Whether the companion's, or anybody else's, prevents everything.
fn hold(seen: &Seen<'_>, record: &Record) -> Option<Hold> {
    let Seen { wish, sight, .. } = seen;
    match () {
        () if wish.paused => Some(Hold::Paused),
        () if !wish.problems.is_empty() && !wish.deleting => Some(Hold::Invalid),
        () if sight.connection != Connection::Live => Some(Hold::NotLive),
        () if is_elsewhere(seen, record) => Some(Hold::OtherVcenter),
        () if wish.release => Some(Hold::Released),
        () if is_adoptable(&sight.owner) || !awaited(seen).is_empty() => Some(Hold::Adoption),
        () => None,
    }
}

/// Machines that were to be adopted and are in sight neither as before nor as the owner's. One that is just
/// changing hands is no reason to make another; who knows that it is gone takes the annotation off.
fn awaited(seen: &Seen<'_>) -> Vec<AdoptionPlan> {
    let owner = &seen.sight.owner;
    let written = seen.status.adoption.iter().flat_map(|it| &it.plan);
    let asked = written.filter(|_| seen.wish.adopt == Some(Adopt::Do));
    let is_seen = |line: &&AdoptionPlan| {
        let mut machines = owner.machines.values();
        owner.adoptable.contains_key(&line.moref) || machines.any(|it| it.moref == line.moref)
    };
    asked.filter(|line| !is_seen(line)).cloned().collect()
}

/// Whether machines wait for their adoption.
fn is_adoptable(owner: &OwnerView) -> bool {
    !owner.companions.is_empty() || !owner.adoptable.is_empty()
}

/// The machines of the record are in another vCenter than the one that is connected.
fn is_elsewhere(seen: &Seen<'_>, record: &Record) -> bool {
    let recorded = seen
        .status
        .vcenter_instance_uuid
        .as_deref()
        .unwrap_or_default();
    let connected = seen.sight.vcenter.as_ref();
    let connected = connected.map_or("", |vcenter| &vcenter.instance_uuid);
    let known = !recorded.is_empty() && !connected.is_empty();
    known && recorded != connected && !record.entries.is_empty()
}

/// A template that is being deleted may go when each slot it ever gave out is proved gone, or when that
/// was not asked for.
fn finished(seen: &Seen<'_>, record: &Record, hold: Option<Hold>) -> bool {
    let Seen { wish, sight, .. } = seen;
    let nothing_recorded = record.entries.is_empty() && record.foreign.is_empty();
    let never_acted = record.next_slot.is_none() && nothing_recorded;
    let proved = match &sight.connection {
        // A view that is complete outweighs a record that was lost.
        Connection::Live => record.entries.is_empty() && hold.is_none(),
        Connection::Starting | Connection::Syncing => never_acted,
        Connection::NoSecret
        | Connection::SecretRefused(_)
        | Connection::BadSecret(_)
        | Connection::DriverFault(_)
        | Connection::VcenterDown(_) => nothing_recorded,
    };
    let drained = proved || wish.ending != Ending::Drain;
    wish.deleting && !wish.paused && drained
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
        // Nobody knows what became of its create: asking again looks it up.
        State::Unknown if entry.moref.is_empty() => Course::Make,
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

impl Seen<'_> {
    /// What a decision about adoption rests on.
    fn grounds(&self) -> Grounds<'_> {
        let placement = self
            .checks
            .and_then(|checks| checks.placement.as_ref().ok());
        Grounds {
            adoptable: &self.sight.owner.adoptable,
            template: &self.wish.owner.name,
            prefix: &self.wish.prefix,
            folder: placement.map(|placement| placement.folder.as_str()),
            status: self.status,
            agents: &self.pool.agents,
        }
    }

    /// What is to become of a slot, in the light of what was tried.
    fn course(&self, slot: i32, entry: &VmStatus, machine: Option<&Machine>) -> Course {
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

/// Before what was asked for a moment ago is asked for again, if its answer changed nothing.
const AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// Why a name cannot be had.
const CONFLICTS: [Reason; 3] = [
    Reason::ConflictForeign,
    Reason::ConflictOtherOwner,
    Reason::ConflictCompanion,
];

/// Whether a machine does what it was made for: it was on, is in sight, and did not fail.
fn runs(entry: &VmStatus, machine: Option<&Machine>) -> bool {
    let failed = machine.is_none_or(|machine| machine.state == State::Failed);
    entry.powered_on_once && !failed
}

/// Whether machines of this state are powered on, as far as anybody can tell.
pub(super) fn is_on(machine: &Machine) -> bool {
    machine.power == Some(Power::On)
}

// === impl Plan ===

impl Plan {
    /// This plan as it may be told after `acted` was carried out: slots that would be given out only
    /// now were not written down. They, and all that came up meanwhile, are the next reconciliation's.
    pub(super) fn after(mut self, acted: &Self, now: Timestamp) -> Self {
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
        let makes = !self.ensure.is_empty() || !self.agents.is_empty();
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

    /// Whether all that this plan asks for was asked for by `acted`, too.
    fn asks_only_for_what(&self, acted: &Self) -> bool {
        let within = |these: &[i32], those: &[i32]| these.iter().all(|slot| those.contains(slot));
        let leave = within(&self.fence, &acted.fence) && within(&self.bury, &acted.bury);
        leave
            && self.made().is_subset(&acted.made())
            && self.removed().is_subset(&acted.removed())
            && self.welcomed().is_subset(&acted.welcomed())
    }

    /// Slots that are to be made.
    fn made(&self) -> BTreeSet<i32> {
        self.ensure.iter().map(|(slot, _)| *slot).collect()
    }

    /// Slots that are to be removed, or proved to be empty.
    fn removed(&self) -> BTreeSet<i32> {
        let machines = self.delete.iter().chain(&self.prove);
        machines.map(|machine| machine.key.slot).collect()
    }

    /// Says which machines change hands.
    fn hand_over(&mut self, seen: &Seen<'_>) {
        let owner = &seen.sight.owner;
        match (self.hold, seen.wish.adopt) {
            (Some(Hold::Released), _) => {
                let there = owner.machines.iter().filter(|(_, it)| it.exists());
                let machine = |(slot, _): (&i32, _)| {
                    let uid = &seen.wish.owner.uid;
                    self.record.machine_ref(*slot, seen.hub_id, uid)
                };
                self.release = there.map(machine).collect();
            }
            (Some(Hold::Adoption), Some(adopt)) => {
                self.adopt = candidates(&seen.grounds());
                self.awaited = awaited(seen);
                let agreed = self.adopt.iter().filter(|it| it.refusal.is_empty());
                let highest = agreed.map(|it| it.adoption.slot).max();
                if adopt == Adopt::Do {
                    let next = highest.map(|slot| slot.saturating_add(1));
                    self.record.next_slot = self.record.next_slot.max(next);
                }
            }
            _ => {}
        }
        let question = question(self, seen.wish.adopt);
        self.wake = question.and_then(|it| seen.handover.wake(&it, seen.now));
    }

    /// Slots whose Agents are to be set.
    fn welcomed(&self) -> BTreeSet<i32> {
        self.agents.iter().map(|(slot, _)| *slot).collect()
    }

    /// Says what is to be set of the Agents of machines that stay.
    fn welcome(&mut self, seen: &Seen<'_>) {
        let mut later = Later(self.wake);
        let decisions = hosts::decisions(seen, &self.record, &self.hosts.matches);
        for (slot, decision) in &decisions {
            let due = || seen.attempts.due(Work::Agent(*slot), None, seen.now);
            if let Some(change) = &decision.change
                && later.allows(due())
            {
                self.agents.push((*slot, change.clone()));
            }
        }
        self.hosts.decisions = decisions;
        self.wake = later.0;
    }

    /// Gives up, for good, slots whose name is somebody else's: whatever is told of them later, they go.
    fn skip_taken(&mut self, seen: &Seen<'_>) {
        for (slot, entry) in &mut self.record.entries {
            let machine = seen.sight.owner.machine(*slot);
            if machine.is_some_and(|machine| machine.state == State::Conflict) {
                entry.phase = DELETING.into();
            }
        }
    }

    /// Gives out slots, or chooses those that are to go.
    fn scale(&mut self, seen: &Seen<'_>) {
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

    /// Says what is to be done about each slot now, and when later.
    fn assign(&mut self, seen: &Seen<'_>) {
        let mut later = Later::default();
        self.fence(seen, &mut later);
        let may_make = creation(seen).is_some();
        let may_remove = later.allows(seen.attempts.due(Work::Delete, None, seen.now));
        if let Some(checks) = seen.checks {
            later.note(Due::At(checks.valid_until));
        }
        later.note(seen.attempts.due(Work::Ensure, None, seen.now));
        for (slot, entry) in &self.record.entries {
            let machine = seen.sight.owner.machine(*slot);
            let due = |work| seen.attempts.due(work, told(machine, work), seen.now);
            match seen.course(*slot, entry, machine) {
                Course::Keep | Course::Going => {}
                // What leaves is not begun with any more.
                Course::Make if !entry.leaving.is_empty() => {}
                Course::Make => {
                    if may_make && later.allows(due(Work::Make(*slot))) {
                        self.ensure.push((*slot, entry.name.clone()));
                    }
                }
                course @ (Course::Prove | Course::Remove) => {
                    if may_remove && later.allows(due(Work::Remove(*slot))) {
                        let owner = &seen.wish.owner.uid;
                        let machine = self.record.machine_ref(*slot, seen.hub_id, owner);
                        match course {
                            Course::Prove => self.prove.push(machine),
                            _ => self.delete.push(machine),
                        }
                    }
                }
            }
        }
        self.wake = later.0;
    }
}

/// What is told of a machine about this work. Why it could not be made says nothing of its removal.
fn told(machine: Option<&Machine>, work: Work) -> Option<&Fault> {
    let machine = machine.filter(|machine| match work {
        Work::Remove(_) => machine.exists(),
        Work::Agent(_) => false,
        Work::Ensure
        | Work::Delete
        | Work::Make(_)
        | Work::Fence(_)
        | Work::Bury(_)
        | Work::Check
        | Work::Keep
        | Work::LetGo => true,
    });
    machine?.fault.as_ref()
}

/// The folder of new machines, if any may be made now.
fn creation<'a>(seen: &Seen<'a>) -> Option<&'a str> {
    let checks = seen.checks?;
    let due = seen.attempts.due(Work::Ensure, None, seen.now).is_now();
    let placement = checks.placement.as_ref().ok()?;
    let good = placement.faults.is_empty() && checks.iso.is_ok() && due;
    good.then_some(placement.folder.as_str())
}

/// Why no machine can be made, if the checks say so.
pub(super) fn obstacle(checks: &Checks) -> Option<&Fault> {
    match &checks.placement {
        Err(fault) => Some(fault),
        Ok(placement) => placement.faults.first().or(checks.iso.as_ref().err()),
    }
}

/// The earliest moment to look again.
#[derive(Default)]
struct Later(Option<Timestamp>);

// === impl Later ===

impl Later {
    fn note(&mut self, due: Due) {
        if let Some(at) = due.at() {
            self.0 = Some(self.0.map_or(at, |earliest| earliest.min(at)));
        }
    }

    /// Whether it is due, noting when it will be.
    fn allows(&mut self, due: Due) -> bool {
        self.note(due);
        due.is_now()
    }
}

#[cfg(test)]
mod tests;
