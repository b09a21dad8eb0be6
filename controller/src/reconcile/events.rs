//! What is worth an event: changes between two statuses. Pure.

use super::{
    conditions::some,
    record::{DELETING, PENDING, Record},
};
use crate::{
    agents::phase::{FAILED, JOINED},
    crd::{VMwareNodePoolTemplateStatus, VmStatus},
    wish::Ending,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};
use std::collections::BTreeMap;

/// Longest note that the API server takes.
const NOTE: usize = 1024;

/// Condition, its status, and reason of the event that tells of it: the companion's word, if it has one.
const TOLD: [(&str, &str, &str); 10] = [
    ("SpecValid", "False", "SpecInvalid"),
    ("VSphereConnected", "False", "VSphereConnectionError"),
    ("DriverConnected", "False", "DriverConnectionError"),
    ("ISOReady", "False", "ISOError"),
    ("ResourcesValidated", "False", "ResourceValidationFailed"),
    ("VMsUpToDate", "False", "VMsOutOfDate"),
    ("AdoptionRequired", "True", "AdoptionRequired"),
    ("Paused", "True", "Paused"),
    ("ScaleDownHeld", "True", "ScaleDownHeld"),
    ("SelfHealing", "False", "CircuitOpen"),
];

/// The events of the change from `old` to `new`.
pub(super) fn events(
    old: &VMwareNodePoolTemplateStatus,
    new: &VMwareNodePoolTemplateStatus,
) -> Vec<Event> {
    let conditions = new.conditions.iter().filter(|new| {
        let same = |old: &&Condition| {
            (&old.type_, &old.status, &old.reason) == (&new.type_, &new.status, &new.reason)
        };
        !old.conditions.iter().any(|old| same(&old))
    });
    let conditions = conditions.filter_map(of_condition);
    conditions.chain(of_machines(old, new)).collect()
}

/// What is to be told of a template that goes: the machines that it leaves behind.
pub(super) fn farewell(ending: Ending, record: &Record) -> Option<Event> {
    let entries = record.entries.values();
    let names: Vec<_> = entries.map(|entry| entry.name.as_str()).collect();
    let (type_, reason) = match ending {
        Ending::Drain => return None,
        Ending::Orphan => (EventType::Normal, "Orphaned"),
        Ending::Abandon => (EventType::Warning, "Abandoned"),
    };
    let note = format!(
        "Left in vCenter, and nobody's from now on: {}. Remove there what is not needed.",
        some(&names)
    );
    (!names.is_empty()).then(|| event(type_, reason, &note))
}

fn of_condition(condition: &Condition) -> Option<Event> {
    let Condition {
        type_,
        status,
        reason,
        message,
        ..
    } = condition;
    let word = match (type_.as_str(), status.as_str(), reason.as_str()) {
        ("VSphereConnected", "False", "CredentialsNotFound" | "CredentialsInvalid") => {
            "CredentialsError"
        }
        ("QuotaAvailable" | "NodePoolFound", "False", reason) => reason,
        ("NodePoolFound", "Unknown", "NodePoolUnreadable" | "NodePoolKindMissing") => {
            "NodePoolError"
        }
        ("VMsCreated", "False", "Reconciling" | "WaitingForISO")
        | ("VMsRemoved", "False", "Removing")
        | ("ISOReady", "False", "Uploading") => return None,
        ("VMsCreated", "False", _) => "VMReconciliationError",
        ("VMsRemoved", "False", "WorkersBound") => "WorkersBound",
        ("VMsRemoved", "False", _) => "VMRemovalError",
        (type_, status, _) => {
            let told = |row: &&(&str, &str, &str)| (row.0, row.1) == (type_, status);
            TOLD.iter().find(told)?.2
        }
    };
    Some(event(EventType::Warning, word, message))
}

/// Whether an event tells of the change of an entry.
type Tells = fn(Option<&VmStatus>, Option<&VmStatus>) -> bool;

/// Kind, reason and verb of the events of machines.
const TOLD_OF_MACHINES: [(EventType, &str, &str, Tells); 15] = [
    (EventType::Normal, "ScalingUp", "To be made", |old, new| {
        old.is_none() && new.is_some_and(|new| new.phase == PENDING)
    }),
    (EventType::Normal, "VMCreated", "Made", |old, new| {
        let made = |entry: Option<&VmStatus>| entry.is_some_and(|e| !e.moref.is_empty());
        !made(old) && made(new)
    }),
    (
        EventType::Normal,
        "Deleting",
        "To be removed",
        |old, new| {
            let leaving = |entry: Option<&VmStatus>| entry.is_some_and(|e| e.phase == DELETING);
            !leaving(old) && leaving(new)
        },
    ),
    (EventType::Normal, "VMCleanedUp", "Gone", |old, new| {
        old.is_some() && new.is_none()
    }),
    (
        EventType::Warning,
        "VMCreationFailed",
        "Failed",
        |old, new| {
            let failed = |e: &VmStatus| e.phase == FAILED && e.agent_name.is_empty();
            begins(old, new, failed)
        },
    ),
    (
        EventType::Normal,
        "AgentUpdated",
        "Agent found",
        |old, new| {
            let name = |entry: Option<&VmStatus>| entry.map(|e| e.agent_name.clone());
            let found = name(new).is_some_and(|name| !name.is_empty());
            found && name(old) != name(new)
        },
    ),
    (
        EventType::Warning,
        "AgentUpdateFailed",
        "Agent not set",
        |old, new| begins(old, new, |e| e.message.starts_with("AgentUpdateFailed")),
    ),
    (
        EventType::Warning,
        "AgentContradicted",
        "Agent not approved",
        |old, new| begins(old, new, |e| e.message.starts_with("Contradicted")),
    ),
    (EventType::Normal, "VMJoined", "Joined", |old, new| {
        begins(old, new, |e| e.phase == JOINED)
    }),
    (
        EventType::Warning,
        "InstallationFailed",
        "Not installed",
        |old, new| {
            let failed = |e: &VmStatus| e.phase == FAILED && !e.agent_name.is_empty();
            begins(old, new, failed)
        },
    ),
    (
        EventType::Warning,
        "NotPoweredOn",
        "Not on in time, replaced",
        |old, new| begins(old, new, |e| e.leaving_reason == "NotPoweredOn"),
    ),
    (
        EventType::Warning,
        "NotRegistered",
        "No Agent in time, replaced",
        |old, new| begins(old, new, |e| e.leaving_reason == "NotRegistered"),
    ),
    (
        EventType::Warning,
        "NotValidated",
        "Agent not fit in time, replaced",
        |old, new| begins(old, new, |e| e.leaving_reason == "NotValidated"),
    ),
    (
        EventType::Warning,
        "NotInstalled",
        "No node in time, replaced",
        |old, new| begins(old, new, |e| e.leaving_reason == "NotInstalled"),
    ),
    (
        EventType::Warning,
        "VMPoweredOff",
        "Switched off",
        |old, new| {
            let off = |entry: Option<&VmStatus>| {
                entry.is_some_and(|e| e.message.starts_with("PoweredOffOutside"))
            };
            !off(old) && off(new)
        },
    ),
];

fn of_machines(
    old: &VMwareNodePoolTemplateStatus,
    new: &VMwareNodePoolTemplateStatus,
) -> Vec<Event> {
    let pairs = pairs(old, new);
    let told = |(type_, reason, verb, tells): (EventType, &str, &str, Tells)| {
        let told = pairs.values().filter(|(old, new)| tells(*old, *new));
        let told: Vec<_> = told.filter_map(|(old, new)| new.or(*old)).collect();
        let names: Vec<_> = told.iter().map(|entry| entry.name.as_str()).collect();
        let cause = told
            .iter()
            .map(|entry| entry.message.as_str())
            .find(|m| !m.is_empty());
        let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        let note = format!("{verb}: {}{cause}", some(&names));
        (!names.is_empty()).then(|| event(type_, reason, &note))
    };
    TOLD_OF_MACHINES.into_iter().filter_map(told).collect()
}

/// Whether something holds that did not before.
fn begins(old: Option<&VmStatus>, new: Option<&VmStatus>, holds: fn(&VmStatus) -> bool) -> bool {
    !old.is_some_and(holds) && new.is_some_and(holds)
}

type Pairs<'a> = BTreeMap<i32, (Option<&'a VmStatus>, Option<&'a VmStatus>)>;

/// Old and new entry of each slot.
fn pairs<'a>(
    old: &'a VMwareNodePoolTemplateStatus,
    new: &'a VMwareNodePoolTemplateStatus,
) -> Pairs<'a> {
    let mut pairs = Pairs::new();
    for entry in &old.vm_status {
        pairs.entry(entry.slot.unwrap_or_default()).or_default().0 = Some(entry);
    }
    for entry in &new.vm_status {
        pairs.entry(entry.slot.unwrap_or_default()).or_default().1 = Some(entry);
    }
    // Entries without a slot are the companion's; they are no change of ours.
    pairs.remove(&0);
    pairs
}

fn event(type_: EventType, reason: &str, note: &str) -> Event {
    let note = note.chars().take(NOTE / 4).collect();
    Event {
        type_,
        reason: reason.into(),
        note: Some(note),
        action: "Reconcile".into(),
        secondary: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::condition;

    fn entry(slot: i32, phase: &str, moref: &str) -> VmStatus {
        VmStatus {
            name: format!("pool-n{slot:02}"),
            slot: Some(slot),
            phase: phase.into(),
            moref: moref.into(),
            ..VmStatus::default()
        }
    }

    fn of(entries: Vec<VmStatus>) -> VMwareNodePoolTemplateStatus {
        VMwareNodePoolTemplateStatus {
            vm_status: entries,
            ..VMwareNodePoolTemplateStatus::default()
        }
    }

    fn told(
        old: &VMwareNodePoolTemplateStatus,
        new: &VMwareNodePoolTemplateStatus,
    ) -> Vec<(String, String)> {
        let events = events(old, new).into_iter();
        events
            .map(|event| (event.reason, event.note.unwrap()))
            .collect()
    }

    #[test]
    fn machines_are_told_together() {
        let pending: Vec<_> = (1..=5).map(|slot| entry(slot, PENDING, "")).collect();
        let expected = "To be made: pool-n01, pool-n02, pool-n03 and 2 more";
        assert_eq!(
            told(&of(vec![]), &of(pending)),
            [("ScalingUp".to_owned(), expected.to_owned())]
        );
    }

    #[test]
    fn each_step_of_a_machine_is_told_once() {
        for (old, new, reason) in [
            (
                vec![entry(1, PENDING, "")],
                vec![entry(1, "PoweringOn", "vm-1")],
                "VMCreated",
            ),
            (
                vec![entry(1, "Running", "vm-1")],
                vec![entry(1, DELETING, "vm-1")],
                "Deleting",
            ),
            (vec![entry(1, DELETING, "vm-1")], vec![], "VMCleanedUp"),
            (
                vec![entry(1, PENDING, "")],
                vec![entry(1, "Failed", "")],
                "VMCreationFailed",
            ),
            (
                vec![entry(1, "Insufficient", "vm-1")],
                vec![VmStatus {
                    leaving_reason: "NotValidated".into(),
                    ..entry(1, "Insufficient", "vm-1")
                }],
                "NotValidated",
            ),
        ] {
            let told_first = told(&of(old), &of(new.clone()));
            assert_eq!(told_first.len(), 1, "{reason}");
            assert_eq!(told_first[0].0, reason);
            assert_eq!(told(&of(new.clone()), &of(new)), []);
        }
    }

    #[test]
    fn what_is_left_behind_is_told_where_that_was_asked_for() {
        let left = Record::of(&of(vec![entry(1, "Running", "vm-1")]));
        let reason = |ending, record: &Record| farewell(ending, record).map(|event| event.reason);
        for (ending, told) in [
            (Ending::Drain, None),
            (Ending::Orphan, Some("Orphaned")),
            (Ending::Abandon, Some("Abandoned")),
        ] {
            assert_eq!(reason(ending, &left).as_deref(), told);
            assert_eq!(reason(ending, &Record::default()), None);
        }
    }

    #[test]
    fn a_condition_is_told_when_it_changes_and_not_again() {
        let with = |status, reason| VMwareNodePoolTemplateStatus {
            conditions: vec![condition("VSphereConnected", status, reason)],
            ..VMwareNodePoolTemplateStatus::default()
        };
        let (good, bad) = (
            with("True", "Connected"),
            with("False", "CredentialsNotFound"),
        );
        assert_eq!(told(&good, &bad)[0].0, "CredentialsError");
        assert_eq!(told(&bad, &bad), []);
        assert_eq!(told(&bad, &good), []);
    }
}
