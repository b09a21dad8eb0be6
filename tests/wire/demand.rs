//! A template has as many machines as its node pool asks for, and nothing that cannot be read lowers it.

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use lab::vcenter::Machine;
use lab::{Builder, Lab};
use serde_json::{Value, json};

use crate::hub::{Hub, POOL};
use crate::zone::PATIENCE;

const CLUSTER: &str = "east";
const WORKERS: &str = "workers";

/// A hosted cluster whose node pool a template follows.
struct Pool {
    hub: Hub,
}

// === impl Pool ===

impl Pool {
    /// A hub with the kinds, the cluster and the template, and no node pool yet.
    async fn start() -> Self {
        let pool = Self::of(Lab::builder().node_pools()).await;
        pool.cluster().await;
        pool
    }

    async fn of(builder: Builder) -> Self {
        let hub = Hub::of(builder).await;
        hub.lab.prepare().await.unwrap();
        let pool = Self { hub };
        pool.template(POOL).await;
        pool
    }

    fn lab(&self) -> &Lab {
        &self.hub.lab
    }

    /// Applies an object of any namespace: kubectl is bound to the lab's.
    async fn apply(&self, object: Value) {
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let kind = GroupVersionKind::try_from(object.types.clone().unwrap()).unwrap();
        let kind = ApiResource::from_gvk(&kind);
        let client = self.lab().client().unwrap();
        let api: Api<DynamicObject> = match object.namespace() {
            Some(namespace) => Api::namespaced_with(client, &namespace, &kind),
            None => Api::all_with(client, &kind),
        };
        let (name, by) = (object.name_any(), PatchParams::apply("demand").force());
        api.patch(&name, &by, &Patch::Apply(object)).await.unwrap();
    }

    /// The namespace that HyperShift makes for the cluster.
    fn control_plane(&self) -> String {
        format!("{}-{CLUSTER}", self.lab().namespace())
    }

    async fn cluster(&self) {
        let plane = self.control_plane();
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": plane}});
        self.apply(namespace).await;
        self.apply(json!({
            "apiVersion": "hypershift.openshift.io/v1beta1",
            "kind": "HostedCluster",
            "metadata": {"name": CLUSTER, "namespace": self.lab().namespace()},
            "spec": {"platform": {"type": "Agent", "agent": {"agentNamespace": plane}}},
        }))
        .await;
    }

    async fn template(&self, name: &str) {
        let mut template = self.lab().template(name, 0);
        let spec = template["spec"].as_object_mut().unwrap();
        spec.remove("testMode");
        spec.remove("replicas");
        spec["nodePoolRef"] = json!({"name": WORKERS});
        self.apply(template).await;
    }

    async fn node_pool(&self, number: &Value) {
        let mut node_pool = json!({
            "apiVersion": "hypershift.openshift.io/v1beta1",
            "kind": "NodePool",
            "metadata": {"name": WORKERS, "namespace": self.lab().namespace()},
            "spec": {
                "clusterName": CLUSTER,
                "management": {"upgradeType": "Replace"},
                "platform": {"type": "Agent", "agent": {}},
            },
        });
        let spec = node_pool["spec"].as_object_mut().unwrap();
        spec.extend(number.as_object().unwrap().clone());
        self.apply(node_pool).await;
    }

    async fn replicas(&self, replicas: u32) {
        self.node_pool(&json!({"replicas": replicas})).await;
    }

    /// What Cluster API makes of the node pool.
    async fn deployment(&self, replicas: u32) {
        self.apply(json!({
            "apiVersion": "cluster.x-k8s.io/v1beta1",
            "kind": "MachineDeployment",
            "metadata": self.of_pool(WORKERS),
            "spec": {
                "clusterName": CLUSTER,
                "replicas": replicas,
                "selector": {},
                "template": {},
            },
        }))
        .await;
    }

    /// A machine of Cluster API with its host.
    async fn machine(&self, name: &str) {
        self.apply(json!({
            "apiVersion": "cluster.x-k8s.io/v1beta1",
            "kind": "Machine",
            "metadata": self.of_pool(name),
            "spec": {
                "clusterName": CLUSTER,
                "bootstrap": {},
                "infrastructureRef": {"kind": "AgentMachine", "name": name},
            },
        }))
        .await;
        self.apply(json!({
            "apiVersion": "capi-provider.agent-install.openshift.io/v1beta1",
            "kind": "AgentMachine",
            "metadata": {"name": name, "namespace": self.control_plane()},
            "spec": {},
        }))
        .await;
    }

    fn of_pool(&self, name: &str) -> Value {
        let pool = format!("{}/{WORKERS}", self.lab().namespace());
        json!({
            "name": name,
            "namespace": self.control_plane(),
            "annotations": {"hypershift.openshift.io/nodePool": pool},
        })
    }

    /// Waits until what the node pool asks for is heard as this, and so many machines are on.
    async fn has(&self, reason: &str, machines: usize) {
        let status = if reason == "NodePoolFound" {
            "True"
        } else {
            "False"
        };
        self.hub.condition("NodePoolFound", status, reason).await;
        assert_eq!(self.hub.ready(machines).await.len(), machines);
    }

    /// When a template was made, and its UID: which of two is older.
    async fn age(&self, name: &str) -> String {
        let age = "jsonpath={.metadata.creationTimestamp} {.metadata.uid}";
        let asked = ["get", "vmtemplate", name, "-o", age];
        self.lab().kubectl(&asked).await.unwrap()
    }

    /// Waits until there is this machine and no other.
    async fn only_machine(&self, name: &str) {
        let only = |machines: &[Machine]| machines.len() == 1 && machines[0].name == name;
        let waiting = self.lab().wait_for_machines(name, PATIENCE, only);
        waiting.await.unwrap();
    }

    /// Changes the node pool by a merge patch.
    async fn patch(&self, patch: &Value) {
        let patch = patch.to_string();
        let namespace = self.lab().namespace();
        self.hub
            .kubectl(&[
                "patch",
                "nodepool",
                WORKERS,
                "-n",
                namespace,
                "--type=merge",
                "-p",
                &patch,
            ])
            .await;
    }
}

#[tokio::test]
async fn machines_follow_the_node_pool_up_and_down_and_to_its_end() {
    let pool = Pool::start().await;
    pool.hub
        .condition("NodePoolFound", "False", "NodePoolNotFound")
        .await;
    pool.replicas(3).await;
    pool.has("NodePoolFound", 3).await;
    pool.replicas(2).await;
    pool.has("NodePoolFound", 2).await;
    let namespace = pool.lab().namespace().to_owned();
    pool.hub
        .kubectl(&["delete", "nodepool", WORKERS, "-n", &namespace])
        .await;
    pool.has("NodePoolDeleted", 0).await;
}

#[tokio::test]
async fn what_cluster_api_asks_for_counts_with_scaling_and_surge() {
    let pool = Pool::start().await;
    pool.node_pool(&json!({"autoScaling": {"min": 1, "max": 9}}))
        .await;
    pool.has("NodePoolFound", 1).await;
    pool.deployment(2).await;
    pool.has("NodePoolFound", 2).await;
    for name in ["old-1", "old-2", "surge"] {
        pool.machine(name).await;
    }
    pool.has("NodePoolFound", 3).await;
    pool.hub.patch(&json!({"spec": {"spares": 1}})).await;
    pool.has("NodePoolFound", 4).await;
}

#[tokio::test]
async fn a_fall_by_more_than_half_waits_for_leave() {
    let pool = Pool::start().await;
    pool.replicas(4).await;
    pool.has("NodePoolFound", 4).await;
    pool.replicas(1).await;
    pool.hub
        .condition("ScaleDownHeld", "True", "ScaleDownHeld")
        .await;
    pool.has("NodePoolFound", 4).await;
    let allowed = "vmware.hcp.open-cluster-management.io/allow-scale-down";
    pool.hub
        .patch(&json!({"metadata": {"annotations": {allowed: "true"}}}))
        .await;
    pool.has("NodePoolFound", 1).await;
    pool.hub
        .condition("ScaleDownHeld", "False", "NothingHeld")
        .await;
}

#[tokio::test]
async fn a_fall_by_more_than_half_happens_after_its_time() {
    let builder = Lab::builder()
        .node_pools()
        .controller_arguments(["--scale-down-grace=1s"]);
    let pool = Pool::of(builder).await;
    pool.cluster().await;
    pool.replicas(4).await;
    pool.has("NodePoolFound", 4).await;
    pool.replicas(0).await;
    pool.has("NodePoolFound", 0).await;
}

#[tokio::test]
async fn a_paused_node_pool_changes_nothing() {
    let pool = Pool::start().await;
    pool.replicas(1).await;
    pool.has("NodePoolFound", 1).await;
    pool.patch(&json!({"spec": {"pausedUntil": "true", "replicas": 2}}))
        .await;
    pool.hub
        .condition("NodePoolFound", "True", "NodePoolPaused")
        .await;
    assert_eq!(pool.hub.ready(1).await.len(), 1);
    pool.patch(&json!({"spec": {"pausedUntil": null}})).await;
    pool.has("NodePoolFound", 2).await;
}

#[tokio::test]
async fn of_two_templates_the_older_makes_the_machines_and_the_other_takes_over() {
    let pool = Pool::start().await;
    pool.template("second").await;
    let (first, second) = (pool.age(POOL).await, pool.age("second").await);
    let (older, younger) = if first < second {
        (POOL, "second")
    } else {
        ("second", POOL)
    };
    pool.replicas(1).await;
    let hub = &pool.hub;
    hub.condition_of(younger, "NodePoolFound", "False", "Conflict")
        .await;
    hub.condition_of(older, "Ready", "True", "AllReady").await;
    pool.only_machine(&format!("{older}-n01")).await;
    hub.kubectl(&["delete", "vmtemplate", older, "--wait=false"])
        .await;
    hub.condition_of(younger, "NodePoolFound", "True", "NodePoolFound")
        .await;
    pool.only_machine(&format!("{younger}-n01")).await;
}

#[tokio::test]
async fn kinds_that_come_later_are_picked_up_and_kinds_that_go_take_no_machine_with_them() {
    let pool = Pool::of(Lab::builder().own_hub()).await;
    let hub = &pool.hub;
    hub.condition("NodePoolFound", "Unknown", "NodePoolKindMissing")
        .await;
    pool.lab().apply_node_pool_kinds().await.unwrap();
    hub.condition("NodePoolFound", "False", "NodePoolNotFound")
        .await;
    pool.cluster().await;
    pool.replicas(2).await;
    pool.has("NodePoolFound", 2).await;

    let before = hub.machines().await;
    pool.lab().remove_node_pool_kinds().await.unwrap();
    hub.condition("NodePoolFound", "Unknown", "NodePoolKindMissing")
        .await;
    hub.condition("Ready", "Unknown", "NodePoolNotHeard").await;
    assert_eq!(hub.machines().await, before);
    // The kinds come back before their objects, as when a backup is restored.
    pool.lab().apply_node_pool_kinds().await.unwrap();
    hub.condition("NodePoolFound", "False", "NodePoolVanished")
        .await;
    hub.condition("ScaleDownHeld", "True", "ScaleDownHeld")
        .await;
    // What is asked for in the meantime comes after all that the loss could have brought about.
    hub.patch(&json!({"spec": {"spares": 1}})).await;
    pool.cluster().await;
    pool.replicas(2).await;
    pool.has("NodePoolFound", 3).await;
    assert_eq!(hub.machines().await[..2], before);
}
