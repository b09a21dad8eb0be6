//! Machines and templates leave only when nobody uses them, and hold on to all that is needed until then.

use std::collections::BTreeSet;

use kube::ResourceExt as _;
use kube::api::{DynamicObject, Patch, PatchParams};
use lab::agents::{Cast, State, product_uuid};
use lab::proxy::{Action, Fault, Outage};
use lab::vcenter::Machine;
use lab::{CREDENTIALS, Lab};
use serde_json::{Value, json};

use crate::hub::POOL;
use crate::nodepool::NodePool;
use crate::zone::PATIENCE;

const GROUP: &str = "vmware.hcp.open-cluster-management.io";
/// What holds an Agent until its machine is gone.
const AGENT_FINALIZER: &str = "vmware.hcp.open-cluster-management.io/agent-vm-cleanup";
/// What holds a Secret until no template needs it.
const SECRET_FINALIZER: &str = "vmware.hcp.open-cluster-management.io/secret-in-use";

/// What is asked of a pool on its way out.
impl NodePool {
    /// A pool whose machines nobody uses yet, all of them offered.
    async fn unused(builder: lab::Builder, nodes: u32) -> Self {
        // Whom Agents belong to is for the test to say.
        let cast = Cast {
            provider: false,
            workers: false,
            ..Cast::default()
        };
        let pool = Self::of(builder, cast, nodes).await;
        let offered = |agents: &[DynamicObject]| {
            let offered = agents
                .iter()
                .filter(|it| it.data["spec"]["approved"] == true);
            offered.count() == nodes as usize
        };
        pool.agents("approved Agents", offered).await;
        pool
    }

    async fn scale(&self, nodes: u32) {
        let replicas = format!("--replicas={nodes}");
        self.hub
            .kubectl(&["scale", "nodepool", POOL, &replicas])
            .await;
    }

    async fn annotate(&self, name: &str) {
        let annotations = json!({format!("{GROUP}/{name}"): "true"});
        self.hub
            .patch(&json!({"metadata": {"annotations": annotations}}))
            .await;
    }

    /// Asks for something to be deleted, and does not wait for it.
    async fn delete(&self, kind: &str, name: &str) {
        self.hub
            .kubectl(&["delete", kind, name, "--wait=false"])
            .await;
    }

    /// The Agent of a machine.
    async fn agent_of(&self, machine: &str) -> String {
        let machines = self.hub.machines().await;
        let found = machines.iter().find(|it| it.name == machine);
        product_uuid(&found.unwrap().uuid)
    }

    /// Binds the Agent of a machine, as the provider does.
    async fn bind(&self, machine: &str) {
        let name = self.agent_of(machine).await;
        let bound = json!({
            "metadata": {"labels": {"agentMachineRef": "somebody"}},
            "spec": {"clusterDeploymentName": {"name": "hosted", "namespace": "elsewhere"}},
        });
        let (agents, by) = (self.agent_api(), PatchParams::default());
        let bound = Patch::Merge(bound);
        agents.patch(&name, &by, &bound).await.unwrap();
    }

    /// Waits until the status says that a machine is chosen to be destroyed, or that it stays.
    async fn chosen(&self, machine: &str, chosen: bool) {
        let so = |template: Option<&Value>| {
            let listed = template.and_then(|it| it["status"]["vmStatus"].as_array());
            let mut listed = listed.into_iter().flatten();
            let entry = listed.find(|it| it["name"] == machine);
            entry.is_some_and(|it| {
                let goes = it["phase"] == "Deleting";
                goes == chosen && it["leaving"].is_null() != chosen
            })
        };
        let waited = self.hub.lab.wait_for_template(POOL, PATIENCE, so).await;
        if let Err(error) = waited {
            let shown = ["get", "vmtemplate", POOL, "-o", "yaml"];
            panic!("{error}: {}", self.hub.kubectl_output(&shown).await);
        }
    }

    /// Waits until there are these machines and no others, all of them on.
    async fn only(&self, names: &[&str]) {
        let these = |machines: &[Machine]| {
            let found: BTreeSet<_> = machines.iter().map(|it| it.name.as_str()).collect();
            found == names.iter().copied().collect() && machines.iter().all(|it| it.on)
        };
        let what = format!("{names:?} alone");
        let waiting = self.hub.lab.wait_for_machines(&what, PATIENCE, these);
        waiting.await.unwrap();
    }

    async fn template_gone(&self) {
        let gone = |template: Option<&Value>| template.is_none();
        let waited = self.hub.lab.wait_for_template(POOL, PATIENCE, gone).await;
        if let Err(error) = waited {
            let shown = ["get", "vmtemplate", POOL, "-o", "yaml"];
            panic!("{error}: {}", self.hub.kubectl_output(&shown).await);
        }
    }

    /// Finalizers of an object, one in each line; of one that is not there, the error.
    async fn finalizers(&self, namespace: &str, kind: &str, name: &str) -> String {
        let path = "jsonpath={.metadata.finalizers}";
        let get = ["get", kind, name, "-n", namespace, "-o", path];
        self.hub.kubectl_output(&get).await
    }

    /// Whether the Secret and the Agent of a machine are held.
    async fn all_is_held(&self, agent: &str) {
        let secret = self.finalizers(self.hub.lab.namespace(), "secret", CREDENTIALS);
        assert!(secret.await.contains(SECRET_FINALIZER));
        let agent = self.finalizers(&self.pool.agents, "agent", agent).await;
        assert!(agent.contains(AGENT_FINALIZER), "{agent}");
    }
}

#[tokio::test]
async fn machines_that_are_given_back_leave_and_workers_hold_the_template_until_they_are() {
    let pool = NodePool::start(5).await;
    pool.all_in(5, State::AddedToExistingCluster).await;
    pool.annotate("allow-scale-down").await;
    pool.scale(2).await;
    let kept = pool.all_in(2, State::AddedToExistingCluster).await;
    let kept: BTreeSet<_> = kept.iter().map(DynamicObject::name_any).collect();
    let of_kept = |machines: &[Machine]| {
        let left = machines.iter().map(|it| product_uuid(&it.uuid));
        left.collect::<BTreeSet<_>>() == kept && machines.iter().all(|it| it.on)
    };
    let what = "the machines of the two that stay";
    let lab = &pool.hub.lab;
    let left = lab
        .wait_for_machines(what, PATIENCE, of_kept)
        .await
        .unwrap();
    pool.phase(2, "Joined").await;

    pool.delete("vmtemplate", POOL).await;
    pool.hub
        .condition("VMsRemoved", "False", "WorkersBound")
        .await;
    assert_eq!(pool.hub.machines().await, left);
    pool.scale(0).await;
    pool.template_gone().await;
    assert_eq!(pool.hub.machines().await, []);
    pool.agents("no Agents", <[_]>::is_empty).await;
}

#[tokio::test]
async fn a_node_pool_and_a_secret_that_are_deleted_first_leave_nothing_behind() {
    let pool = NodePool::start(1).await;
    pool.all_in(1, State::AddedToExistingCluster).await;
    pool.delete("secret", CREDENTIALS).await;
    pool.delete("nodepool", POOL).await;
    pool.hub
        .condition("NodePoolFound", "False", "NodePoolDeleted")
        .await;
    pool.only(&[]).await;
    pool.agents("no Agents", <[_]>::is_empty).await;
    let secret = pool.finalizers(pool.hub.lab.namespace(), "secret", CREDENTIALS);
    assert!(secret.await.contains(SECRET_FINALIZER));
    pool.delete("vmtemplate", POOL).await;
    pool.template_gone().await;
    let secret = pool.finalizers(pool.hub.lab.namespace(), "secret", CREDENTIALS);
    assert!(secret.await.contains("NotFound"));
}

/// Forbids whoever it is to take the approval of an Agent back.
fn no_withdrawal(pool: &NodePool) -> [Value; 2] {
    let name = format!("no-withdrawal-{}", pool.pool.agents);
    let place = json!({"matchLabels": {"kubernetes.io/metadata.name": pool.pool.agents}});
    let of = |kind: &str, spec: &Value| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        })
    };
    let policy = json!({
        "matchConstraints": {"resourceRules": [{
            "apiGroups": ["agent-install.openshift.io"], "apiVersions": ["*"],
            "operations": ["UPDATE"], "resources": ["agents"],
        }]},
        "validations": [{
            "expression": "!oldObject.spec.approved || object.spec.approved",
            "message": "approvals stay",
        }],
    });
    let binding = json!({
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": place},
    });
    [
        of("ValidatingAdmissionPolicy", &policy),
        of("ValidatingAdmissionPolicyBinding", &binding),
    ]
}

/// Waits until the API server refuses to take an approval back, or permits it.
async fn withdrawal(pool: &NodePool, agent: &str, permitted: bool) {
    let patch = r#"{"spec": {"approved": false}}"#;
    let namespace = &*pool.pool.agents;
    let attempt = [
        "patch",
        "agent",
        agent,
        "-n",
        namespace,
        "--dry-run=server",
        "--type=merge",
        "-p",
        patch,
    ];
    let reached = async { while pool.hub.lab.kubectl(&attempt).await.is_ok() != permitted {} };
    tokio::time::timeout(PATIENCE, reached).await.unwrap();
}

#[tokio::test]
async fn a_machine_that_is_bound_on_its_way_out_stays() {
    let pool = NodePool::unused(Lab::builder().rpc_proxy(), 3).await;
    let hub = &pool.hub;
    // Its Agent cannot be fenced, and is bound then.
    let agent = pool.agent_of("pool-n03").await;
    for object in no_withdrawal(&pool) {
        hub.lab.apply(&object).await.unwrap();
    }
    withdrawal(&pool, &agent, false).await;
    pool.scale(2).await;
    hub.message("pool-n03", "AgentNotWithdrawn").await;
    hub.condition("VMsRemoved", "False", "AgentNotWithdrawn")
        .await;
    pool.bind("pool-n03").await;
    pool.scale(3).await;
    hub.condition("VMsRemoved", "True", "NothingToRemove").await;
    for object in no_withdrawal(&pool) {
        let (kind, name) = (&object["kind"], &object["metadata"]["name"]);
        let (kind, name) = (kind.as_str().unwrap(), name.as_str().unwrap());
        hub.kubectl(&["delete", kind, name]).await;
    }
    let free = pool.agent_of("pool-n02").await;
    withdrawal(&pool, &free, true).await;

    // Their Agents are fenced, and one is bound before the driver has heard that its machine shall go. What was
    // decided before that may still be on its way to the driver: it hears nothing until the controller has
    // decided anew.
    let rpcs = hub.lab.rpcs().unwrap();
    let refused = Action::Status { code: 503 };
    rpcs.add(Fault::each("DeleteVirtualMachines", refused));
    pool.scale(1).await;
    hub.condition("VMsRemoved", "False", "DriverUnreachable")
        .await;
    pool.chosen("pool-n02", true).await;
    pool.bind("pool-n02").await;
    pool.chosen("pool-n02", false).await;
    rpcs.clear();
    pool.only(&["pool-n02", "pool-n03"]).await;
    hub.condition("VMsRemoved", "True", "NothingToRemove").await;
}

#[tokio::test]
async fn what_cannot_be_removed_is_told_keeps_all_that_is_needed_and_goes_when_it_can() {
    let mut pool = NodePool::unused(Lab::builder(), 1).await;
    let agent = pool.agent_of("pool-n01").await;
    let busy = Fault::each("Destroy_Task", Action::reply("TaskInProgress"));
    pool.hub.lab.proxy().add(busy);
    pool.delete("secret", CREDENTIALS).await;
    pool.delete("vmtemplate", POOL).await;
    pool.hub.condition("VMsRemoved", "False", "Busy").await;
    pool.hub.message("pool-n01", "Busy").await;
    pool.all_is_held(&agent).await;

    pool.hub.lab.proxy().outage(Outage::Refused);
    pool.hub.condition("VMsRemoved", "Unknown", "NotSeen").await;
    pool.hub.lab.kill_driver().unwrap();
    pool.hub
        .condition("DriverConnected", "False", "DriverUnreachable")
        .await;
    pool.all_is_held(&agent).await;
    assert_eq!(pool.hub.machines().await.len(), 1);

    pool.hub.lab.proxy().clear();
    pool.hub.lab.proxy().outage(Outage::None);
    pool.hub.lab.restart_driver().await.unwrap();
    pool.template_gone().await;
    assert_eq!(pool.hub.machines().await, []);
    pool.agents("no Agents", <[_]>::is_empty).await;
    let secret = pool.finalizers(pool.hub.lab.namespace(), "secret", CREDENTIALS);
    assert!(secret.await.contains("NotFound"));
}

#[tokio::test]
async fn a_template_whose_secret_is_lost_waits_until_it_is_abandoned() {
    let pool = NodePool::unused(Lab::builder(), 1).await;
    let agent = pool.agent_of("pool-n01").await;
    let forced = r#"{"metadata": {"finalizers": null}}"#;
    pool.delete("secret", CREDENTIALS).await;
    let patch = ["patch", "secret", CREDENTIALS, "--type=merge", "-p", forced];
    pool.hub.kubectl(&patch).await;
    pool.hub
        .condition("VSphereConnected", "False", "CredentialsNotFound")
        .await;
    pool.delete("vmtemplate", POOL).await;
    pool.hub.condition("VMsRemoved", "Unknown", "NotSeen").await;
    let held = pool.finalizers(&pool.pool.agents, "agent", &agent).await;
    assert!(held.contains(AGENT_FINALIZER), "{held}");

    pool.annotate("abandon").await;
    pool.template_gone().await;
    pool.only(&["pool-n01"]).await;
    let held = pool.finalizers(&pool.pool.agents, "agent", &agent).await;
    assert!(!held.contains(AGENT_FINALIZER), "{held}");
    let notes = "jsonpath={.items[?(@.reason=='Abandoned')].message}";
    let told = pool
        .hub
        .kubectl_output(&["get", "events", "-o", notes])
        .await;
    assert!(told.contains("pool-n01"), "{told}");
}
