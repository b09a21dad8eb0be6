//! The conditions of a template: what holds, why not, and what to do about it. Pure.

mod adoption;
mod connection;
mod iso;
mod machines;
mod node_pool;
mod removal;
mod resources;
mod self_healing;

pub(super) use resources::soft_limit_is_reached;

use super::plan::{Hold, Plan, Seen};
use crate::{crd::PAUSED, driver::Fault, link::Connection, reason::Reason};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The types of all conditions.
pub(crate) const CONDITIONS: [&str; 16] = [
    "SpecValid",
    "DriverConnected",
    "VSphereConnected",
    "NodePoolFound",
    "ResourcesValidated",
    "ResourcesAvailable",
    "QuotaAvailable",
    "ISOReady",
    "VMsCreated",
    "VMsRemoved",
    "VMsUpToDate",
    "AdoptionRequired",
    "ScaleDownHeld",
    "SelfHealing",
    "Paused",
    "Ready",
];

/// Whether something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    True,
    False,
    Unknown,
}

/// One condition, before it has a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) type_: &'static str,
    pub(super) holds: Holds,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

fn verdict(
    type_: &'static str,
    holds: Holds,
    reason: Reason,
    message: impl Into<String>,
) -> Verdict {
    debug_assert!(
        reason.conditions().contains(&type_),
        "{reason:?} is not listed for {type_}"
    );
    Verdict {
        type_,
        holds,
        reason: reason.word(),
        message: message.into(),
    }
}

fn by_fault(type_: &'static str, holds: Holds, fault: &Fault) -> Verdict {
    Verdict {
        type_,
        holds,
        reason: fault.word,
        message: fault.message.clone(),
    }
}

/// What is counted for the conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) desired: i32,
    pub(super) current: i32,
    pub(super) ready: i32,
}

/// All conditions that apply.
pub(super) fn verdicts(seen: &Seen<'_>, plan: &Plan, counts: Counts) -> Vec<Verdict> {
    let always = [
        spec_valid(seen),
        connection::driver_connected(seen),
        connection::vsphere_connected(seen, plan),
        node_pool::node_pool_found(seen),
        resources::resources_validated(seen),
        resources::resources_available(seen, counts),
        resources::quota_available(seen, counts),
        iso::iso_ready(seen),
        machines::vms_created(seen, plan),
        removal::vms_removed(seen, plan),
        machines::vms_up_to_date(seen),
        adoption::adoption_required(seen, plan),
    ];
    let ready = ready(seen, plan, counts);
    let held = node_pool::scale_down_held(seen);
    let paused = seen.wish.paused.then(paused);
    let healing = self_healing::self_healing(seen, plan);
    let rest = held.into_iter().chain(healing).chain(paused);
    let rest = rest.chain([ready]);
    always.into_iter().chain(rest).collect()
}

/// With times: a condition keeps its own until its status changes.
pub(super) fn conditions(
    verdicts: Vec<Verdict>,
    old: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let condition = |verdict: Verdict| {
        let status = verdict.holds.word();
        let same = |old: &&Condition| old.type_ == verdict.type_ && old.status == status;
        Condition {
            type_: verdict.type_.into(),
            status: status.into(),
            reason: verdict.reason.into(),
            last_transition_time: old
                .iter()
                .find(same)
                .map_or(Time(now), |old| old.last_transition_time.clone()),
            message: verdict.message,
            observed_generation: generation,
        }
    };
    verdicts.into_iter().map(condition).collect()
}

fn spec_valid(seen: &Seen<'_>) -> Verdict {
    let type_ = "SpecValid";
    if seen.wish.problems.is_empty() {
        let ignored = seen.wish.ignored.join("; ");
        let message = if ignored.is_empty() {
            ignored
        } else {
            format!("Ignored: {ignored}.")
        };
        return verdict(type_, Holds::True, Reason::Valid, message);
    }
    let problems = seen.wish.problems.join("; ");
    let message = format!("{problems}. Correct the spec; until then nothing is made or removed.");
    verdict(type_, Holds::False, Reason::Invalid, message)
}

fn paused() -> Verdict {
    let message = format!("Nothing is made or removed. Take the annotation {PAUSED} off to go on.");
    verdict("Paused", Holds::True, Reason::Paused, message)
}

fn ready(seen: &Seen<'_>, plan: &Plan, counts: Counts) -> Verdict {
    let type_ = "Ready";
    let Counts {
        desired,
        current,
        ready,
    } = counts;
    let blind =
        matches!(plan.hold, Some(Hold::OtherVcenter)) || seen.sight.connection != Connection::Live;
    if blind || seen.demand.is_unsure() {
        let (reason, see) = if blind {
            (Reason::NotSeen, "VSphereConnected")
        } else {
            (Reason::NodePoolNotHeard, "NodePoolFound")
        };
        let message = format!("Last seen: {ready} of {desired} machines are on. See {see}.");
        return verdict(type_, Holds::Unknown, reason, message);
    }
    if (current, ready) == (desired, desired) {
        return verdict(type_, Holds::True, Reason::AllReady, "");
    }
    let message = format!(
        "{desired} machines are asked for, {current} exist, {ready} are on. See VMsCreated, VMsRemoved \
         and vmStatus."
    );
    verdict(type_, Holds::False, Reason::NotAllReady, message)
}

/// The first few of many names.
pub(super) fn some(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    match names.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{} and {more} more", names[..SHOWN].join(", ")),
        _ => names.join(", "),
    }
}

// === impl Holds ===

impl Holds {
    fn word(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

// === impl Hold ===

impl Hold {
    fn reason(self) -> Reason {
        match self {
            Self::Paused => Reason::Paused,
            Self::Invalid => Reason::SpecInvalid,
            Self::NotLive => Reason::NotSeen,
            Self::OtherVcenter => Reason::VCenterChanged,
            Self::Released => Reason::Released,
            Self::Adoption => Reason::AdoptionRequired,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Paused => "The template is paused. See Paused.",
            Self::Invalid => "The spec is not valid. See SpecValid.",
            Self::NotLive => "vCenter cannot be looked at. See VSphereConnected.",
            Self::OtherVcenter => "The machines are in another vCenter. See VSphereConnected.",
            Self::Released => "The machines are the companion's again. See AdoptionRequired.",
            Self::Adoption => "Machines wait for their adoption. See AdoptionRequired.",
        }
    }
}

#[cfg(test)]
mod tests;
