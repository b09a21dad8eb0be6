//! Whether the machines that are to go are gone, and what keeps them. Pure.

use super::{Holds, Verdict, by_fault, some, verdict};
use crate::{
    crd::{ABANDON, VmStatus},
    demand::Basis,
    driver::Fault,
    leaving::release::Standing,
    reason::Reason,
    reconcile::{
        attempts::Work,
        plan::{Plan, Seen},
        record::DELETING,
    },
    wish::Ending,
};

/// Whether the machines that are to go are gone.
pub(super) fn vms_removed(seen: &Seen<'_>, plan: &Plan) -> Verdict {
    let type_ = "VMsRemoved";
    let entries = &plan.record.entries;
    let going = entries.values().filter(|entry| is_going(entry)).count();
    let awaited = going > 0 || seen.wish.deleting && !entries.is_empty();
    let mut holds = [Work::Part, Work::LetGo, Work::Keep].into_iter();
    if let Some(fault) = holds.find_map(|work| seen.attempts.fault(work)) {
        return by_fault(type_, Holds::False, fault);
    }
    if let Some(hold) = plan.hold.filter(|_| awaited && !plan.finished) {
        return verdict(type_, Holds::Unknown, hold.reason(), hold.message());
    }
    if let Some(fault) = fault(seen, plan) {
        return by_fault(type_, Holds::False, &fault);
    }
    if let Some(message) = unseen(seen, plan, going) {
        return verdict(type_, Holds::Unknown, Reason::AgentsNotSeen, message);
    }
    let workers = workers(seen, plan);
    if !workers.is_empty() {
        let message = bound(seen, &workers);
        return verdict(type_, Holds::False, Reason::WorkersBound, message);
    }
    if going > 0 {
        let message = format!("{going} machines are being removed. Wait.");
        return verdict(type_, Holds::False, Reason::Removing, message);
    }
    verdict(type_, Holds::True, Reason::NothingToRemove, "")
}

fn is_going(entry: &VmStatus) -> bool {
    entry.phase == DELETING || !entry.leaving.is_empty()
}

/// Why machines could not be removed, or their Agents not be withdrawn.
fn fault(seen: &Seen<'_>, plan: &Plan) -> Option<Fault> {
    let attempts = seen.attempts;
    if let Some(fault) = attempts.fault(Work::Delete) {
        return Some(fault.clone());
    }
    let of_slot = |slot: i32| {
        let tried = [Work::Fence(slot), Work::Bury(slot), Work::Remove(slot)];
        let tried = tried.into_iter().find_map(|work| attempts.fault(work));
        let machine = seen.sight.owner.machine(slot);
        tried.or_else(|| machine?.fault.as_ref())
    };
    let going = plan.record.entries.iter().filter(|(_, it)| is_going(it));
    let faults: Vec<_> = going.filter_map(|(slot, _)| of_slot(*slot)).collect();
    let first = *faults.first()?;
    Some(Fault {
        message: format!("{} machines: {}", faults.len(), first.message),
        ..first.clone()
    })
}

/// What is waited for because Agents cannot be looked at, if anything is.
fn unseen(seen: &Seen<'_>, plan: &Plan, going: usize) -> Option<String> {
    let why = seen.pool.unseen(&plan.record.entries)?;
    let lets_go = seen.wish.deleting && seen.wish.ending == Ending::Orphan && !plan.finished;
    if lets_go {
        return Some(format!(
            "The machines stay, and the template waits to let go of their Agents: {why}"
        ));
    }
    let desired = usize::try_from(seen.demand.desired).unwrap_or_default();
    let unknown = plan.record.entries.iter();
    let unknown = unknown
        .filter(|(slot, entry)| plan.ties.standing(**slot, entry) == Standing::Unknown)
        .count();
    let too_many = plan.record.entries.len().saturating_sub(going) > desired;
    (unknown > 0 && (going > 0 || too_many)).then(|| {
        format!(
            "Nobody can tell which of {unknown} machines are in use, and none of them goes: {why}"
        )
    })
}

/// Names of machines that stay only because a cluster uses them.
fn workers<'a>(seen: &Seen<'_>, plan: &'a Plan) -> Vec<&'a str> {
    let unwanted = matches!(seen.demand.basis, Basis::Leaving | Basis::PoolAbsent { .. })
        && seen.demand.fall.is_none();
    let entries = plan.record.entries.iter().filter(|_| unwanted);
    entries
        .filter(|(slot, entry)| plan.ties.standing(**slot, entry) == Standing::Used)
        .map(|(_, entry)| entry.name.as_str())
        .collect()
}

fn bound(seen: &Seen<'_>, workers: &[&str]) -> String {
    let (count, names) = (workers.len(), some(workers));
    let out = if seen.wish.deleting {
        format!(" The annotation {ABANDON} set to true lets the template go without them.")
    } else {
        String::new()
    };
    format!(
        "{count} machines are workers of a cluster, and stay until it gives them back: {names}. Scale their \
         NodePool down, or delete their Machines.{out}"
    )
}
