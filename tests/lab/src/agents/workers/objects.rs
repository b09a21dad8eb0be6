//! The objects that are made of a NodePool.

use serde_json::{Value, json};

use crate::agents::json::{key, text};
use crate::agents::provider::{DEPROVISION, HOOK};

/// What holds a NodePool until its machines are gone.
pub(super) const POOL_FINALIZER: &str = "hypershift.openshift.io/finalizer";
/// What holds a Machine until its infrastructure is gone.
pub(super) const MACHINE_FINALIZER: &str = "machine.cluster.x-k8s.io";
/// Where an object says which NodePool it is of.
pub(super) const POOL: &str = "hypershift.openshift.io/nodePool";

/// The namespace of the control plane of a pool's cluster.
pub(super) fn control_plane(pool: &Value) -> String {
    let cluster = text(pool, "/spec/clusterName").replace('.', "-");
    format!("{}-{cluster}", key(pool).0)
}

/// How other objects name a pool.
pub(super) fn pool_name(pool: &Value) -> String {
    let (namespace, name) = key(pool);
    format!("{namespace}/{name}")
}

/// The `MachineDeployment` or the `MachineSet` of a pool.
pub(super) fn scaled(pool: &Value, kind: &str, replicas: u64) -> Value {
    let cluster = text(pool, "/spec/clusterName");
    let bound = |field: &str| {
        let bound = pool["spec"]["autoScaling"][field].as_u64();
        bound.unwrap_or_default().to_string()
    };
    let prefix = "cluster.x-k8s.io/cluster-api-autoscaler-node-group";
    json!({
        "apiVersion": "cluster.x-k8s.io/v1beta1",
        "kind": kind,
        "metadata": {
            "name": key(pool).1,
            "namespace": control_plane(pool),
            "annotations": {
                POOL: pool_name(pool),
                format!("{prefix}-min-size"): bound("min"),
                format!("{prefix}-max-size"): bound("max"),
            },
        },
        "spec": {
            "clusterName": cluster,
            "replicas": replicas,
            "selector": {"matchLabels": {"cluster.x-k8s.io/cluster-name": cluster}},
            "template": {},
        },
    })
}

/// A Machine of a pool.
pub(super) fn machine(pool: &Value, suffix: &str) -> Value {
    let cluster = text(pool, "/spec/clusterName");
    let name = format!("{}-{suffix}", key(pool).1);
    let namespace = control_plane(pool);
    json!({
        "apiVersion": "cluster.x-k8s.io/v1beta1",
        "kind": "Machine",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": {POOL: pool_name(pool), HOOK: ""},
            "labels": {"cluster.x-k8s.io/cluster-name": cluster},
            "finalizers": [MACHINE_FINALIZER],
        },
        "spec": {
            "clusterName": cluster,
            "bootstrap": {"dataSecretName": "user-data"},
            "infrastructureRef": {
                "apiVersion": "capi-provider.agent-install.openshift.io/v1beta1",
                "kind": "AgentMachine", "name": name, "namespace": namespace,
            },
        },
    })
}

/// What a Machine is made of.
pub(super) fn agent_machine(pool: &Value, machine: &Value) -> Value {
    let (namespace, name) = key(machine);
    json!({
        "apiVersion": "capi-provider.agent-install.openshift.io/v1beta1",
        "kind": "AgentMachine",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": machine["metadata"]["labels"],
            "finalizers": [DEPROVISION],
            "ownerReferences": [{
                "apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Machine",
                "name": name, "uid": machine["metadata"]["uid"],
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "agentLabelSelector": pool["spec"]["platform"]["agent"]["agentLabelSelector"],
        },
    })
}
