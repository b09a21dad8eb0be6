//! The status of a template: what was seen of its machines. Pure.

use super::{
    attempts::Work,
    conditions::{Counts, conditions, verdicts},
    handover,
    plan::{Hold, Plan, Seen, is_on},
    record::{DELETING, PENDING},
};
use crate::{
    crd::{ResourceCheck, ResourceValidation, VMwareNodePoolTemplateStatus, VmStatus},
    driver::{Machine, Placement, State, spec_hash},
    link::Connection,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;

const POWERED_OFF: &str = "PoweredOffOutside: somebody switched it off. Switch it on in vCenter, or \
                           delete it there to have a new one.";
const DRIFTED: &str = "Drifted: it is of an earlier spec. Delete it in vCenter to have a new one.";
/// Longest message of a machine, in characters.
const MESSAGE: usize = 200;
const PROVING: &str = "It is not in sight; whether it is gone is being found out. Wait.";

/// The status after `plan` was acted upon.
pub(super) fn status(seen: &Seen<'_>, plan: &Plan) -> VMwareNodePoolTemplateStatus {
    let old = seen.status;
    let live = seen.sight.connection == Connection::Live && plan.hold != Some(Hold::OtherVcenter);
    let hash = spec_hash(&seen.wish.spec);
    let before: BTreeMap<_, _> = old.vm_status.iter().map(|old| (old.slot, old)).collect();
    let entries: Vec<_> = plan
        .record
        .entries
        .values()
        .map(|entry| {
            if live {
                entry_now(entry, before.get(&entry.slot).copied(), seen, &hash)
            } else {
                entry.clone()
            }
        })
        .collect();
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
    let checks = seen.checks;
    let placement = checks.and_then(|checks| checks.placement.as_ref().ok());
    let iso_path = checks.and_then(|checks| checks.iso.as_ref().ok());
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
        vm_status: entries.into_iter().chain(foreign).collect(),
        next_slot: plan.record.next_slot,
        adoption: if live {
            handover::told(plan, seen.handover)
        } else {
            old.adoption.clone()
        },
        vcenter_instance_uuid: vcenter.or_else(|| old.vcenter_instance_uuid.clone()),
        iso_uploaded: None,
        iso_path: iso_path.or(old.iso_path.as_ref()).cloned(),
        resource_utilization: None,
        resource_validation: placement
            .map(|placement| resource_validation(placement, seen))
            .or_else(|| old.resource_validation.clone()),
    }
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
        adoption: handover::told(plan, seen.handover).or_else(|| seen.status.adoption.clone()),
        ..seen.status.clone()
    }
}

/// The entry with phase and message as they are now.
fn entry_now(entry: &VmStatus, old: Option<&VmStatus>, seen: &Seen<'_>, hash: &str) -> VmStatus {
    let slot = entry.slot.unwrap_or_default();
    let machine = seen.sight.owner.machine(slot);
    let (phase, mut message) = phase(entry, machine, hash);
    let told = machine.and_then(|machine| machine.fault.as_ref());
    let make = seen.attempts.fault(Work::Make(slot));
    let fault = told.or(make).or(seen.attempts.fault(Work::Remove(slot)));
    if let Some(fault) = fault {
        message = short(&fault.to_string());
    }
    let unchanged = old.filter(|old| old.phase == phase);
    let since = unchanged.and_then(|old| old.last_transition_time.clone());
    VmStatus {
        phase: phase.into(),
        message,
        last_transition_time: Some(since.unwrap_or(Time(seen.now))),
        ..entry.clone()
    }
}

fn phase(entry: &VmStatus, machine: Option<&Machine>, hash: &str) -> (&'static str, String) {
    let plain = |phase| (phase, String::new());
    if entry.phase == DELETING {
        return plain(DELETING);
    }
    let Some(machine) = machine else {
        return if entry.moref.is_empty() {
            plain(PENDING)
        } else {
            ("Unknown", PROVING.into())
        };
    };
    let drifted = !machine.spec_hash.is_empty() && machine.spec_hash != hash;
    match machine.state {
        State::Creating => plain("Creating"),
        State::PoweringOn => plain("PoweringOn"),
        State::Deleting | State::Gone => plain(DELETING),
        State::Failed | State::Conflict => plain("Failed"),
        State::Unknown => plain("Unknown"),
        State::Running | State::Drifted if is_on(machine) => (
            "Running",
            if drifted {
                DRIFTED.into()
            } else {
                String::new()
            },
        ),
        State::Off if entry.powered_on_once => ("NotReady", POWERED_OFF.into()),
        State::Running | State::Drifted | State::Off => (
            "NotReady",
            if drifted {
                DRIFTED.into()
            } else {
                String::new()
            },
        ),
    }
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
