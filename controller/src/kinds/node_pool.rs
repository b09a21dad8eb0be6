//! What is read of a HyperShift `NodePool`.

use super::{Foreign, Kind, View};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A node pool.
pub type NodePool = View<NodePoolSpec>;

/// What a node pool asks for.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct NodePoolSpec {
    /// The hosted cluster, in the namespace of the node pool.
    pub cluster_name: Option<String>,
    /// How many machines, unless their number is scaled automatically.
    pub replicas: Option<i32>,
    /// Between which numbers it is scaled automatically.
    pub auto_scaling: Option<AutoScaling>,
    /// `true`, or the end of the pause.
    pub paused_until: Option<String>,
    /// What its machines are.
    pub platform: Platform,
}

/// Between which numbers a pool is scaled automatically.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct AutoScaling {
    /// The least.
    pub min: Option<i32>,
    /// The most.
    pub max: Option<i32>,
}

/// What the machines of a node pool are.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Platform {
    /// `Agent` for machines that boot a discovery ISO.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// What is said of Agents.
    pub agent: Option<AgentPlatform>,
}

/// What a node pool says of its Agents.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct AgentPlatform {
    /// Which Agents it takes; absent: any.
    pub agent_label_selector: Option<LabelSelector>,
}

/// Which labels something must have.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels with these values.
    pub match_labels: BTreeMap<String, String>,
    /// Further demands.
    pub match_expressions: Vec<Requirement>,
}

/// One demand on a label.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// Of `In` and `NotIn`.
    pub values: Vec<String>,
}

/// What was seen of a node pool.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct NodePoolStatus {
    /// Machines that are available.
    pub replicas: Option<i32>,
}

impl Foreign for NodePoolSpec {
    const KIND: Kind = Kind::NodePool;
    type Status = NodePoolStatus;
}
