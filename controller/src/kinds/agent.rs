//! What is read of the installer's `Agent`: a host that booted the discovery ISO.

use super::{Foreign, Kind, View};
use serde::Deserialize;

/// A host that runs the discovery ISO.
pub type Agent = View<AgentSpec>;

/// Label by which the Cluster API provider reserves an Agent for an `AgentMachine`.
pub const AGENT_MACHINE_REF: &str = "agentMachineRef";

/// What is asked of a host.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct AgentSpec {
    /// It may be installed.
    pub approved: bool,
    /// The name that its node shall have. Empty: as the host calls itself.
    pub hostname: String,
    /// The cluster that it is bound to, or shall be.
    pub cluster_deployment_name: Option<ClusterDeploymentName>,
    /// The disk to install on, by its id in the inventory.
    #[serde(rename = "installation_disk_id")]
    pub installation_disk_id: String,
    /// The disk to install on, by its path. Never together with the id.
    #[serde(rename = "installation_disk_path")]
    pub installation_disk_path: String,
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
    /// What holds and what does not.
    pub conditions: Vec<AgentCondition>,
    /// What it tells of its hardware.
    pub inventory: Inventory,
    /// Where it is.
    pub debug_info: DebugInfo,
    /// How far its installation is.
    pub progress: Progress,
}

/// One condition of an Agent.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct AgentCondition {
    /// What it is about.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in a word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
}

/// What a host tells of its hardware.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct Inventory {
    /// Who made it.
    pub system_vendor: SystemVendor,
    /// Its network interfaces.
    pub interfaces: Vec<Interface>,
    /// Its disks.
    pub disks: Vec<Disk>,
}

/// Who made a host.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct SystemVendor {
    /// Its serial number.
    pub serial_number: String,
}

/// A network interface of a host.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct Interface {
    /// Its hardware address.
    pub mac_address: String,
}

/// A disk of a host.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct Disk {
    /// What the spec calls it.
    pub id: String,
    /// As in `/dev/sda`.
    pub path: String,
    /// Host, channel, target and unit, as in `0:0:0:0`.
    pub hctl: String,
    /// Whether it can be installed on.
    pub installation_eligibility: Eligibility,
}

/// Whether a disk can be installed on.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Eligibility {
    /// It can.
    pub eligible: bool,
}

/// Where a host is in its life.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct DebugInfo {
    /// The installer's word for it, as in `known-unbound`; empty before it said any.
    pub state: String,
    /// Why it is so.
    pub state_info: String,
}

/// How far an installation is.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct Progress {
    /// Its stage, as in `Writing image to disk`.
    pub current_stage: String,
}

impl Foreign for AgentSpec {
    const KIND: Kind = Kind::Agent;
    type Status = AgentStatus;
}

// === impl Agent ===

impl Agent {
    /// Whether it is bound to a cluster, or on the way there.
    pub fn is_bound(&self) -> bool {
        self.spec.cluster_deployment_name.is_some()
    }

    /// Whether it may be bound, as far as it can be read.
    pub fn may_be_bound(&self) -> bool {
        self.is_bound() || self.malformed.is_some()
    }

    /// The condition of this type.
    pub fn condition(&self, type_: &str) -> Option<&AgentCondition> {
        let mut conditions = self.status.conditions.iter();
        conditions.find(|condition| condition.type_ == type_)
    }

    /// What the host tells of its hardware, once it has.
    pub fn inventory(&self) -> Option<&Inventory> {
        let Inventory {
            system_vendor,
            interfaces,
            disks,
        } = &self.status.inventory;
        let told =
            !(system_vendor.serial_number.is_empty() && interfaces.is_empty() && disks.is_empty());
        told.then_some(&self.status.inventory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(object: Value) -> Agent {
        View::of(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn an_agent_is_read_as_the_service_writes_it() {
        let agent = read(json!({
            "apiVersion": "agent-install.openshift.io/v1beta1",
            "kind": "Agent",
            "metadata": {"name": "a", "namespace": "agents"},
            "spec": {
                "approved": true, "role": "", "hostname": "pool-n01",
                "clusterDeploymentName": {"name": "hosted", "namespace": "clusters-hosted"},
                "installation_disk_id": "/dev/disk/by-id/wwn-1",
            },
            "status": {
                "role": "worker",
                "conditions": [{"type": "Bound", "status": "True", "reason": "Bound", "message": "m",
                                "lastTransitionTime": "2026-01-01T00:00:00Z"}],
                "debugInfo": {"state": "installing-in-progress", "eventsURL": "https://x"},
                "progress": {"currentStage": "Rebooting", "installationPercentage": 70},
                "inventory": {
                    "systemVendor": {"serialNumber": "VMware-42", "virtual": true},
                    "interfaces": [{"macAddress": "00:50:56:00:00:01", "flags": []}],
                    "disks": [{"id": "d", "hctl": "0:0:0:0", "path": "/dev/sda",
                               "installationEligibility": {"eligible": true, "notEligibleReasons": []}}],
                },
            },
        }));
        assert_eq!(agent.malformed, None);
        assert!(agent.is_bound() && agent.spec.approved);
        assert_eq!(agent.status.debug_info.state, "installing-in-progress");
        assert_eq!(agent.condition("Bound").unwrap().reason, "Bound");
        let inventory = agent.inventory().unwrap();
        assert_eq!(inventory.system_vendor.serial_number, "VMware-42");
        assert!(inventory.disks[0].installation_eligibility.eligible);
    }

    #[test]
    fn an_agent_that_says_nothing_yet_is_read_too() {
        let agent = read(json!({"metadata": {"name": "a"}, "spec": {"approved": false}}));
        assert_eq!(
            (agent.malformed.as_deref(), agent.inventory()),
            (None, None)
        );
        assert!(!agent.is_bound() && !agent.may_be_bound());
    }

    #[test]
    fn an_agent_that_cannot_be_read_may_be_bound() {
        let agent = read(json!({"metadata": {"name": "a"}, "spec": {"approved": "yes"}}));
        assert!(agent.malformed.is_some());
        assert!(!agent.is_bound() && agent.may_be_bound());
    }
}
