//! The Agents of a node pool's machines are found and approved, and those of others left alone.

use kube::ResourceExt as _;
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
};
use lab::Lab;
use lab::agents::{Agents, Cast, Pool, product_uuid, serial_number};
use serde_json::{Value, json};

use crate::hub::{Hub, POOL};
use crate::zone::PATIENCE;

const MANAGED_BY: &str = "vmware.hcp.open-cluster-management.io/managed-by";
const NODE_POOL: &str = "vmware.hcp.open-cluster-management.io/nodepool";
/// The field manager of the controller.
const CONTROLLER: &str = "hcp-vsphere-controller";
const FINALIZER: &str = "vmware.hcp.open-cluster-management.io/agent-vm-cleanup";
/// A host that is in no machine of ours.
const STRANGER: &str = "7ad17814-c27b-5f31-9b1a-dbfa81a6f66f";

/// A node pool with its template.
pub(crate) struct Stage {
    pub(crate) hub: Hub,
    pub(crate) pool: Pool,
}

// === impl Stage ===

impl Stage {
    pub(crate) async fn start(replicas: u32) -> Self {
        let hub = Hub::of(Lab::builder().node_pools()).await;
        let pool = Pool::new(&hub.lab, POOL);
        pool.prepare(&hub.lab).await.unwrap();
        hub.lab.apply(&pool.node_pool(replicas)).await.unwrap();
        hub.lab.apply(&pool.template(&hub.lab)).await.unwrap();
        Self { hub, pool }
    }

    /// Agents of this pool.
    pub(crate) fn agents(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("agent-install.openshift.io", "v1beta1", "Agent");
        let client = self.hub.lab.client().unwrap();
        Api::namespaced_with(client, &self.pool.agents, &ApiResource::from_gvk(&kind))
    }

    /// Applies the template, and its NodePool, which takes any Agent.
    async fn apply_without_selector(&self, replicas: u32) {
        let mut node_pool = self.pool.node_pool(replicas);
        node_pool["spec"]["platform"]["agent"] = json!({});
        self.hub.lab.apply(&node_pool).await.unwrap();
        let template = self.pool.template(&self.hub.lab);
        self.hub.lab.apply(&template).await.unwrap();
    }

    /// The NodePool once its selector looks so.
    async fn selector(&self, so: impl Fn(&Value) -> bool) -> DynamicObject {
        let kind = GroupVersionKind::gvk("hypershift.openshift.io", "v1beta1", "NodePool");
        let kind = ApiResource::from_gvk(&kind);
        let client = self.hub.lab.client().unwrap();
        let pools = Api::namespaced_with(client, &self.pool.namespace, &kind);
        let so = |pool: Option<&DynamicObject>| {
            pool.is_some_and(|it| so(&it.data["spec"]["platform"]["agent"]["agentLabelSelector"]))
        };
        let seen = lab::wait_for(pools, POOL, PATIENCE, so).await;
        seen.unwrap().unwrap()
    }

    /// Registers a host by hand, as the installer would.
    pub(crate) async fn register(&self, name: &str, serial: &str, more: &Value) {
        let mut agent = json!({
            "apiVersion": "agent-install.openshift.io/v1beta1",
            "kind": "Agent",
            "metadata": {"name": name, "labels": {"theirs": "x"}},
            "spec": {"approved": false, "role": ""},
        });
        let spec = agent["spec"].as_object_mut().unwrap();
        spec.extend(more.as_object().unwrap().clone());
        let agent = serde_json::from_value(agent).unwrap();
        let agents = self.agents();
        agents.create(&PostParams::default(), &agent).await.unwrap();
        self.tell(name, serial, "known-unbound").await;
    }

    /// What its host tells the installer.
    pub(crate) async fn tell(&self, name: &str, serial: &str, state: &str) {
        let status = json!({"status": {
            "debugInfo": {"state": state},
            "inventory": {
                "systemVendor": {"serialNumber": serial, "virtual": true},
                "interfaces": self.interfaces(name).await,
                "disks": [{"id": "/dev/disk/by-id/wwn-1", "hctl": "0:0:0:0",
                           "installationEligibility": {"eligible": true}}],
            },
        }});
        let by = PatchParams::default();
        let patch = Patch::Merge(&status);
        let agents = self.agents();
        agents.patch_status(name, &by, &patch).await.unwrap();
    }

    /// The network cards of the machine whose host has this name; none, if there is none.
    async fn interfaces(&self, name: &str) -> Vec<Value> {
        let guests = self.hub.lab.vcenter().guests().await.unwrap();
        let mut guests = guests.iter();
        let guest = guests.find(|it| product_uuid(it["uuid"].as_str().unwrap()) == name);
        let macs = guest.and_then(|it| it["macs"].as_array());
        let macs = macs.into_iter().flatten();
        macs.map(|mac| json!({"macAddress": mac})).collect()
    }

    /// The Agent once it looks so.
    pub(crate) async fn agent(
        &self,
        name: &str,
        so: impl Fn(&DynamicObject) -> bool,
    ) -> DynamicObject {
        let so = |agent: Option<&DynamicObject>| agent.is_some_and(&so);
        let seen = lab::wait_for(self.agents(), name, PATIENCE, so).await;
        seen.unwrap().unwrap()
    }

    /// Waits until a machine of the status looks so.
    async fn entry(&self, machine: &str, so: impl Fn(&Value) -> bool) {
        let so = |template: Option<&Value>| {
            let listed = template.and_then(|it| it["status"]["vmStatus"].as_array());
            let mut found = listed.into_iter().flatten();
            found.any(|it| it["name"] == machine && so(it))
        };
        let waited = self.hub.lab.wait_for_template(POOL, PATIENCE, so).await;
        if let Err(error) = waited {
            let shown = self
                .hub
                .kubectl_output(&["get", "vmtemplate", POOL, "-o", "yaml"]);
            panic!("{machine}: {error}: {}", shown.await);
        }
    }

    /// Waits until so many machines are on, and tells their UUIDs.
    pub(crate) async fn uuids(&self, count: usize) -> Vec<String> {
        self.hub.ready(count).await;
        let machines = self.hub.machines().await;
        machines.into_iter().map(|machine| machine.uuid).collect()
    }
}

/// Who has set anything of an object.
fn managers(object: &DynamicObject) -> Vec<&str> {
    let managers = object.managed_fields().iter();
    managers.filter_map(|it| it.manager.as_deref()).collect()
}

fn is_approved(agent: &DynamicObject) -> bool {
    agent.data["spec"]["approved"] == true
}

#[tokio::test]
async fn the_machines_of_a_node_pool_become_nodes() {
    let stage = Stage::start(2).await;
    let cast = Agents::start(&stage.hub.lab, Cast::default())
        .await
        .unwrap();
    let joined =
        |template: Option<&Value>| template.is_some_and(|it| it["status"]["joinedReplicas"] == 2);
    let waited = stage
        .hub
        .lab
        .wait_for_template(POOL, PATIENCE, joined)
        .await;
    if let Err(error) = waited {
        let shown = stage
            .hub
            .kubectl_output(&["get", "vmtemplate", POOL, "-o", "yaml"]);
        panic!("no nodes: {error}: {}", shown.await);
    }
    for machine in stage.hub.machines().await {
        let agent = stage.agent(&product_uuid(&machine.uuid), is_approved).await;
        assert_eq!(agent.data["spec"]["hostname"], machine.name);
        assert_eq!(agent.labels()["pool"], POOL);
        assert_eq!(agent.labels()[MANAGED_BY], POOL);
        assert!(agent.finalizers().contains(&FINALIZER.to_owned()));
        let name = agent.name_any();
        let so = |it: &Value| it["agentName"] == *name && it["phase"] == "Joined";
        stage.entry(&machine.name, so).await;
    }
    drop(cast);
}

#[tokio::test]
async fn what_others_have_set_of_an_agent_stays_and_hosts_of_others_are_left_alone() {
    let stage = Stage::start(2).await;
    let uuids = stage.uuids(2).await;
    let (first, second) = (product_uuid(&uuids[0]), product_uuid(&uuids[1]));
    // A host of others, one that contradicts itself, and one that a user has named.
    stage.register(STRANGER, "VMware-7a d1", &json!({})).await;
    stage
        .register(&first, &serial_number(&uuids[1]), &json!({}))
        .await;
    let named = json!({"hostname": "mine"});
    stage
        .register(&second, &serial_number(&uuids[1]), &named)
        .await;

    let agent = stage.agent(&second, is_approved).await;
    assert_eq!(agent.data["spec"]["hostname"], "mine");
    assert_eq!(
        agent.data["spec"]["installation_disk_id"],
        "/dev/disk/by-id/wwn-1"
    );
    assert_eq!(
        (&*agent.labels()["theirs"], &*agent.labels()["pool"]),
        ("x", POOL)
    );

    let contradicted = |it: &Value| {
        let message = it["message"].as_str().unwrap_or_default();
        message.starts_with("Contradicted") && it["phase"] == "WaitingForAgent"
    };
    stage.entry("pool-n01", contradicted).await;
    for name in [STRANGER, &*first] {
        let agent = stage.agent(name, |_| true).await;
        assert!(!is_approved(&agent), "{name}");
        assert_eq!(agent.labels().len(), 1, "{name}");
        assert!(agent.finalizers().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_node_pool_that_takes_any_agent_is_given_a_selector_and_its_agents_fit() {
    let hub = Hub::of(Lab::builder().node_pools()).await;
    let pool = Pool::new(&hub.lab, POOL);
    pool.prepare(&hub.lab).await.unwrap();
    let stage = Stage { hub, pool };
    stage.apply_without_selector(1).await;
    let labels = json!({"pool": POOL, NODE_POOL: POOL});
    let selected = stage.selector(|it| it["matchLabels"] == labels).await;
    assert!(managers(&selected).contains(&CONTROLLER));
    // What else is asked of it stays.
    assert_eq!(selected.data["spec"]["clusterName"], stage.pool.cluster);
    assert_eq!(selected.data["spec"]["replicas"], 1);

    let uuids = stage.uuids(1).await;
    let name = product_uuid(&uuids[0]);
    let serial = serial_number(&uuids[0]);
    stage.register(&name, &serial, &json!({})).await;
    let agent = stage.agent(&name, is_approved).await;
    for (key, value) in [("pool", POOL), (NODE_POOL, POOL)] {
        assert_eq!(agent.labels()[key], value);
    }
}

#[tokio::test]
async fn the_selector_of_a_node_pool_with_machines_is_never_touched() {
    let hub = Hub::of(Lab::builder().node_pools()).await;
    let pool = Pool::new(&hub.lab, POOL);
    pool.prepare(&hub.lab).await.unwrap();
    let machine = json!({
        "apiVersion": "cluster.x-k8s.io/v1beta1",
        "kind": "Machine",
        "metadata": {
            "name": "worker",
            "namespace": pool.control_plane(),
            "annotations": {
                "hypershift.openshift.io/nodePool": format!("{}/{POOL}", pool.namespace),
            },
        },
        "spec": {
            "clusterName": pool.cluster,
            "bootstrap": {},
            "infrastructureRef": {"kind": "AgentMachine", "name": "worker"},
        },
    });
    hub.lab.apply(&machine).await.unwrap();
    let stage = Stage { hub, pool };
    stage.apply_without_selector(1).await;
    // Machines are asked for after it was decided what the NodePool selects by.
    stage.uuids(1).await;
    let untouched = stage.selector(|_| true).await;
    assert_eq!(untouched.data["spec"]["platform"]["agent"], json!({}));
    assert!(!managers(&untouched).contains(&CONTROLLER));
}

#[tokio::test]
async fn an_approval_that_a_user_takes_back_stays_taken_and_is_told() {
    let stage = Stage::start(1).await;
    let uuids = stage.uuids(1).await;
    let name = product_uuid(&uuids[0]);
    stage
        .register(&name, &serial_number(&uuids[0]), &json!({}))
        .await;
    stage.agent(&name, is_approved).await;
    let taken = Patch::Merge(json!({"spec": {"approved": false}}));
    let by = PatchParams {
        field_manager: Some("kubectl-patch".into()),
        ..PatchParams::default()
    };
    stage.agents().patch(&name, &by, &taken).await.unwrap();
    let told = |it: &Value| {
        let message = it["message"].as_str().unwrap_or_default();
        message.contains("somebody took its approval back") && it["phase"] == "Known"
    };
    stage.entry("pool-n01", told).await;
    // What else is wanted of it is set all the same.
    let label = json!({"spec": {"agentLabelSelector": {"rack": "r"}}});
    stage.hub.patch(&label).await;
    let agent = stage
        .agent(&name, |it| it.labels().contains_key("rack"))
        .await;
    assert!(!is_approved(&agent), "{agent:?}");
}
