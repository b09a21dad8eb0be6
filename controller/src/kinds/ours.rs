//! What of an object we have set ourselves, from its field managers. Pure.

use crate::context::CONTROLLER;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use std::collections::BTreeSet;

/// Where labels stand among the fields of a manager.
const LABELS: &str = "/f:metadata/f:labels";
/// Where an Agent's approval stands among them.
const APPROVED: &str = "/f:spec/f:approved";

/// What of an object stands because we have set it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ours {
    /// Labels that nobody else has set, too.
    pub labels: BTreeSet<String>,
    /// The approval of an Agent, whatever it says.
    pub approval: bool,
}

// === impl Ours ===

impl Ours {
    /// What we have applied; `None`: never anything.
    pub(super) fn of(managers: &[ManagedFieldsEntry]) -> Option<Self> {
        let is_ours = |entry: &&ManagedFieldsEntry| {
            let manager = entry.manager.as_deref() == Some(CONTROLLER);
            manager && entry.operation.as_deref() == Some("Apply")
        };
        let (ours, others): (Vec<_>, Vec<_>) = managers.iter().partition(is_ours);
        let others: BTreeSet<_> = others.into_iter().flat_map(labels).collect();
        let only_ours = ours.iter().copied().flat_map(labels);
        let only_ours = only_ours.filter(|label| !others.contains(label));
        (!ours.is_empty()).then(|| Self {
            labels: only_ours.map(Into::into).collect(),
            approval: ours.iter().any(|entry| {
                let fields = entry.fields_v1.as_ref();
                fields.is_some_and(|fields| fields.0.pointer(APPROVED).is_some())
            }),
        })
    }
}

/// The labels that a manager has set.
fn labels(entry: &ManagedFieldsEntry) -> impl Iterator<Item = &str> {
    let fields = entry.fields_v1.as_ref();
    let labels = fields.and_then(|fields| fields.0.pointer(LABELS)?.as_object());
    let keys = labels.into_iter().flat_map(|labels| labels.keys());
    keys.filter_map(|key| key.strip_prefix("f:"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    fn entry(manager: &str, operation: &str, labels: &[&str]) -> ManagedFieldsEntry {
        let labels = labels.iter().map(|label| (format!("f:{label}"), json!({})));
        let labels: Map<_, _> = labels.collect();
        let fields = json!({"f:metadata": {"f:labels": labels}, "f:spec": {"f:approved": {}}});
        serde_json::from_value(json!({
            "manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields,
        }))
        .unwrap()
    }

    #[test]
    fn only_what_nobody_else_has_set_is_ours() {
        let ours = Ours::of(&[
            entry("assisted-service", "Update", &["infraenv", "shared"]),
            entry(CONTROLLER, "Apply", &["ours", "shared"]),
            entry(CONTROLLER, "Update", &["by-hand"]),
        ]);
        let expected = Ours {
            labels: BTreeSet::from(["ours".into()]),
            approval: true,
        };
        assert_eq!(ours, Some(expected));
    }

    #[test]
    fn what_we_never_applied_to_has_nothing_of_ours() {
        assert_eq!(Ours::of(&[entry("kubectl-edit", "Update", &["a"])]), None);
    }
}
