//! What is read of a HyperShift `HostedCluster`.

use super::{Foreign, Kind, View};
use serde::Deserialize;

/// A hosted cluster.
pub type HostedCluster = View<HostedClusterSpec>;

/// What a hosted cluster asks for.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct HostedClusterSpec {
    /// What its machines are.
    pub platform: ClusterPlatform,
}

/// What the machines of a hosted cluster are.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct ClusterPlatform {
    /// What is said of Agents.
    pub agent: Option<ClusterAgents>,
}

/// What a hosted cluster says of its Agents.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterAgents {
    /// Where they are.
    pub agent_namespace: Option<String>,
}

/// What was seen of a hosted cluster: nothing that is read.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct HostedClusterStatus {}

impl Foreign for HostedClusterSpec {
    const KIND: Kind = Kind::HostedCluster;
    type Status = HostedClusterStatus;
}
