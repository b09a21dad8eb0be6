//! Conditions of what machines need: names, room, quota. Pure.

use super::{Counts, Holds, Verdict, by_fault, verdict};
use crate::{
    capacity::{Room, Taken},
    crd::MAX_REPLICAS,
    reason::Reason,
    reconcile::{plan::Seen, room},
};

pub(super) fn resources_validated(seen: &Seen<'_>) -> Verdict {
    let type_ = "ResourcesValidated";
    match seen.checks.map(|checks| &checks.placement) {
        None => verdict(
            type_,
            Holds::Unknown,
            Reason::NotChecked,
            "The names were not looked up yet. See VSphereConnected and SpecValid.",
        ),
        Some(Err(fault)) => by_fault(type_, Holds::Unknown, fault),
        Some(Ok(placement)) => match placement.faults.first() {
            None => verdict(type_, Holds::True, Reason::ResourcesValidated, ""),
            Some(fault) => by_fault(type_, Holds::False, fault),
        },
    }
}

pub(super) fn resources_available(seen: &Seen<'_>, counts: Counts) -> Verdict {
    let type_ = "ResourcesAvailable";
    let not_read = || {
        let message = "The room was not measured yet. See VSphereConnected and SpecValid.";
        verdict(type_, Holds::Unknown, Reason::CapacityNotRead, message)
    };
    let estimate = room::estimate(seen.wish, seen.measurement, seen.taken);
    let fault = seen.measurement.and_then(|told| told.fault.as_ref());
    match (fault, estimate) {
        (Some(fault), _) => by_fault(type_, Holds::Unknown, fault),
        (None, None) => not_read(),
        (None, Some((_, room))) => {
            let missing = room::missing(&seen.sight.owner, counts.desired);
            enough(type_, room, missing, seen.taken)
        }
    }
}

/// Whether the room is enough for the machines that are missing.
fn enough(type_: &'static str, room: Room, missing: i32, taken: Taken) -> Verdict {
    let Room { machines, limit } = room;
    if machines >= missing {
        let message = match missing {
            0 => "No machine is missing.".to_owned(),
            _ => format!("{missing} machines are missing, and there is room for them."),
        };
        return verdict(type_, Holds::True, Reason::SufficientResources, message);
    }
    let what = limit.what();
    let others = match taken.machines {
        0 => String::new(),
        others => format!(" beside {others} that other templates lack"),
    };
    let message = format!(
        "{missing} machines are missing, and there is {what} for {machines}{others}. Add {what}, or \
         ask for fewer or smaller machines."
    );
    let reason = match machines {
        0 => Reason::NoCapacity,
        _ => Reason::InsufficientResources,
    };
    verdict(type_, Holds::False, reason, message)
}

pub(super) fn quota_available(seen: &Seen<'_>, counts: Counts) -> Verdict {
    let type_ = "QuotaAvailable";
    let (asked, max, soft) = (seen.demand.asked, seen.wish.max, seen.wish.soft_max);
    let current = counts.current;
    match (max, soft) {
        (Some(max), _) if asked > max => {
            let message = format!(
                "{asked} machines are asked for and {max} are allowed. Raise quota.maxVms or \
                 lower the replicas."
            );
            verdict(type_, Holds::False, Reason::MaxVmsReached, message)
        }
        (Some(max), _) if current > max => {
            let message = format!(
                "{current} machines exist and {max} are allowed. Raise quota.maxVms, or wait for \
                 the surplus to go."
            );
            verdict(type_, Holds::False, Reason::MaxVmsReached, message)
        }
        (_, Some(soft)) if soft_limit_is_reached(seen, current) => {
            let most = asked.max(current);
            let message = format!(
                "{most} machines are asked for or exist, and from {soft} on it is to be said. Raise \
                 quota.softMaxVms, or plan for more."
            );
            verdict(type_, Holds::False, Reason::ApproachingQuota, message)
        }
        (None, _) if asked > MAX_REPLICAS => {
            let message = format!(
                "{asked} machines are asked for, and {MAX_REPLICAS} are the most of one template. \
                 Take several node pools, with a template each."
            );
            verdict(type_, Holds::False, Reason::MaxVmsReached, message)
        }
        (None, None) => {
            let message = format!("No quota is set; {MAX_REPLICAS} machines are the most.");
            verdict(type_, Holds::True, Reason::NoQuotaConfigured, message)
        }
        _ => verdict(type_, Holds::True, Reason::WithinQuota, ""),
    }
}

/// Whether as many machines are asked for, or there, as the soft limit says.
pub(in crate::reconcile) fn soft_limit_is_reached(seen: &Seen<'_>, current: i32) -> bool {
    let most = seen.demand.asked.max(current);
    seen.wish.soft_max.is_some_and(|soft| most >= soft)
}
