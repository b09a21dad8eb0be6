//! ISOs are taken out of machines that are there, which go on as they are.

mod nodes;
mod stored;

use lab::proxy::{Action, Fault};
use serde_json::{Value, json};

use crate::requests::{EJECT, ENSURE, GET, keys, machines, with};
use crate::zone::{Zone, reasons, soon, states};

const MACHINE: &str = "demo-n01";

fn iso() -> String {
    format!("[{}] {}", lab::DATASTORE, lab::ISO)
}

/// One machine that boots from the lab's ISO.
fn with_iso() -> Value {
    with(
        machines("demo", [1]),
        "/spec/cdrom",
        json!({"isoPath": iso()}),
    )
}

impl Zone {
    /// A zone with a machine whose ISO is told.
    async fn with_mounted_iso() -> Self {
        let zone = Self::start().await;
        zone.lab.upload_iso().await.unwrap();
        let made = zone.call(ENSURE, &with_iso()).await;
        assert_eq!(states(&made), ["RUNNING"], "{made}");
        soon("the ISO is told", async {
            while zone.mounted().await != iso() {}
        })
        .await;
        zone.lab.proxy().reset();
        zone
    }

    /// What the driver tells to be in the drive.
    async fn mounted(&self) -> String {
        let named = json!({"vcenter": lab::VCENTER, "machine": {"name": MACHINE}});
        let told = self.call(GET, &named).await;
        let iso = told["machine"]["mountedIso"].as_str();
        iso.unwrap_or_default().to_owned()
    }

    /// The drive, as vCenter itself shows it.
    async fn drive(&self) -> Value {
        let govc = self.lab.vcenter().govc();
        let shown = ["device.info", "-vm", MACHINE, "cdrom-*"];
        let mut shown = govc.json(&shown).await.unwrap();
        assert_eq!(
            shown["devices"].as_array().map(Vec::len),
            Some(1),
            "{shown}"
        );
        shown["devices"][0].take()
    }

    async fn eject(&self) -> Value {
        self.call(EJECT, &keys("demo", [1])).await
    }
}

#[tokio::test]
async fn an_iso_is_planned_and_taken_out_once_of_a_machine_that_runs_on() {
    let zone = Zone::with_mounted_iso().await;
    let plan = with(keys("demo", [1]), "/validateOnly", true);
    let planned = zone.call(EJECT, &plan).await;
    let result = &planned["results"][0];
    assert_eq!(result["verbs"], json!(["VERB_EJECT_ISO"]), "{planned}");
    let change = json!([{"property": "mounted_iso", "before": iso(), "after": ""}]);
    assert_eq!(result["changes"], change, "{planned}");
    assert_eq!(zone.calls("ReconfigVM_Task"), 0);

    for verbs in [json!(["VERB_EJECT_ISO"]), json!([])] {
        let ejected = zone.eject().await;
        assert_eq!(ejected["done"], true, "{ejected}");
        assert_eq!(reasons(&ejected), [""], "{ejected}");
        assert_eq!(states(&ejected), ["RUNNING"], "{ejected}");
        assert_eq!(ejected["results"][0]["verbs"], verbs, "{ejected}");
        assert_eq!(
            ejected["results"][0]["machine"]["mountedIso"], "",
            "{ejected}"
        );
    }
    assert_eq!(zone.calls("ReconfigVM_Task"), 1);
    let drive = zone.drive().await;
    assert_eq!(drive["backing"]["fileName"], Value::Null, "{drive}");
    assert_eq!(drive["connectable"]["startConnected"], false, "{drive}");
    assert_eq!(zone.names_of_those_on().await, [MACHINE]);
    // An ISO that was taken out is no drift, and is not put in again.
    let ensured = zone.call(ENSURE, &with_iso()).await;
    assert_eq!(ensured["results"][0]["verbs"], json!([]), "{ensured}");
    assert_eq!(states(&ensured), ["RUNNING"], "{ensured}");
}

#[tokio::test]
async fn an_iso_that_a_person_put_in_again_is_seen_and_taken_out() {
    let zone = Zone::with_mounted_iso().await;
    zone.eject().await;
    zone.govc(&[
        "device.cdrom.insert",
        "-vm",
        MACHINE,
        "-ds",
        lab::DATASTORE,
        lab::ISO,
    ])
    .await;
    let ejected = zone.eject().await;
    assert_eq!(ejected["done"], true, "{ejected}");
    assert_eq!(zone.calls("ReconfigVM_Task"), 2);
    assert_eq!(zone.drive().await["backing"]["fileName"], Value::Null);
}

#[tokio::test]
async fn an_ejection_whose_reply_is_lost_is_looked_up_and_done_once() {
    let zone = Zone::with_mounted_iso().await;
    let lost = Fault::next("ReconfigVM_Task", Action::DropAfter);
    zone.lab.proxy().add(lost);
    let ejected = zone.eject().await;
    assert_eq!(reasons(&ejected), [""], "{ejected}");
    assert_eq!(zone.calls("ReconfigVM_Task"), 1);
}

#[tokio::test]
async fn machines_that_are_not_the_callers_keep_their_iso() {
    let zone = Zone::with_mounted_iso().await;
    let others = json!([{"key": {"hubId": "other", "ownerUid": "demo", "slot": 1}}]);
    let others = with(keys("demo", []), "/machines", others);
    let refused = zone.call(EJECT, &others).await;
    assert_eq!(reasons(&refused), ["NOT_OURS"], "{refused}");
    zone.foreign_machine("foreign").await;
    let foreign = with(keys("demo", []), "/machines", json!([{"name": "foreign"}]));
    let refused = async {
        loop {
            let refused = zone.call(EJECT, &foreign).await;
            // Until the inventory has it, it is nowhere.
            if reasons(&refused) != ["ABSENCE_UNPROVEN"] {
                return refused;
            }
        }
    };
    let refused = soon("a machine of somebody else", refused).await;
    assert_eq!(reasons(&refused), ["NOT_OURS"], "{refused}");
    assert_eq!(zone.calls("ReconfigVM_Task"), 0);
    assert_eq!(zone.mounted().await, iso());
}

#[tokio::test]
async fn a_guest_that_holds_its_drive_keeps_it_until_it_lets_go() {
    let zone = Zone::with_mounted_iso().await;
    let holds = |value: &str| format!("lab.guest-holds-drive={value}");
    zone.govc(&["vm.change", "-vm", MACHINE, "-e", &holds("TRUE")])
        .await;
    let locked = zone.eject().await;
    assert_eq!(reasons(&locked), ["ISO_LOCKED_BY_GUEST"], "{locked}");
    assert_eq!(states(&locked), ["RUNNING"], "{locked}");
    assert_eq!(zone.calls("AnswerVM"), 1);
    assert_eq!(zone.calls("ReconfigVM_Task"), 1);
    assert_eq!(zone.drive().await["backing"]["fileName"], iso());
    assert_eq!(zone.mounted().await, iso());
    zone.govc(&["vm.change", "-vm", MACHINE, "-e", &holds("FALSE")])
        .await;
    let ejected = zone.eject().await;
    assert_eq!(reasons(&ejected), [""], "{ejected}");
    assert_eq!(zone.mounted().await, "");
}
