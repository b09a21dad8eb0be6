//! What is to be done for a template. Pure.

mod course;
mod ejection;
mod healing;
mod later;
mod leaving;
mod repeat;
mod scale;
mod work;

use super::{
    attempts::{Attempts, Work},
    checks::Checks,
    handover::{Handover, question},
    hosts::{self, Hosts, hosts},
    record::Record,
    room::Measurement,
};
use crate::{
    adoption::{Candidate, Grounds, candidates},
    agents::{
        approval::Change,
        selector::{Selection, selection},
    },
    capacity::Taken,
    crd::{AdoptionPlan, VMwareNodePoolTemplateStatus},
    demand::{Basis, Demand},
    driver::{Machine, MachineRef, Power},
    hub::Sought,
    leaving::{course::Look, ties::Ties},
    link::{Connection, OwnerView, Sight},
    pool::Pool,
    wish::{Adopt, Ending, Wish},
};
pub(super) use ejection::patiently;
use healing::Care;
use jiff::Timestamp;
use later::Later;
use std::collections::BTreeMap;

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
    /// Those whose ISO is to be taken out: they are installed.
    pub(super) eject: Vec<MachineRef>,
    /// What is known of the hosts in the machines.
    pub(super) hosts: Hosts,
    /// What the node pool is to select Agents by, if that is to be set.
    pub(super) select: Option<Selection>,
    /// What is to be set of Agents, by slot.
    pub(super) agents: Vec<(i32, Change)>,
    /// What ties machines to those who use them.
    pub(super) ties: Ties,
    /// Slots of machines whose Agents are to be fenced and looked at.
    pub(super) fence: Vec<i32>,
    /// Slots of machines that are gone, whose Agents are to be deleted, or let go.
    pub(super) bury: Vec<i32>,
    /// What is known of machines that do not get on.
    pub(super) care: Care,
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

/// What to do about `seen`.
pub(super) fn plan(seen: &Seen<'_>) -> Plan {
    let mut record = Record::of(seen.status);
    let hold = hold(seen, &record);
    let view = (hold != Some(Hold::OtherVcenter)).then_some(&seen.sight.owner);
    if let Some(view) = view {
        record.take_in(view);
        record.adopt(seen.status);
    }
    let hosts = hosts(seen, &record);
    record.meet(&hosts.matches);
    let template = &seen.wish.owner.name;
    let (entries, matches) = (&record.entries, &hosts.matches);
    let ties = Ties::of(template, seen.pool, entries, matches, seen.looks);
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
        plan.reconsider(seen);
        plan.relent(seen);
        plan.part(seen);
        // Who cannot be heard asks for nothing.
        if seen.demand.held().is_none() {
            plan.scale(seen);
        }
        plan.heal(seen);
        plan.assign(seen);
        plan.ask_again(seen);
        plan.welcome(seen);
        plan.eject(seen);
    } else {
        plan.suspend(seen);
    }
    plan.pace_burials(seen);
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
    let over = match wish.ending {
        Ending::Drain => proved,
        // What is left would hold its Agent for ever.
        Ending::Orphan => seen.pool.knows_agents_of(&record.entries),
        // Agents that are being read are there in a moment; those that cannot be read may never be.
        Ending::Abandon => record.entries.is_empty() || seen.pool.agents != Sought::Syncing,
    };
    wish.deleting && !wish.paused && over
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
}

/// Whether machines of this state are powered on, as far as anybody can tell.
pub(super) fn is_on(machine: &Machine) -> bool {
    machine.power == Some(Power::On)
}

// === impl Plan ===

impl Plan {
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
        // Of a node pool that is heard, and that the template acts for.
        if matches!(seen.demand.basis, Basis::Pool(_)) {
            let selection = selection(seen.pool, &seen.wish.agent_labels);
            let due = || seen.attempts.due(Work::Select, None, seen.now);
            self.select = selection.filter(|_| later.allows(due()));
        }
        self.wake = later.0;
    }
}

/// The folder of new machines, if any may be made now.
fn creation<'a>(seen: &Seen<'a>) -> Option<&'a str> {
    let checks = seen.checks?;
    let due = seen.attempts.due(Work::Ensure, None, seen.now).is_now();
    let placement = checks.placement.as_ref().ok()?;
    let good = checks.obstacle().is_none() && due;
    good.then_some(placement.folder.as_str())
}

#[cfg(test)]
mod tests;
