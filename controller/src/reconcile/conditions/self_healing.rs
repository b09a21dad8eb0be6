//! The condition of machines that do not get on. Pure.

use super::{Holds, Verdict, some, verdict};
use crate::{
    crd::CLOSE_CIRCUIT,
    healing::{Stage, circuit},
    reason::Reason,
    reconcile::plan::{Plan, Seen},
};
use std::collections::BTreeSet;

/// Whether machines that do not get on are replaced; left out where nobody asked for it.
pub(super) fn self_healing(seen: &Seen<'_>, plan: &Plan) -> Option<Verdict> {
    let type_ = "SelfHealing";
    let healing = seen.wish.healing?;
    if let Some(hold) = plan.hold {
        return Some(verdict(
            type_,
            Holds::Unknown,
            hold.reason(),
            hold.message(),
        ));
    }
    if let Some((reason, see)) = plan.cannot_judge(seen) {
        let message = format!("No machine is replaced for now. See {see}.");
        return Some(verdict(type_, Holds::Unknown, reason, message));
    }
    let status = plan.self_healing(seen).unwrap_or_default();
    if circuit::left(&status, healing.failure_limit) == 0 {
        let waiting = match plan.care.waiting.len() {
            0 => String::new(),
            waiting => format!(" {waiting} more did not get on and stay."),
        };
        let message = format!(
            "{} machines in a row were replaced, and none became ready: no more are.{waiting} Find out \
             why from vmStatus and the Agents, then set the annotation {CLOSE_CIRCUIT} to true; if it is \
             there, take it off first.",
            status.replacements
        );
        return Some(verdict(type_, Holds::False, Reason::CircuitOpen, message));
    }
    Some(told(plan))
}

/// What is being done.
fn told(plan: &Plan) -> Verdict {
    let type_ = "SelfHealing";
    let entries = plan.record.entries.values();
    let replaced = entries.filter(|entry| Stage::of_reason(&entry.leaving_reason).is_some());
    let replaced = replaced.map(|it| format!("{} ({})", it.name, it.leaving_reason));
    let replaced: Vec<_> = replaced.collect();
    let names: Vec<_> = replaced.iter().map(String::as_str).collect();
    let waiting = match plan.care.waiting.len() {
        0 => String::new(),
        waiting => format!(" {waiting} more wait for that."),
    };
    let overdue = names_of(plan, &plan.care.overdue);
    match (names.is_empty(), overdue.is_empty()) {
        (false, _) => {
            let message = format!(
                "{} did not get on and are being replaced.{waiting} Wait.",
                some(&names)
            );
            verdict(type_, Holds::True, Reason::Replacing, message)
        }
        (true, false) => {
            let message = format!(
                "{} are no nodes in time. They are bound, so that replacing them is Cluster API's: wait \
                 for its MachineHealthCheck, or delete their Machines.",
                some(&overdue)
            );
            verdict(type_, Holds::True, Reason::InstallationOverdue, message)
        }
        (true, true) => verdict(type_, Holds::True, Reason::Healthy, ""),
    }
}

fn names_of<'a>(plan: &'a Plan, slots: &BTreeSet<i32>) -> Vec<&'a str> {
    let entries = slots
        .iter()
        .filter_map(|slot| plan.record.entries.get(slot));
    entries.map(|entry| entry.name.as_str()).collect()
}
