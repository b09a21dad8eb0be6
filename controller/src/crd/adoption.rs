//! What the status says of machines that are to be adopted.
#![allow(
    clippy::doc_markdown,
    reason = "the comments are the descriptions in the CRD"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What adoption does, or would do.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdoptionStatus {
    /// Each machine that is not the template's yet, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<AdoptionPlan>,
}

/// What adoption does, or would do, to one machine. It is neither switched nor made anew.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdoptionPlan {
    /// Name in vCenter. It stays.
    pub name: String,
    /// Managed object id.
    pub moref: String,
    /// The number that it gets at this template.
    pub slot: i32,
    /// Its Agent, if one is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent: String,
    /// What is changed of it, `property: before -> after`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// Why it is left alone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub refusal: String,
}
