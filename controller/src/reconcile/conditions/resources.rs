//! Conditions of what machines need: names, room, quota, ISO. Pure.

use super::{Holds, Verdict, by_fault, verdict};
use crate::{
    crd::MAX_REPLICAS,
    driver::Fault,
    reason::Reason,
    reconcile::{checks::NO_URL, plan::Seen},
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

pub(super) fn resources_available() -> Verdict {
    let message = "The driver does not tell capacity yet; vCenter refuses what does not fit. Look \
                   in vCenter.";
    verdict(
        "ResourcesAvailable",
        Holds::Unknown,
        Reason::CapacityNotRead,
        message,
    )
}

pub(super) fn quota_available(seen: &Seen<'_>) -> Verdict {
    let type_ = "QuotaAvailable";
    let (asked, max, soft) = (seen.demand.asked, seen.wish.max, seen.wish.soft_max);
    match (max, soft) {
        (Some(max), _) if asked > max => {
            let message = format!(
                "{asked} machines are asked for and {max} are allowed. Raise quota.maxVms or \
                 lower the replicas."
            );
            verdict(type_, Holds::False, Reason::MaxVmsReached, message)
        }
        (_, Some(soft)) if asked >= soft => {
            let message = format!(
                "{asked} machines are asked for, and from {soft} on it is to be said. Raise \
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

pub(super) fn iso_ready(seen: &Seen<'_>) -> Verdict {
    let type_ = "ISOReady";
    match (&seen.wish.iso, seen.checks.map(|checks| &checks.iso)) {
        (None, _) => {
            let fault = Fault::unsupported_iso(NO_URL);
            by_fault(type_, Holds::False, &fault)
        }
        (_, None) => verdict(
            type_,
            Holds::Unknown,
            Reason::NotChecked,
            "The ISO was not looked for yet. See VSphereConnected and SpecValid.",
        ),
        (_, Some(Ok(path))) => verdict(type_, Holds::True, Reason::ISOReady, path.clone()),
        (_, Some(Err(fault))) => by_fault(type_, Holds::False, fault),
    }
}
