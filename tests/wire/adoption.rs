//! Machines that exist change hands where they stand: adopted, and given up again.

use contract::identity::MachineKey;
use lab::Lab;
use lab::proxy::{Action, Fault};
use serde_json::{Value, json};

use crate::hub::{Hub, POOL};
use crate::requests::{ADOPT, DELETE, ENSURE, LIST, RELEASE, keys, machines, with};
use crate::zone::{Zone, reasons, states};

const TAG: &str = "guestinfo.vmware-hcp.template";
const TEMPLATE: &str = "clusters/pool";
const FOLDER: &str = "/DC0/vm";

fn key(owner: &str, slot: i32) -> MachineKey {
    MachineKey {
        hub_id: "manual".to_owned(),
        owner_uid: owner.to_owned(),
        slot,
    }
}

impl Zone {
    /// A machine as the companion made it, on, and its managed object id.
    async fn of_companion(&self, name: &str) -> String {
        self.foreign_machine(name).await;
        self.govc(&["vm.change", "-vm", name, "-e", &format!("{TAG}={TEMPLATE}")])
            .await;
        self.govc(&["vm.power", "-on", name]).await;
        let of_template = json!({
            "vcenter": lab::VCENTER,
            "filter": {"ownerships": ["OWNERSHIP_COMPANION"], "companionTemplate": TEMPLATE},
        });
        let told = async {
            loop {
                let listed = self.call(LIST, &of_template).await;
                let listed = listed["machines"].as_array().into_iter().flatten();
                let mut on = listed.filter(|it| it["powerState"] == "POWER_STATE_ON");
                if let Some(it) = on.find(|it| it["name"] == name) {
                    return it["moref"].as_str().unwrap().to_owned();
                }
            }
        };
        crate::zone::soon("the companion's machine", told).await
    }

    /// What vCenter says of the marks of the only machine.
    async fn marks(&self) -> Vec<(String, String)> {
        let govc = self.lab.vcenter().govc();
        let ours = govc.marks("hcp-vsphere.").await.unwrap();
        let tags = govc.marks(TAG).await.unwrap();
        let all = ours.into_values().chain(tags.into_values());
        all.flatten()
            .filter(|(_, value)| !value.is_empty())
            .collect()
    }

    /// Whether anything was made, switched or destroyed since the counts were set back.
    fn left_alone(&self) -> bool {
        let methods = [
            "CreateVM_Task",
            "PowerOnMultiVM_Task",
            "PowerOnVM_Task",
            "PowerOffVM_Task",
            "Destroy_Task",
        ];
        methods.iter().all(|method| self.calls(method) == 0)
    }
}

/// Adopts this machine of the companion as slot 1 of `pool`.
fn adopt(moref: &str, name: &str) -> Value {
    let wanted = machines("pool", [1]);
    json!({
        "vcenter": lab::VCENTER,
        "owner": wanted["owner"],
        "spec": wanted["spec"],
        "adoptions": [{
            "moref": moref,
            "name": name,
            "folder": FOLDER,
            "companionTemplate": TEMPLATE,
            "slot": 1,
        }],
        "wait": wanted["wait"],
    })
}

fn release(slot: u32) -> Value {
    with(keys("pool", [slot]), "/companionTemplate", TEMPLATE)
}

#[tokio::test]
async fn a_machine_of_the_companion_becomes_ours_while_it_runs_and_goes_back() {
    let zone = Zone::start().await;
    let moref = zone.of_companion("pool-n01").await;
    let before = zone.machines().await;
    zone.lab.proxy().reset();

    let request = adopt(&moref, "pool-n01");
    let plan = zone
        .call(ADOPT, &with(request.clone(), "/validateOnly", true))
        .await;
    let changes = plan["results"][0]["changes"].as_array().unwrap();
    assert_eq!(changes[0]["property"], "instanceUuid", "{plan}");
    let uuid = key("pool", 1).instance_uuid().to_string();
    assert_eq!(changes[0]["after"], uuid, "{plan}");
    assert_eq!(changes.len(), 7, "{plan}");
    assert_eq!(zone.calls("ReconfigVM_Task"), 0);
    assert_eq!(zone.machines().await, before);

    for _ in 0..2 {
        let adopted = zone.call(ADOPT, &request).await;
        assert_eq!(adopted["done"], true, "{adopted}");
        assert_eq!(reasons(&adopted), [""], "{adopted}");
        assert_eq!(states(&adopted), ["RUNNING"], "{adopted}");
        let machine = &adopted["results"][0]["machine"];
        assert_eq!(machine["ownership"], "OWNERSHIP_OURS", "{adopted}");
        assert_eq!(machine["biosUuid"], before[0].uuid, "{adopted}");
    }
    assert_eq!(zone.calls("ReconfigVM_Task"), 1);
    // What was adopted is no drift.
    let ensured = zone.call(ENSURE, &machines("pool", [1])).await;
    assert_eq!(ensured["results"][0]["verbs"], json!([]), "{ensured}");
    assert_eq!(states(&ensured), ["RUNNING"], "{ensured}");

    for _ in 0..2 {
        let released = zone.call(RELEASE, &release(1)).await;
        assert_eq!(released["done"], true, "{released}");
        assert_eq!(reasons(&released), [""], "{released}");
        let machine = &released["results"][0]["machine"];
        assert_eq!(machine["ownership"], "OWNERSHIP_COMPANION", "{released}");
    }
    assert_eq!(zone.calls("ReconfigVM_Task"), 2);
    assert_eq!(zone.marks().await, [(TAG.to_owned(), TEMPLATE.to_owned())]);
    assert!(zone.left_alone());
    assert_eq!(zone.names_of_those_on().await, ["pool-n01"]);
}

#[tokio::test]
async fn a_machine_that_is_not_what_it_is_taken_for_is_left_alone() {
    let zone = Zone::start().await;
    let moref = zone.of_companion("pool-n01").await;
    let right = adopt(&moref, "pool-n01");
    for (field, value) in [
        ("name", "pool-n02"),
        ("folder", "/DC0/vm/other"),
        ("companionTemplate", "clusters/other"),
    ] {
        let wrong = with(right.clone(), &format!("/adoptions/0/{field}"), value);
        let refused = zone.call(ADOPT, &wrong).await;
        assert_eq!(reasons(&refused), ["ADOPTION_MISMATCH"], "{refused}");
    }
    let nowhere = with(right, "/adoptions/0/moref", "vm-99999");
    let refused = zone.call(ADOPT, &nowhere).await;
    assert_eq!(reasons(&refused), ["VM_NOT_FOUND"], "{refused}");
    assert_eq!(zone.calls("ReconfigVM_Task"), 0);
}

#[tokio::test]
async fn an_adoption_whose_reply_is_lost_is_looked_up_and_done_once() {
    let zone = Zone::start().await;
    let moref = zone.of_companion("pool-n01").await;
    let lost = Fault::next("ReconfigVM_Task", Action::DropAfter);
    zone.lab.proxy().add(lost);
    let adopted = zone.call(ADOPT, &adopt(&moref, "pool-n01")).await;
    assert_eq!(reasons(&adopted), [""], "{adopted}");
    assert_eq!(zone.calls("ReconfigVM_Task"), 1);
}

#[tokio::test]
async fn a_machine_that_changes_hands_is_neither_deleted_nor_made_again_meanwhile() {
    let zone = Zone::start().await;
    let moref = zone.of_companion("pool-n01").await;
    let hold = zone.lab.proxy().hold("ReconfigVM_Task");
    let request = adopt(&moref, "pool-n01");
    let (adopted, ()) = tokio::join!(zone.call(ADOPT, &request), async {
        let change = zone.lab.proxy().seen("ReconfigVM_Task", 1);
        crate::zone::soon("a change", change).await;
        let ensured = zone.call(ENSURE, &machines("pool", [1])).await;
        assert_eq!(reasons(&ensured), ["BUSY"], "{ensured}");
        let deleted = zone.call(DELETE, &keys("pool", [1])).await;
        assert_eq!(reasons(&deleted), ["BUSY"], "{deleted}");
        drop(hold);
    });
    assert_eq!(reasons(&adopted), [""], "{adopted}");
    assert_eq!(zone.calls("CreateVM_Task"), 0);
    assert_eq!(zone.calls("Destroy_Task"), 0);
}

#[tokio::test]
async fn somebody_who_changes_the_machine_first_is_noticed() {
    let zone = Zone::start().await;
    let moref = zone.of_companion("pool-n01").await;
    let hold = zone.lab.proxy().hold("ReconfigVM_Task");
    let request = adopt(&moref, "pool-n01");
    let (adopted, ()) = tokio::join!(zone.call(ADOPT, &request), async {
        let change = zone.lab.proxy().seen("ReconfigVM_Task", 1);
        crate::zone::soon("a change", change).await;
        let other = format!("{TAG}=clusters/other");
        zone.govc(&["vm.change", "-vm", "pool-n01", "-e", &other])
            .await;
        drop(hold);
    });
    assert_eq!(reasons(&adopted), ["ADOPTION_MISMATCH"], "{adopted}");
    let marks = zone.marks().await;
    assert_eq!(marks, [(TAG.to_owned(), "clusters/other".to_owned())]);
}

#[tokio::test]
async fn a_machine_of_an_owner_that_is_no_more_is_adopted_by_its_key() {
    let zone = Zone::start().await;
    let made = zone.call(ENSURE, &machines("before", [3])).await;
    let machine = &made["results"][0]["machine"];
    let mut request = adopt(machine["moref"].as_str().unwrap(), "before-n03");
    let adoption = request["adoptions"][0].as_object_mut().unwrap();
    adoption.remove("companionTemplate");
    adoption.insert("key".into(), json!({"ownerUid": "before", "slot": 3}));
    adoption.insert("slot".into(), 3.into());
    zone.lab.proxy().reset();
    let adopted = zone.call(ADOPT, &request).await;
    assert_eq!(reasons(&adopted), [""], "{adopted}");
    assert_eq!(
        adopted["results"][0]["machine"]["key"]["ownerUid"], "pool",
        "{adopted}"
    );
    assert_eq!(zone.calls("ReconfigVM_Task"), 1);
    assert!(zone.left_alone());
}

const ADOPT_ANNOTATION: &str = "vmware.hcp.open-cluster-management.io/adopt";
const RELEASE_ANNOTATION: &str = "vmware.hcp.open-cluster-management.io/release";

impl Hub {
    /// So many machines as the companion made them for the template, on.
    async fn of_companion(&self, names: &[&str]) {
        let tag = format!("{TAG}={}/{POOL}", self.lab.namespace());
        for name in names {
            let made = [
                "vm.create",
                "-ds",
                lab::DATASTORE,
                "-on=false",
                "-net",
                "VM Network",
            ];
            let pool = ["-pool", "/DC0/host/DC0_C0/Resources", "-folder", "/DC0/vm"];
            self.govc(&[&made[..], &pool[..], &[*name]].concat()).await;
            self.govc(&["vm.change", "-vm", name, "-e", &tag]).await;
            self.govc(&["vm.power", "-on", name]).await;
        }
    }

    /// The template as the companion left it: with its finalizer, its annotation and its status.
    async fn apply_as_companion(&self, replicas: u32) {
        let mut template = self.lab.template(POOL, replicas);
        let group = "vmware.hcp.open-cluster-management.io";
        let metadata = template["metadata"].as_object_mut().unwrap();
        metadata.insert("finalizers".into(), json!([format!("{group}/finalizer")]));
        let nodepool = json!({format!("{group}/nodepool-ref"): "clusters/pool"});
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
    hub.apply_as_companion(2).await;
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
    hub.of_companion(&["pool-n01", "other-n02"]).await;
    hub.apply_as_companion(2).await;
    hub.annotate(ADOPT_ANNOTATION, "true").await;
    let adopted = |status: &Value| listed(status) == (1, 0);
    let status = hub.status(adopted).await;
    let refusal = status["adoption"]["plan"][0]["refusal"]
        .as_str()
        .unwrap_or_default();
    assert!(refusal.contains("does not begin with `pool`"), "{status}");
    hub.condition("AdoptionRequired", "True", "CompanionVMs")
        .await;
    assert_eq!(hub.machines().await.len(), 2);
}

#[tokio::test]
async fn an_agent_that_names_a_secret_and_a_machine_leads_nobody_to_them() {
    let hub = Hub::of(Lab::builder().node_pools()).await;
    hub.lab.prepare().await.unwrap();
    hub.govc(&[
        "vm.create",
        "-ds",
        lab::DATASTORE,
        "-on=false",
        "-net",
        "VM Network",
        "-pool",
        "/DC0/host/DC0_C0/Resources",
        "victim",
    ])
    .await;
    hub.apply(1).await;
    hub.condition("Ready", "True", "AllReady").await;
    hub.kubectl(&["create", "namespace", "elsewhere"]).await;
    let mut secret = hub.lab.credentials("stolen").unwrap();
    secret["metadata"]["namespace"] = "elsewhere".into();
    hub.lab.apply(&secret).await.unwrap();
    let group = "vmware.hcp.open-cluster-management.io";
    let agent = json!({
        "apiVersion": "agent-install.openshift.io/v1beta1",
        "kind": "Agent",
        "metadata": {
            "name": "deputy",
            "namespace": hub.lab.namespace(),
            "labels": {format!("{group}/managed-by"): "a-template-that-is-no-more"},
            "annotations": {
                format!("{group}/vm-name"): "victim",
                format!("{group}/datacenter"): "DC0",
                format!("{group}/credential-secret"): "stolen",
                format!("{group}/credential-namespace"): "elsewhere",
            },
        },
        "spec": {"approved": false, "role": ""},
    });
    hub.lab.apply(&agent).await.unwrap();
    hub.lab.proxy().reset();
    hub.kubectl(&["delete", "agents.agent-install.openshift.io", "deputy"])
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
}
