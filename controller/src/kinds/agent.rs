//! What is read of the installer's `Agent`.

use super::{Foreign, Kind, View};
use serde::Deserialize;

/// A host that runs the discovery ISO.
pub type Agent = View<AgentSpec>;

/// What is asked of a host.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct AgentSpec {
    /// It may be installed.
    pub approved: bool,
    /// The name that its node shall have.
    pub hostname: Option<String>,
    /// The cluster that it is bound to.
    pub cluster_deployment_name: Option<ClusterDeploymentName>,
    /// The disk to install on, by its id.
    #[serde(rename = "installation_disk_id")]
    pub installation_disk_id: Option<String>,
    /// The disk to install on, by its path.
    #[serde(rename = "installation_disk_path")]
    pub installation_disk_path: Option<String>,
}

/// Names the cluster of an Agent.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct ClusterDeploymentName {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// What was seen of a host.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct AgentStatus {
    /// What it tells of its hardware.
    pub inventory: Inventory,
    /// Where it is.
    pub debug_info: DebugInfo,
}

/// What a host tells of its hardware.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct Inventory {
    /// Who made it.
    pub system_vendor: SystemVendor,
    /// Its network interfaces.
    pub interfaces: Vec<Interface>,
}

/// Who made a host.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct SystemVendor {
    /// Its serial number.
    pub serial_number: Option<String>,
}

/// A network interface of a host.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct Interface {
    /// Its hardware address.
    pub mac_address: Option<String>,
}

/// Where a host is in its life.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct DebugInfo {
    /// The installer's word for it, as in `known-unbound`.
    pub state: Option<String>,
}

impl Foreign for AgentSpec {
    const KIND: Kind = Kind::Agent;
    type Status = AgentStatus;
}

impl Agent {
    /// Whether it is bound to a cluster.
    pub fn is_bound(&self) -> bool {
        self.spec.cluster_deployment_name.is_some()
    }
}
