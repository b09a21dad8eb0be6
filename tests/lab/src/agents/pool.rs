//! The objects of a node pool as people make them: a hosted cluster, a NodePool, an InfraEnv, and
//! the template that follows them.

use serde_json::{Value, json};

use super::InfraEnv;
use crate::error::Result;
use crate::{CREDENTIALS, DATASTORE, ISO, Lab};

/// The annotation by which Cluster API is told which Machine to take first.
pub const DELETE_FIRST: &str = "cluster.x-k8s.io/delete-machine";
/// How many Machines more than its number a `MachineDeployment` has, as while it is rolled out.
pub const SURGE: &str = "lab.example/surge";
/// The annotation of an InfraEnv with the ISO file that was made of it; without it, all are.
pub const IMAGE: &str = "lab.example/image";

/// The names of a pool's objects.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Namespace of the NodePool, its cluster and its template.
    pub namespace: String,
    /// Name of the NodePool and of its template.
    pub name: String,
    /// Name of the hosted cluster.
    pub cluster: String,
    /// Namespace of the Agents and their InfraEnv.
    pub agents: String,
}

impl Pool {
    /// A pool in the lab's namespace.
    pub fn new(lab: &Lab, name: &str) -> Self {
        let namespace = lab.namespace().to_owned();
        Self {
            agents: format!("{namespace}-agents"),
            namespace,
            name: name.to_owned(),
            cluster: "hosted".to_owned(),
        }
    }

    /// Namespace of the control plane: Machines and AgentMachines are there.
    pub fn control_plane(&self) -> String {
        format!("{}-{}", self.namespace, self.cluster.replace('.', "-"))
    }

    /// The hosted cluster, which says where the Agents are.
    pub fn hosted_cluster(&self) -> Value {
        json!({
            "apiVersion": "hypershift.openshift.io/v1beta1",
            "kind": "HostedCluster",
            "metadata": {"name": self.cluster, "namespace": self.namespace},
            "spec": {"platform": {"type": "Agent", "agent": {"agentNamespace": self.agents}}},
        })
    }

    /// The NodePool, with so many nodes.
    pub fn node_pool(&self, replicas: u32) -> Value {
        json!({
            "apiVersion": "hypershift.openshift.io/v1beta1",
            "kind": "NodePool",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {
                "clusterName": self.cluster,
                "replicas": replicas,
                "management": {"upgradeType": "Replace"},
                "platform": {"type": "Agent", "agent": {
                    "agentLabelSelector": {"matchLabels": {"pool": self.name}},
                }},
                "release": {"image": "quay.io/openshift-release-dev/ocp-release:4.20.0-x86_64"},
            },
        })
    }

    /// The InfraEnv, whose image the machines boot.
    pub fn infra_env(&self) -> InfraEnv {
        InfraEnv {
            namespace: self.agents.clone(),
            name: "image".to_owned(),
        }
    }

    /// The template that gives the pool its machines: the smallest that pass the installer's
    /// validations.
    pub fn template(&self, lab: &Lab) -> Value {
        let mut template = lab.template(&self.name, 0);
        let spec = &mut template["spec"];
        spec["testMode"] = json!(false);
        spec["replicas"] = Value::Null;
        spec["nodePoolRef"] = json!({"name": self.name});
        spec["agentLabelSelector"] = json!({"pool": self.name});
        spec["vmTemplate"]["diskSizeGB"] = json!(120);
        spec["vmTemplate"]["datastore"] = json!(DATASTORE);
        spec["agentISO"] = json!({
            "type": "datastore", "datastorePath": format!("[{DATASTORE}] {ISO}"),
        });
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("replicas");
        }
        template
    }

    /// Makes the namespaces, the cluster and the InfraEnv, and all that a template needs
    /// beforehand: the pool and the template can follow.
    pub async fn prepare(&self, lab: &Lab) -> Result<()> {
        for name in [self.control_plane(), self.agents.clone()] {
            let kind = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            lab.apply(&kind).await?;
        }
        lab.apply(&self.hosted_cluster()).await?;
        lab.apply(&self.infra_env().manifest()).await?;
        lab.upload_iso().await?;
        lab.apply(&lab.credentials(CREDENTIALS)?).await
    }
}
