//! What is read of the Agent provider's `AgentMachine`.

use super::{Foreign, Kind, View};
use serde::Deserialize;

/// A host that Cluster API wants or has.
pub type AgentMachine = View<AgentMachineSpec>;

/// What is asked of a host.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct AgentMachineSpec {
    /// `agent://` with the name of the Agent, once it has one.
    #[serde(rename = "providerID")]
    pub provider_id: Option<String>,
}

/// What was seen of it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct AgentMachineStatus {
    /// Its Agent.
    pub agent_ref: Option<AgentRef>,
}

/// Names an Agent.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct AgentRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Foreign for AgentMachineSpec {
    const KIND: Kind = Kind::AgentMachine;
    type Status = AgentMachineStatus;
}
