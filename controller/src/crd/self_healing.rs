//! What a template says of machines that do not get on, and what is remembered of them.
#![allow(
    clippy::doc_markdown,
    reason = "the comments are the descriptions in the CRD"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Machines that do not get on are replaced. The deadlines are durations as in `3m`, and less than 20
/// minutes together: so long does the automatic repair of a node pool wait for a node.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SelfHealing {
    /// Whether it is done. Absent: true for a node pool, false in test mode, where only the deadline for
    /// the power applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How long a machine that was made may take to be on; after half of it, that is asked for once
    /// more. Absent: 3m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_on_deadline: Option<String>,
    /// How long a machine that is on may take until its Agent registers. Absent: 6m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_deadline: Option<String>,
    /// How long an Agent may take until it can be installed. One that can be, and waits for a cluster,
    /// may wait for ever. Absent: 3m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_deadline: Option<String>,
    /// How long a host may take from being bound to being a node. One that takes longer is told of; as
    /// long as it is bound, replacing it is Cluster API's. Absent: 7m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation_deadline: Option<String>,
    /// So many machines are being replaced at the same time. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_replacements: Option<i32>,
    /// After so many replacements in a row, and no machine that became ready, none is replaced any
    /// more. Absent: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_limit: Option<i32>,
}

/// What is remembered of replacements.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SelfHealingStatus {
    /// How many machines were replaced since one became ready. From `spec.selfHealing.failureLimit` on,
    /// no other is.
    #[serde(default)]
    pub replacements: i32,
    /// The annotation `…/close-circuit` was heeded. It counts anew once it was taken off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed_by_annotation: bool,
    /// Since when machines are not judged, as while vCenter cannot be looked at. What each of them waits
    /// for goes on where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_since: Option<Time>,
}

/// What a machine has a deadline for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Awaited {
    /// `PowerOn`, `Registration`, `Validation`, `Installation`.
    #[serde(default)]
    pub stage: String,
    /// Since when. Time in which machines were not judged is left out, so that it moves on with that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// It was asked for once more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retried: bool,
}
