//! The machines of a template change hands with all that hangs on them: adopted, given up, and left alone.

use kube::ResourceExt as _;
use kube::api::{DynamicObject, ListParams};
use lab::Lab;
use lab::agents::{Pool, product_uuid, serial_number};
use serde_json::{Value, json};

use crate::adoption::TAG;
use crate::agents::Stage;
use crate::hub::{Hub, POOL};

const GROUP: &str = "vmware.hcp.open-cluster-management.io";
const ADOPT_ANNOTATION: &str = "vmware.hcp.open-cluster-management.io/adopt";
const RELEASE_ANNOTATION: &str = "vmware.hcp.open-cluster-management.io/release";

impl Hub {
    /// So many machines as the companion made them for the template, on.
    async fn of_companion(&self, names: &[&str]) {
        let tag = format!("{TAG}={}/{POOL}", self.lab.namespace());
        for name in names {
            self.foreign_machine(name).await;
            self.govc(&["vm.change", "-vm", name, "-e", &tag]).await;
            self.govc(&["vm.power", "-on", name]).await;
        }
    }

    /// The template as the companion left it: with its finalizer, its annotation and its status.
    async fn apply_as_companion(&self, mut template: Value) {
        let metadata = template["metadata"].as_object_mut().unwrap();
        metadata.insert("finalizers".into(), json!([format!("{GROUP}/finalizer")]));
        let nodepool = json!({format!("{GROUP}/nodepool-ref"): "clusters/pool"});
        metadata.insert("annotations".into(), nodepool);
        let placement = template["spec"]["vmTemplate"].as_object_mut().unwrap();
        placement.remove("folder");
        self.lab.apply(&template).await.unwrap();
    }

    async fn annotate(&self, annotation: &str, value: &str) {
        let patch = json!({"metadata": {"annotations": {annotation: value}}});
        self.patch(&patch).await;
    }

    /// Waits until the status is so.
    async fn status(&self, so: impl Fn(&Value) -> bool) -> Value {
        let told = |template: Option<&Value>| template.is_some_and(|it| so(&it["status"]));
        let waiting = self
            .lab
            .wait_for_template(POOL, crate::zone::PATIENCE, told);
        if let Err(error) = waiting.await {
            let shown = ["get", "vmtemplate", POOL, "-o", "yaml"];
            panic!("{error}: {}", self.kubectl_output(&shown).await);
        }
        let shown = ["get", "vmtemplate", POOL, "-o", "json"];
        let template: Value = serde_json::from_str(&self.kubectl_output(&shown).await).unwrap();
        template["status"].clone()
    }

    /// What was made, switched or destroyed since the counts were set back.
    fn done(&self) -> Vec<(&'static str, u64)> {
        let counts = self.lab.proxy().counts();
        let methods = [
            "CreateVM_Task",
            "PowerOnMultiVM_Task",
            "PowerOffVM_Task",
            "Destroy_Task",
        ];
        let all = methods
            .map(|method| (method, counts.of(method).calls))
            .into_iter();
        all.filter(|(_, calls)| *calls > 0).collect()
    }
}

/// How many machines a status lists with a number, and without one.
fn listed(status: &Value) -> (usize, usize) {
    let all = status["vmStatus"].as_array().into_iter().flatten();
    let (ours, theirs): (Vec<_>, Vec<_>) = all.partition(|it| it["slot"].is_i64());
    (ours.len(), theirs.len())
}

#[tokio::test]
async fn a_pool_of_the_companion_is_planned_adopted_and_given_back_while_it_runs() {
    let hub = Hub::start().await;
    hub.of_companion(&["pool-n02", "pool-n01"]).await;
    let before = hub.machines().await;
    hub.lab.proxy().reset();
    hub.apply_as_companion(hub.lab.template(POOL, 2)).await;
    hub.condition("AdoptionRequired", "True", "CompanionVMs")
        .await;
    hub.status(|it| it["readyReplicas"] == 2).await;

    hub.annotate(ADOPT_ANNOTATION, "plan").await;
    let planned = |status: &Value| {
        let plan = status["adoption"]["plan"].as_array();
        plan.is_some_and(|plan| plan.len() == 2 && plan.iter().all(|it| it["changes"].is_array()))
    };
    let status = hub.status(planned).await;
    let plan = &status["adoption"]["plan"];
    assert_eq!(
        (&plan[0]["name"], &plan[0]["slot"]),
        (&json!("pool-n01"), &json!(1))
    );
    assert_eq!(
        (&plan[1]["name"], &plan[1]["slot"]),
        (&json!("pool-n02"), &json!(2))
    );
    assert_eq!(hub.machines().await, before);
    assert_eq!(hub.lab.proxy().counts().of("ReconfigVM_Task").calls, 0);

    hub.annotate(ADOPT_ANNOTATION, "true").await;
    hub.condition("AdoptionRequired", "False", "NoCompanionVMs")
        .await;
    hub.condition("Ready", "True", "AllReady").await;
    let status = hub.status(|it| listed(it) == (2, 0)).await;
    assert_eq!(status["vmStatus"][0]["uuid"], before[0].uuid, "{status}");
    assert_eq!(status["nextSlot"], 3, "{status}");
    hub.condition("VMsUpToDate", "True", "UpToDate").await;

    hub.annotate(RELEASE_ANNOTATION, "true").await;
    hub.condition("AdoptionRequired", "True", "Released").await;
    hub.status(|it| listed(it) == (0, 2) && it["readyReplicas"] == 2)
        .await;
    let marks = hub
        .lab
        .vcenter()
        .govc()
        .marks("hcp-vsphere.")
        .await
        .unwrap();
    let bears = |mark: &str| !mark.is_empty();
    assert!(
        !marks
            .values()
            .flat_map(|it| it.values())
            .any(|it| bears(it))
    );
    assert_eq!(hub.done(), []);
    assert_eq!(hub.lab.proxy().counts().of("ReconfigVM_Task").calls, 4);
    let uuids = |machines: Vec<lab::vcenter::Machine>| -> Vec<_> {
        machines
            .into_iter()
            .map(|it| (it.name, it.uuid, it.on))
            .collect()
    };
    assert_eq!(uuids(hub.machines().await), uuids(before));
}

#[tokio::test]
async fn the_machines_of_a_template_that_was_restored_are_adopted_and_none_are_made_beside_them() {
    let mut hub = Hub::start().await;
    hub.apply(2).await;
    hub.ready(2).await;
    let before = hub.machines().await;
    // The hub is lost while nobody looks, and its objects come back with other UIDs.
    hub.lab.kill_controller().unwrap();
    hub.patch(&json!({"metadata": {"finalizers": null}})).await;
    hub.kubectl(&["delete", "vmtemplate", POOL]).await;
    hub.apply(2).await;
    hub.lab.proxy().reset();
    hub.lab.restart_controller().await.unwrap();
    hub.condition("AdoptionRequired", "True", "Conflict").await;
    assert_eq!(hub.machines().await, before);
    hub.annotate(ADOPT_ANNOTATION, "true").await;
    assert_eq!(hub.ready(2).await, ["pool-n01", "pool-n02"]);
    hub.condition("AdoptionRequired", "False", "NoCompanionVMs")
        .await;
    assert_eq!(hub.done(), []);
    hub.scale(3).await;
    assert_eq!(hub.ready(3).await, ["pool-n01", "pool-n02", "pool-n03"]);
}

#[tokio::test]
async fn a_machine_that_disagrees_is_told_and_left_alone() {
    let hub = Hub::start().await;
    hub.of_companion(&["pool-n01", "pool-n02"]).await;
    hub.govc(&["folder.create", "/DC0/vm/other"]).await;
    hub.govc(&["object.mv", "/DC0/vm/pool-n02", "/DC0/vm/other"])
        .await;
    hub.apply_as_companion(hub.lab.template(POOL, 2)).await;
    hub.annotate(ADOPT_ANNOTATION, "true").await;
    let adopted = |status: &Value| listed(status) == (1, 0);
    let status = hub.status(adopted).await;
    let refusal = status["adoption"]["plan"][0]["refusal"]
        .as_str()
        .unwrap_or_default();
    assert!(refusal.contains("it is in `/DC0/vm/other`"), "{status}");
    hub.condition("AdoptionRequired", "True", "CompanionVMs")
        .await;
    assert_eq!(hub.machines().await.len(), 2);
}

/// An Agent of a machine as the companion keeps it, a worker of a cluster or free.
fn agent_of_companion(pool: &Pool, machine: &lab::vcenter::Machine, bound: bool) -> Value {
    let mut labels = json!({
        "pool": POOL,
        format!("{GROUP}/managed-by"): POOL,
        format!("{GROUP}/nodepool"): POOL,
    });
    let mut spec = json!({"approved": true, "role": "", "hostname": machine.name});
    if bound {
        labels[format!("{GROUP}/binding")] = POOL.into();
        labels["agentMachineRef"] = format!("of-{}", machine.name).into();
        let cluster = json!({"name": pool.cluster, "namespace": pool.control_plane()});
        spec["clusterDeploymentName"] = cluster;
    }
    json!({
        "apiVersion": "agent-install.openshift.io/v1beta1",
        "kind": "Agent",
        "metadata": {
            "name": product_uuid(&machine.uuid),
            "namespace": pool.agents,
            "labels": labels,
            "finalizers": [format!("{GROUP}/agent-vm-cleanup")],
            "annotations": {
                format!("{GROUP}/vm-name"): machine.name,
                format!("{GROUP}/datacenter"): "DC0",
                format!("{GROUP}/credential-secret"): lab::CREDENTIALS,
                format!("{GROUP}/credential-namespace"): pool.namespace,
            },
        },
        "spec": spec,
    })
}

impl Stage {
    /// A pool as the companion runs it: of three machines the first is a worker and the second is free. The
    /// Agent of the third says that it is of another machine.
    async fn of_companion() -> Self {
        let hub = Hub::of(Lab::builder().node_pools()).await;
        let pool = Pool::new(&hub.lab, POOL);
        pool.prepare(&hub.lab).await.unwrap();
        hub.of_companion(&["pool-n01", "pool-n02", "pool-n03"])
            .await;
        let stage = Self { hub, pool };
        let states = [
            "added-to-existing-cluster",
            "known-unbound",
            "known-unbound",
        ];
        for (machine, state) in stage.hub.machines().await.iter().zip(states) {
            let bound = state == "added-to-existing-cluster";
            let mut agent = agent_of_companion(&stage.pool, machine, bound);
            if machine.name == "pool-n03" {
                agent["metadata"]["annotations"][format!("{GROUP}/vm-name")] = "other".into();
            }
            stage.hub.lab.apply(&agent).await.unwrap();
            let name = product_uuid(&machine.uuid);
            let serial = serial_number(&machine.uuid);
            stage.tell(&name, &serial, state).await;
        }
        stage.hub.lab.apply(&stage.pool.node_pool(3)).await.unwrap();
        let template = stage.pool.template(&stage.hub.lab);
        stage.hub.apply_as_companion(template).await;
        stage
    }

    /// What the Agents are once all machines are adopted, from what they were.
    async fn adopted(&self, mut agents: Vec<Value>) -> Vec<Value> {
        for agent in &mut agents {
            let vm_name = &mut agent["annotations"][format!("{GROUP}/vm-name")];
            if *vm_name == "other" {
                *vm_name = "pool-n03".into();
            }
            // The companion leaves it to the installer on which disk a free host is installed.
            if agent["spec"]["clusterDeploymentName"].is_null() {
                agent["spec"]["installation_disk_id"] = "/dev/disk/by-id/wwn-1".into();
                let name = agent["name"].as_str().unwrap();
                let chosen =
                    |it: &DynamicObject| it.data["spec"]["installation_disk_id"].is_string();
                self.agent(name, chosen).await;
            }
        }
        agents
    }

    /// All Agents of the pool: name, labels, finalizers and spec, and what deletes them.
    async fn kept(&self) -> Vec<Value> {
        let agents = self.agents().list(&ListParams::default()).await.unwrap();
        let kept = |agent: DynamicObject| {
            json!({
                "name": agent.name_any(),
                "deleted": agent.metadata.deletion_timestamp,
                "labels": agent.labels(),
                "annotations": agent.annotations(),
                "finalizers": agent.finalizers(),
                "spec": agent.data["spec"],
            })
        };
        agents.items.into_iter().map(kept).collect()
    }
}

#[tokio::test]
async fn a_node_pool_of_the_companion_is_adopted_and_given_back_with_its_agents() {
    let stage = Stage::of_companion().await;
    let hub = &stage.hub;
    let before = stage.kept().await;
    hub.lab.proxy().reset();
    hub.condition("AdoptionRequired", "True", "CompanionVMs")
        .await;

    // The one that disagrees is named, and left alone with its Agent.
    hub.annotate(ADOPT_ANNOTATION, "true").await;
    let status = hub.status(|it| listed(it) == (2, 0)).await;
    let plan = &status["adoption"]["plan"];
    let refused = plan.as_array().into_iter().flatten();
    let refused: Vec<_> = refused
        .filter(|line| line["refusal"].is_string())
        .map(|line| &line["name"])
        .collect();
    assert_eq!(refused, ["pool-n03"], "{plan}");
    let refusal = plan.to_string();
    assert!(refusal.contains("is of the machine `other`"), "{refusal}");
    assert_eq!(stage.kept().await, before);

    // Once it agrees, it is adopted, too; what the companion has set of Agents stays.
    let third = &hub.machines().await[2];
    let right = agent_of_companion(&stage.pool, third, false);
    hub.lab.apply(&right).await.unwrap();
    hub.condition("AdoptionRequired", "False", "NoCompanionVMs")
        .await;
    hub.condition("Ready", "True", "AllReady").await;
    let phases = |status: &Value| {
        let told = status["vmStatus"].as_array().into_iter().flatten();
        told.map(|it| it["phase"].clone()).collect::<Vec<_>>()
    };
    let known = |it: &Value| listed(it) == (3, 0) && phases(it) == ["Joined", "Known", "Known"];
    let status = hub.status(known).await;
    let told = status["vmStatus"].as_array().into_iter().flatten();
    for (entry, machine) in told.zip(hub.machines().await) {
        assert_eq!(entry["agentName"], product_uuid(&machine.uuid));
    }
    let expected = stage.adopted(before).await;
    assert_eq!(stage.kept().await, expected);

    // And back: all that the companion looks at is as it left it.
    hub.annotate(RELEASE_ANNOTATION, "true").await;
    hub.condition("AdoptionRequired", "True", "Released").await;
    hub.status(|it| listed(it) == (0, 3) && it["readyReplicas"] == 3)
        .await;
    assert_eq!(stage.kept().await, expected);
    assert_eq!(hub.done(), []);
    let tags = hub.lab.vcenter().govc().marks(TAG).await.unwrap();
    assert_eq!(
        tags.values().filter(|tags| tags.contains_key(TAG)).count(),
        3
    );
}

#[tokio::test]
async fn what_we_made_is_given_to_the_companion_with_the_marks_that_it_looks_for() {
    let stage = Stage::start(1).await;
    let hub = &stage.hub;
    let uuids = stage.uuids(1).await;
    let name = product_uuid(&uuids[0]);
    let serial = serial_number(&uuids[0]);
    stage.register(&name, &serial, &json!({})).await;
    // That is the last of what is set of it.
    let approved = |it: &DynamicObject| it.data["spec"]["approved"] == true;
    stage.agent(&name, approved).await;
    let before = stage.kept().await;
    hub.lab.proxy().reset();
    hub.annotate(RELEASE_ANNOTATION, "true").await;
    hub.condition("AdoptionRequired", "True", "Released").await;
    hub.status(|it| listed(it) == (0, 1)).await;
    assert_eq!(stage.kept().await, before);
    let agent = &before[0];
    for label in ["managed-by", "nodepool"] {
        assert_eq!(agent["labels"][format!("{GROUP}/{label}")], POOL, "{agent}");
    }
    let finalizer = format!("{GROUP}/agent-vm-cleanup");
    assert_eq!(agent["finalizers"], json!([finalizer]), "{agent}");
    assert_eq!(hub.done(), []);
}

/// An Agent as the companion left it, whose annotations say how its machine was to be removed when its
/// template would be gone: of a machine and with a Secret that are none of its business.
fn deputy(namespace: &str) -> Value {
    json!({
        "apiVersion": "agent-install.openshift.io/v1beta1",
        "kind": "Agent",
        "metadata": {
            "name": "deputy",
            "namespace": namespace,
            "labels": {format!("{GROUP}/managed-by"): "a-template-that-is-no-more"},
            "finalizers": [format!("{GROUP}/agent-vm-cleanup")],
            "annotations": {
                format!("{GROUP}/vm-name"): "victim",
                format!("{GROUP}/datacenter"): "DC0",
                format!("{GROUP}/credential-secret"): "stolen",
                format!("{GROUP}/credential-namespace"): "elsewhere",
            },
        },
        "spec": {"approved": false, "role": ""},
    })
}

/// Requests for Secrets that could have shown the one of this namespace.
fn reads<'a>(requests: &'a [Value], namespace: &str) -> Vec<&'a Value> {
    let shows = |it: &&Value| {
        let asked = it["objectRef"]["namespace"].as_str().unwrap_or_default();
        asked.is_empty() || asked == namespace
    };
    requests.iter().filter(shows).collect()
}

#[tokio::test]
async fn an_agent_that_names_a_secret_and_a_machine_leads_nobody_to_them() {
    let hub = Hub::of(Lab::builder().node_pools()).await;
    hub.lab.prepare().await.unwrap();
    hub.foreign_machine("victim").await;
    hub.apply(1).await;
    hub.condition("Ready", "True", "AllReady").await;
    hub.kubectl(&["create", "namespace", "elsewhere"]).await;
    let mut secret = hub.lab.credentials("stolen").unwrap();
    secret["metadata"]["namespace"] = "elsewhere".into();
    hub.lab.apply(&secret).await.unwrap();
    let before = hub.lab.secret_requests().unwrap();
    let own = hub.lab.namespace();
    let heard = before
        .iter()
        .filter(|it| it["objectRef"]["namespace"] == own);
    assert!(heard.count() > 0, "nobody hears who reads Secrets");

    hub.lab.apply(&deputy(own)).await.unwrap();
    hub.lab.proxy().reset();
    let agents = "agents.agent-install.openshift.io";
    hub.kubectl(&["delete", agents, "deputy", "--wait=false"])
        .await;
    // What follows is done after all that was due before it.
    hub.scale(2).await;
    hub.status(|it| it["readyReplicas"] == 2).await;
    let names: Vec<_> = hub.machines().await.into_iter().map(|it| it.name).collect();
    assert!(names.contains(&"victim".to_owned()), "{names:?}");
    let counts = hub.lab.proxy().counts();
    for method in ["Destroy_Task", "PowerOffVM_Task", "Login"] {
        assert_eq!(counts.of(method).calls, 0, "{method}");
    }
    let after = hub.lab.secret_requests().unwrap();
    let read = reads(&after[before.len()..], "elsewhere");
    assert!(read.is_empty(), "{read:?}");
    // Nobody can say what became of its machine: who knows takes the finalizer off.
    let finalizers = "jsonpath={.metadata.deletionTimestamp}{.metadata.finalizers}";
    let left = ["get", agents, "deputy", "-o", finalizers];
    let left = hub.lab.kubectl(&left).await.unwrap();
    let kept = format!("Z[\"{GROUP}/agent-vm-cleanup\"]");
    assert!(left.ends_with(&kept), "{left}");
    let off = r#"{"metadata": {"finalizers": null}}"#;
    hub.kubectl(&["patch", agents, "deputy", "--type=merge", "-p", off])
        .await;
}
