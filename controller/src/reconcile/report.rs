//! The status of a template: what was seen of its machines. Pure.

use super::{
    attempts::Work,
    conditions::{Counts, conditions, soft_limit_is_reached, verdicts},
    handover,
    hosts::Hosts,
    plan::{Hold, Plan, Seen, is_on},
    record::{DELETING, PENDING},
    room,
};
use crate::{
    agents::phase::{self, JOINED, Stage},
    capacity::utilization,
    crd::{ResourceCheck, ResourceValidation, VMwareNodePoolTemplateStatus, VmStatus},
    driver::{Machine, Placement, State, spec_hash},
    link::Connection,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::{BTreeMap, BTreeSet};

const POWERED_OFF: &str = "PoweredOffOutside: somebody switched it off. Switch it on in vCenter, or \
                           delete it there to have a new one.";
const DRIFTED: &str = "Drifted: it is of an earlier spec. Delete it in vCenter to have a new one.";
/// Longest message of a machine, in characters.
const MESSAGE: usize = 200;
const OVERDUE: &str = "InstallationOverdue: it is no node in time. It is bound, so that replacing it is Cluster \
                       API's: wait for its MachineHealthCheck, or delete its Machine.";
const PROVING: &str = "It is not in sight; whether it is gone is being found out. Wait.";

/// The status after `plan` was acted upon.
pub(super) fn status(seen: &Seen<'_>, plan: &Plan) -> VMwareNodePoolTemplateStatus {
    let old = seen.status;
    let live = seen.sight.connection == Connection::Live && plan.hold != Some(Hold::OtherVcenter);
    let entries = entries(seen, plan, live);
    let counts = Counts {
        desired: seen.demand.desired,
        current: count(&entries, |entry| !entry.moref.is_empty()) + theirs(seen, |_| true),
        ready: count(&entries, |entry| {
            entry.power_state == "poweredOn" && !entry.moref.is_empty()
        }) + theirs(seen, is_on),
    };
    let vcenter = seen
        .sight
        .vcenter
        .as_ref()
        .map(|vcenter| vcenter.instance_uuid.clone());
    let vcenter = vcenter.filter(|uuid| live && !uuid.is_empty());
    let soft = soft_limit_is_reached(seen, counts.current);
    let checks = seen.checks;
    let placement = checks.and_then(|checks| checks.placement.as_ref().ok());
    let iso_path = checks.and_then(|checks| checks.iso.sight.path());
    // What the companion has listed stays until it is seen that its machines are gone.
    let keeps = !live || !seen.sight.owner.companions.is_empty();
    let foreign = plan.record.foreign.iter().filter(|_| keeps).cloned();
    VMwareNodePoolTemplateStatus {
        conditions: conditions(
            verdicts(seen, plan, counts),
            &old.conditions,
            seen.wish.generation,
            seen.now,
        ),
        observed_generation: seen.wish.generation,
        desired_replicas: Some(counts.desired),
        current_replicas: Some(counts.current),
        ready_replicas: Some(counts.ready),
        joined_replicas: plan
            .hosts
            .are_expected()
            .then(|| count(&entries, |entry| entry.phase == JOINED)),
        vm_status: entries.into_iter().chain(foreign).collect(),
        next_slot: plan.record.next_slot,
        adoption: if live {
            handover::told(plan, seen.handover)
        } else {
            old.adoption.clone()
        },
        self_healing: plan.self_healing(seen),
        vcenter_instance_uuid: vcenter.or_else(|| old.vcenter_instance_uuid.clone()),
        node_pool_deleting: seen.pool.is_being_deleted(old.node_pool_deleting),
        secret_in_use: seen.secret_in_use.to_owned(),
        finished: plan.finished,
        iso_uploaded: iso_uploaded(seen),
        iso_path: iso_path.or(old.iso_path.as_ref()).cloned(),
        resource_utilization: room::estimate(seen.wish, seen.measurement, seen.taken)
            .map(|(capacity, room)| utilization(&capacity, room, soft))
            .or_else(|| old.resource_utilization.clone()),
        resource_validation: placement
            .map(|placement| resource_validation(placement, seen))
            .or_else(|| old.resource_validation.clone()),
    }
}

/// The entries as they are now.
fn entries(seen: &Seen<'_>, plan: &Plan, live: bool) -> Vec<VmStatus> {
    let now = Now {
        seen,
        hosts: &plan.hosts,
        overdue: &plan.care.overdue,
        hash: &spec_hash(&seen.wish.spec),
    };
    let before = seen.status.vm_status.iter();
    let before: BTreeMap<_, _> = before.map(|old| (old.slot, old)).collect();
    let entry = |entry: &VmStatus| {
        let before = before.get(&entry.slot).copied();
        if live {
            now.entry(entry, before)
        } else {
            now.entry_of_host(entry, before)
        }
    };
    plan.record.entries.values().map(entry).collect()
}

/// The recorded part alone, to be written before anything is asked for.
pub(super) fn record_only(seen: &Seen<'_>, plan: &Plan) -> VMwareNodePoolTemplateStatus {
    VMwareNodePoolTemplateStatus {
        vm_status: plan
            .record
            .entries
            .values()
            .chain(&plan.record.foreign)
            .cloned()
            .collect(),
        next_slot: plan.record.next_slot,
        self_healing: plan.self_healing(seen),
        adoption: handover::told(plan, seen.handover).or_else(|| seen.status.adoption.clone()),
        ..seen.status.clone()
    }
}

/// What the entries are told from.
struct Now<'a> {
    seen: &'a Seen<'a>,
    hosts: &'a Hosts,
    /// Slots of machines that are late, and that a cluster has.
    overdue: &'a BTreeSet<i32>,
    hash: &'a str,
}

impl Now<'_> {
    /// The entry with phase and message as they are now.
    fn entry(&self, entry: &VmStatus, old: Option<&VmStatus>) -> VmStatus {
        let slot = entry.slot.unwrap_or_default();
        let seen = self.seen;
        let machine = seen.sight.owner.machine(slot);
        let mut stage = self.stage(entry, machine);
        if self.overdue.contains(&slot) && stage.message.is_empty() {
            stage.message = OVERDUE.into();
        }
        let told = machine.and_then(|machine| machine.fault.as_ref());
        let tried = [
            Work::Make(slot),
            Work::Remove(slot),
            Work::Fence(slot),
            Work::Bury(slot),
            Work::Agent(slot),
        ];
        let tried = tried.into_iter().find_map(|work| seen.attempts.fault(work));
        if let Some(fault) = told.or(tried) {
            stage.message = fault.to_string();
        }
        self.told(entry, old, stage)
    }

    /// The entry while vCenter cannot be looked at: only of its host something is known.
    fn entry_of_host(&self, entry: &VmStatus, old: Option<&VmStatus>) -> VmStatus {
        let slot = entry.slot.unwrap_or_default();
        let is_host = phase::known_word(&entry.phase).is_some() && !entry.agent_name.is_empty();
        match self.hosts.stage(slot, entry).filter(|_| is_host) {
            Some(stage) => self.told(entry, old, stage),
            None => entry.clone(),
        }
    }

    fn told(&self, entry: &VmStatus, old: Option<&VmStatus>, stage: Stage) -> VmStatus {
        let unchanged = old.filter(|old| old.phase == stage.phase);
        let since = unchanged.and_then(|old| old.last_transition_time.clone());
        VmStatus {
            phase: stage.phase.into(),
            progress: stage.progress,
            message: short(&stage.message),
            last_transition_time: Some(since.unwrap_or(Time(self.seen.now))),
            ..entry.clone()
        }
    }

    fn stage(&self, entry: &VmStatus, machine: Option<&Machine>) -> Stage {
        let plain = |phase| Stage {
            phase,
            ..Stage::default()
        };
        let because = |phase, message: &str| Stage {
            message: message.into(),
            ..plain(phase)
        };
        if entry.phase == DELETING {
            return plain(DELETING);
        }
        let Some(machine) = machine else {
            return if entry.moref.is_empty() {
                plain(PENDING)
            } else {
                because("Unknown", PROVING)
            };
        };
        let drifted = !machine.spec_hash.is_empty() && machine.spec_hash != self.hash;
        let drift = if drifted { DRIFTED } else { "" };
        match machine.state {
            State::Creating => plain("Creating"),
            State::PoweringOn => plain("PoweringOn"),
            State::Deleting | State::Gone => plain(DELETING),
            State::Failed | State::Conflict => plain("Failed"),
            State::Unknown => plain("Unknown"),
            State::Running | State::Drifted if is_on(machine) => {
                let slot = entry.slot.unwrap_or_default();
                match self.hosts.stage(slot, entry) {
                    None => because("Running", drift),
                    Some(stage) if stage.message.is_empty() => Stage {
                        message: drift.into(),
                        ..stage
                    },
                    Some(stage) => stage,
                }
            }
            State::Off if entry.powered_on_once => because("NotReady", POWERED_OFF),
            State::Running | State::Drifted | State::Off => because("NotReady", drift),
        }
    }
}

/// Whether the ISO is where it was to be brought; as it was seen last, while it cannot be looked for.
fn iso_uploaded(seen: &Seen<'_>) -> Option<bool> {
    let there = seen.checks.map(|checks| checks.iso.sight.path().is_some());
    let there = there.or(seen.status.iso_uploaded);
    there.filter(|_| seen.wish.iso.is_fetched())
}

fn resource_validation(placement: &Placement, seen: &Seen<'_>) -> ResourceValidation {
    let check = |field: &str| {
        let name = placement.names.iter().find(|name| name.field == field);
        name.map(|name| ResourceCheck {
            exists: name.usable,
            message: name.message.clone(),
        })
    };
    let given = |text: &str| (!text.is_empty()).then_some(());
    let spec = &seen.wish.spec;
    ResourceValidation {
        datacenter: check("datacenter").unwrap_or_default(),
        cluster: given(&spec.cluster).and_then(|()| check("cluster")),
        resource_pool: given(&spec.resource_pool).and_then(|()| check("resource_pool")),
        datastore: check("datastore").unwrap_or_default(),
        network: check("network").unwrap_or_default(),
        folder: given(&spec.folder).and_then(|()| check("folder")),
    }
}

/// So much of a text as thousands of machines can carry; the condition has all of it.
fn short(text: &str) -> String {
    match text.char_indices().nth(MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Machines that are there for the template and not its own.
fn theirs(seen: &Seen<'_>, counts: impl Fn(&Machine) -> bool) -> i32 {
    let machines = seen.sight.owner.adoptable.values();
    let number = machines.filter(|machine| counts(machine)).count();
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn count(entries: &[VmStatus], counts: impl Fn(&VmStatus) -> bool) -> i32 {
    let number = entries.iter().filter(|entry| counts(entry)).count();
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
