//! Machines that exist change hands where they stand: adopted, and given up again.

use contract::identity::MachineKey;
use lab::proxy::{Action, Fault};
use serde_json::{Value, json};

use crate::requests::{ADOPT, DELETE, ENSURE, LIST, RELEASE, keys, machines, with};
use crate::zone::{Zone, reasons, states};

/// By what the companion says whose a machine is.
pub(crate) const TAG: &str = "guestinfo.vmware-hcp.template";
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

    /// What is answered to an adoption while whose change this happens.
    async fn adopted_while(&self, moref: &str, meanwhile: impl Future<Output = ()>) -> Value {
        let hold = self.lab.proxy().hold("ReconfigVM_Task");
        let request = adopt(moref, "pool-n01");
        let (adopted, ()) = tokio::join!(self.call(ADOPT, &request), async {
            let change = self.lab.proxy().seen("ReconfigVM_Task", 1);
            crate::zone::soon("a change", change).await;
            meanwhile.await;
            drop(hold);
        });
        adopted
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
    let adopted = zone
        .adopted_while(&moref, async {
            let ensured = zone.call(ENSURE, &machines("pool", [1])).await;
            assert_eq!(reasons(&ensured), ["BUSY"], "{ensured}");
            let deleted = zone.call(DELETE, &keys("pool", [1])).await;
            assert_eq!(reasons(&deleted), ["BUSY"], "{deleted}");
        })
        .await;
    assert_eq!(reasons(&adopted), [""], "{adopted}");
    assert_eq!(zone.calls("CreateVM_Task"), 0);
    assert_eq!(zone.calls("Destroy_Task"), 0);
}

#[tokio::test]
async fn somebody_who_changes_the_machine_first_is_noticed() {
    let zone = Zone::start().await;
    let moref = zone.of_companion("pool-n01").await;
    let other = format!("{TAG}=clusters/other");
    let change = ["vm.change", "-vm", "pool-n01", "-e", &other];
    let adopted = zone.adopted_while(&moref, zone.govc(&change)).await;
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
