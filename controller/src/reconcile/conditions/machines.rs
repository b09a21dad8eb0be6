//! Conditions of the machines. Pure.

use super::{Holds, Verdict, by_fault, some, verdict};
use crate::{
    driver::{Fault, Machine, State, spec_hash},
    reason::Reason,
    reconcile::{
        attempts::Work,
        checks::{Checks, Obstacle},
        plan::{Plan, Seen},
    },
};
use std::sync::Arc;

pub(super) fn vms_created(seen: &Seen<'_>, plan: &Plan) -> Verdict {
    let type_ = "VMsCreated";
    let attempts = seen.attempts;
    let call = attempts
        .fault(Work::Ensure)
        .or(attempts.fault(Work::Delete));
    let machines = plan.record.entries.keys().filter_map(|slot| {
        let machine = seen.sight.owner.machine(*slot);
        let told = machine.and_then(|machine| machine.fault.as_ref());
        let make = || attempts.fault(Work::Make(*slot));
        told.or_else(make)
            .or_else(|| attempts.fault(Work::Remove(*slot)))
    });
    let failed: Vec<_> = machines.collect();
    let missing = plan
        .record
        .entries
        .values()
        .filter(|entry| entry.moref.is_empty());
    let blocked = seen.checks.and_then(Checks::obstacle);
    match (plan.hold, call, failed.first(), blocked) {
        (Some(hold), ..) => verdict(type_, Holds::Unknown, hold.reason(), hold.message()),
        (None, None, None, _) if seen.demand.is_unsure() => {
            let message = "Nobody can be heard who says how many. See NodePoolFound.";
            verdict(type_, Holds::Unknown, Reason::NodePoolNotHeard, message)
        }
        (None, Some(fault), ..) => by_fault(type_, Holds::False, fault),
        (None, None, Some(fault), _) => {
            let message = format!("{} machines: {}", failed.len(), fault.message);
            let fault = Fault {
                message,
                ..(*fault).clone()
            };
            by_fault(type_, Holds::False, &fault)
        }
        (None, None, None, Some(Obstacle::Fault(fault))) if seen.demand.desired > 0 => {
            by_fault(type_, Holds::False, fault)
        }
        (None, None, None, Some(Obstacle::Iso)) if lacks_machines(seen, plan) => {
            let message = "Machines that are to be made wait for their ISO. See ISOReady.";
            verdict(type_, Holds::False, Reason::WaitingForISO, message)
        }
        _ => match missing.count() {
            0 => verdict(type_, Holds::True, Reason::VMsReconciled, ""),
            missing => {
                let message = format!("{missing} machines are being made. Wait.");
                verdict(type_, Holds::False, Reason::Reconciling, message)
            }
        },
    }
}

/// Whether machines are to be made, those included whose numbers were given out.
fn lacks_machines(seen: &Seen<'_>, plan: &Plan) -> bool {
    let entries = plan.record.entries.iter();
    let made =
        entries.filter(|(slot, entry)| !entry.moref.is_empty() && !plan.record.leaves(**slot));
    let made = i32::try_from(made.count()).unwrap_or(i32::MAX);
    made < seen.demand.desired
}

pub(super) fn vms_up_to_date(seen: &Seen<'_>) -> Verdict {
    let type_ = "VMsUpToDate";
    let wanted = spec_hash(&seen.wish.spec);
    let drifted = |machine: &&Arc<Machine>| {
        machine.state == State::Drifted
            || !machine.spec_hash.is_empty() && machine.spec_hash != wanted
    };
    let machines = seen.sight.owner.machines.values();
    let names: Vec<_> = machines
        .filter(drifted)
        .map(|machine| machine.name.as_str())
        .collect();
    let copies = &seen.sight.owner.copies;
    if !names.is_empty() {
        let message = format!(
            "{} are of an earlier spec and left as they are. Delete them in vCenter to have new \
             ones, or take the change back.",
            some(&names)
        );
        return verdict(type_, Holds::False, Reason::Drifted, message);
    }
    if !copies.is_empty() {
        let names: Vec<_> = copies.iter().map(String::as_str).collect();
        let message = format!(
            "{} bear the mark of this template and are copies: never touched. Remove them, or \
             their mark.",
            some(&names)
        );
        return verdict(type_, Holds::False, Reason::MarkCopied, message);
    }
    verdict(type_, Holds::True, Reason::UpToDate, "")
}
