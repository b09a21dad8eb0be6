//! The conditions of a template: what holds, why not, and what to do about it. Pure.

use super::plan::{self, Hold, Plan, Seen};
use crate::{
    crd::{MAX_REPLICAS, PAUSED},
    driver::{Fault, Machine, State},
    link::Connection,
    reason::Reason,
    reconcile::attempts::Work,
    wish::Mode,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use std::sync::Arc;

/// The types of all conditions.
pub(crate) const CONDITIONS: [&str; 13] = [
    "SpecValid",
    "DriverConnected",
    "VSphereConnected",
    "NodePoolFound",
    "ResourcesValidated",
    "ResourcesAvailable",
    "QuotaAvailable",
    "ISOReady",
    "VMsCreated",
    "VMsUpToDate",
    "AdoptionRequired",
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
        driver_connected(seen),
        vsphere_connected(seen, plan),
        node_pool_found(seen),
        resources_validated(seen),
        resources_available(),
        quota_available(seen),
        iso_ready(seen),
        vms_created(seen, plan),
        vms_up_to_date(seen),
        adoption_required(seen),
    ];
    let ready = ready(seen, plan, counts);
    let paused = seen.wish.paused.then(paused);
    always.into_iter().chain(paused).chain([ready]).collect()
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
        return verdict(type_, Holds::True, Reason::Valid, "");
    }
    let problems = seen.wish.problems.join("; ");
    let message = format!("{problems}. Correct the spec; until then nothing is made or removed.");
    verdict(type_, Holds::False, Reason::Invalid, message)
}

fn driver_connected(seen: &Seen<'_>) -> Verdict {
    let type_ = "DriverConnected";
    match &seen.sight.connection {
        Connection::DriverFault(fault) => by_fault(type_, Holds::False, fault),
        Connection::Starting => verdict(
            type_,
            Holds::Unknown,
            Reason::Connecting,
            "The driver has not answered yet. Wait.",
        ),
        Connection::NoSecret | Connection::SecretRefused(_) | Connection::BadSecret(_) => verdict(
            type_,
            Holds::Unknown,
            Reason::NotAsked,
            "The driver is asked once the Secret is there. See VSphereConnected.",
        ),
        Connection::VcenterDown(_) | Connection::Syncing | Connection::Live => {
            verdict(type_, Holds::True, Reason::Connected, "")
        }
    }
}

fn vsphere_connected(seen: &Seen<'_>, plan: &Plan) -> Verdict {
    let type_ = "VSphereConnected";
    let secret = &seen.wish.secret;
    let server = seen
        .sight
        .vcenter
        .as_ref()
        .map(|vcenter| &vcenter.instance_uuid);
    let unknown = |reason, message: &str| verdict(type_, Holds::Unknown, reason, message);
    match &seen.sight.connection {
        _ if plan.hold == Some(Hold::OtherVcenter) => {
            let recorded = seen
                .status
                .vcenter_instance_uuid
                .as_deref()
                .unwrap_or_default();
            let now = server.map_or("", String::as_str);
            let message = format!(
                "The machines are in the vCenter {recorded}, and Secret {secret} leads to {now}. \
                 Nothing is made or removed. Name a Secret of the former, or remove the machines \
                 there first."
            );
            verdict(type_, Holds::False, Reason::VCenterChanged, message)
        }
        Connection::Live => verdict(type_, Holds::True, Reason::Connected, ""),
        Connection::Syncing => unknown(Reason::Syncing, "The machines are being read. Wait."),
        Connection::VcenterDown(Some(fault)) => by_fault(type_, Holds::False, fault),
        Connection::VcenterDown(None) | Connection::Starting => {
            unknown(Reason::Connecting, "The login is under way. Wait.")
        }
        Connection::DriverFault(fault) => by_fault(type_, Holds::Unknown, fault),
        Connection::NoSecret => {
            let message = format!(
                "There is no Secret {secret}. Create it with server, username and password; \
                 machines stay as they are until then."
            );
            verdict(type_, Holds::False, Reason::CredentialsNotFound, message)
        }
        Connection::SecretRefused(problem) => {
            let message = format!(
                "Secret {secret} cannot be read: {problem}. Let the controller get, list and \
                 watch it."
            );
            verdict(
                type_,
                Holds::Unknown,
                Reason::CredentialsUnreadable,
                message,
            )
        }
        Connection::BadSecret(invalid) => {
            let message = format!("{secret}: {invalid}.");
            verdict(type_, Holds::False, Reason::CredentialsInvalid, message)
        }
    }
}

fn node_pool_found(seen: &Seen<'_>) -> Verdict {
    let type_ = "NodePoolFound";
    match seen.wish.mode {
        Mode::Test { .. } => verdict(type_, Holds::True, Reason::TestMode, ""),
        Mode::NodePool { replicas_ignored } => {
            let ignored = if replicas_ignored {
                " spec.replicas is ignored without it."
            } else {
                ""
            };
            let message = format!(
                "Node pools are not supported yet, and nothing is done for this template. Set \
                 spec.testMode to true to have spec.replicas machines.{ignored}"
            );
            verdict(type_, Holds::Unknown, Reason::NodePoolsUnsupported, message)
        }
    }
}

fn resources_validated(seen: &Seen<'_>) -> Verdict {
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

fn resources_available() -> Verdict {
    let message = "The driver does not tell capacity yet; vCenter refuses what does not fit. Look \
                   in vCenter.";
    verdict(
        "ResourcesAvailable",
        Holds::Unknown,
        Reason::CapacityNotRead,
        message,
    )
}

fn quota_available(seen: &Seen<'_>) -> Verdict {
    let type_ = "QuotaAvailable";
    let (asked, max, soft) = (seen.wish.asked(), seen.wish.max, seen.wish.soft_max);
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
        (None, None) => {
            let message = format!("No quota is set; {MAX_REPLICAS} machines are the most.");
            verdict(type_, Holds::True, Reason::NoQuotaConfigured, message)
        }
        _ => verdict(type_, Holds::True, Reason::WithinQuota, ""),
    }
}

fn iso_ready(seen: &Seen<'_>) -> Verdict {
    let type_ = "ISOReady";
    match (&seen.wish.iso, seen.checks.map(|checks| &checks.iso)) {
        (None, _) => {
            let fault = Fault::unsupported_iso(super::checks::NO_URL);
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

fn vms_created(seen: &Seen<'_>, plan: &Plan) -> Verdict {
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
    let blocked = seen.checks.and_then(plan::obstacle);
    match (plan.hold, call, failed.first(), blocked) {
        (Some(hold), ..) => verdict(type_, Holds::Unknown, hold.reason(), hold.message()),
        (None, Some(fault), ..) => by_fault(type_, Holds::False, fault),
        (None, None, Some(fault), _) => {
            let message = format!("{} machines: {}", failed.len(), fault.message);
            let fault = Fault {
                message,
                ..(*fault).clone()
            };
            by_fault(type_, Holds::False, &fault)
        }
        (None, None, None, Some(fault)) if seen.wish.desired() > 0 => {
            by_fault(type_, Holds::False, fault)
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

fn vms_up_to_date(seen: &Seen<'_>) -> Verdict {
    let type_ = "VMsUpToDate";
    let wanted = crate::driver::spec_hash(&seen.wish.spec);
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

fn adoption_required(seen: &Seen<'_>) -> Verdict {
    let type_ = "AdoptionRequired";
    let names: Vec<_> = seen
        .sight
        .owner
        .companions
        .iter()
        .map(String::as_str)
        .collect();
    match (names.is_empty(), &seen.sight.connection) {
        (false, _) => {
            let message = format!(
                "{} were made by the companion for this template. Nothing is made or removed. \
                 Remove them, or their tag guestinfo.vmware-hcp.template; adoption is not \
                 supported yet.",
                some(&names)
            );
            verdict(type_, Holds::True, Reason::CompanionVMs, message)
        }
        (true, Connection::Live) => verdict(type_, Holds::False, Reason::NoCompanionVMs, ""),
        (true, _) => verdict(
            type_,
            Holds::Unknown,
            Reason::NotSeen,
            "vCenter cannot be looked at. See VSphereConnected.",
        ),
    }
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
    let pool = plan.hold == Some(Hold::NodePool);
    let blind =
        matches!(plan.hold, Some(Hold::OtherVcenter)) || seen.sight.connection != Connection::Live;
    if pool || blind {
        let see = if pool {
            "NodePoolFound"
        } else {
            "VSphereConnected"
        };
        let message = format!("Last seen: {ready} of {desired} machines are on. See {see}.");
        let reason = if pool {
            Reason::NodePoolsUnsupported
        } else {
            Reason::NotSeen
        };
        return verdict(type_, Holds::Unknown, reason, message);
    }
    if (current, ready) == (desired, desired) {
        return verdict(type_, Holds::True, Reason::AllReady, "");
    }
    let message = format!(
        "{desired} machines are asked for, {current} exist, {ready} are on. See VMsCreated and \
         vmStatus."
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
            Self::NodePool => Reason::NodePoolsUnsupported,
            Self::Invalid => Reason::SpecInvalid,
            Self::NotLive => Reason::NotSeen,
            Self::OtherVcenter => Reason::VCenterChanged,
            Self::Adoption => Reason::AdoptionRequired,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Paused => "The template is paused. See Paused.",
            Self::NodePool => "Node pools are not supported yet. See NodePoolFound.",
            Self::Invalid => "The spec is not valid. See SpecValid.",
            Self::NotLive => "vCenter cannot be looked at. See VSphereConnected.",
            Self::OtherVcenter => "The machines are in another vCenter. See VSphereConnected.",
            Self::Adoption => "The companion's machines stand in the way. See AdoptionRequired.",
        }
    }
}

#[cfg(test)]
mod tests;
