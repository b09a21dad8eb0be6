//! Machines are made, found, switched and deleted by their identity, however often that is asked.

use contract::identity::MachineKey;
use serde_json::{Value, json};

use crate::requests::{DELETE, ENSURE, GET, LIST, SWITCH, keys, machines, with};
use crate::zone::{PATIENCE, Zone, reasons, soon, states, word};

fn key(owner: &str, slot: i32) -> MachineKey {
    MachineKey {
        hub_id: "manual".to_owned(),
        owner_uid: owner.to_owned(),
        slot,
    }
}

#[tokio::test]
async fn machines_are_made_with_their_identity_switched_on_and_proved_to_be_gone() {
    let zone = Zone::start().await;
    let made = zone.call(ENSURE, &machines("demo", 1..=2)).await;
    assert_eq!(made["done"], true, "{made}");
    assert_eq!(states(&made), ["RUNNING", "RUNNING"], "{made}");
    let seen = zone.machines().await;
    assert_eq!(seen.len(), 2, "{seen:?}");
    for (machine, slot) in seen.iter().zip(1..) {
        let key = key("demo", slot);
        assert_eq!(machine.name, format!("demo-n0{slot}"));
        assert!(machine.on, "{machine:?}");
        assert_eq!(machine.instance_uuid, key.instance_uuid().to_string());
        assert_eq!(machine.uuid, key.bios_uuid().to_string());
    }

    let gone = zone.call(DELETE, &keys("demo", 1..=2)).await;
    assert_eq!(gone["done"], true, "{gone}");
    assert_eq!(states(&gone), ["GONE", "GONE"], "{gone}");
    for result in gone["results"].as_array().unwrap() {
        let proof = word(&result["machine"]["absence"]["proof"], "ABSENCE_PROOF_");
        assert_eq!(proof, "MOREF_NOT_FOUND", "{gone}");
    }
    assert_eq!(zone.machines().await, []);
}

#[tokio::test]
async fn asking_again_confirms_and_makes_no_second_machine() {
    let zone = Zone::start().await;
    let first = zone.call(ENSURE, &machines("demo", [1])).await;
    let again = zone.call(ENSURE, &machines("demo", [1])).await;
    assert_eq!(states(&again), ["RUNNING"], "{again}");
    let (first, again) = (&first["results"][0], &again["results"][0]);
    assert_eq!(first["verbs"], json!(["VERB_CREATE", "VERB_POWER_ON"]));
    assert_eq!(again["verbs"], json!([]));
    assert_eq!(again["machine"]["moref"], first["machine"]["moref"]);
    assert_eq!(zone.calls("CreateVM_Task"), 1);

    for _ in 0..2 {
        let gone = zone.call(DELETE, &keys("demo", [1])).await;
        assert_eq!(states(&gone), ["GONE"], "{gone}");
    }
    assert_eq!(zone.calls("Destroy_Task"), 1);
}

#[tokio::test]
async fn two_who_ask_at_once_have_the_same_machine() {
    let zone = Zone::start().await;
    let hold = zone.lab.proxy().hold("CreateVM_Task");
    let request = machines("demo", [1]);
    let (one, other, ()) = tokio::join!(
        zone.call(ENSURE, &request),
        zone.call(ENSURE, &request),
        async {
            let create = zone.lab.proxy().seen("CreateVM_Task", 1);
            soon("a create", create).await;
            drop(hold);
        }
    );
    assert_eq!(states(&one), ["RUNNING"], "{one}");
    assert_eq!(states(&other), ["RUNNING"], "{other}");
    assert_eq!(zone.calls("CreateVM_Task"), 1);
    assert_eq!(zone.machines().await.len(), 1);
}

#[tokio::test]
async fn a_plan_says_what_would_be_and_changes_nothing() {
    let zone = Zone::start().await;
    let plan = with(machines("demo", [1]), "/validateOnly", true);
    let planned = zone.call(ENSURE, &plan).await;
    let result = &planned["results"][0];
    assert_eq!(result["verbs"], json!(["VERB_CREATE", "VERB_POWER_ON"]));
    let uuid = key("demo", 1).instance_uuid().to_string();
    assert_eq!(result["machine"]["instanceUuid"], uuid);
    assert_eq!(planned["plan"]["report"]["faults"], json!([]), "{planned}");
    assert_eq!(zone.calls("CreateVM_Task"), 0);
    assert_eq!(zone.machines().await, []);

    zone.call(ENSURE, &machines("demo", [1])).await;
    let plan = with(keys("demo", [1]), "/validateOnly", true);
    let planned = zone.call(DELETE, &plan).await;
    let verbs = json!(["VERB_POWER_OFF", "VERB_DELETE"]);
    assert_eq!(planned["results"][0]["verbs"], verbs, "{planned}");
    assert_eq!(zone.names_of_those_on().await, ["demo-n01"]);
}

#[tokio::test]
async fn a_machine_of_another_spec_is_told_as_drifted_and_left_alone() {
    let zone = Zone::start().await;
    let larger = |request: Value| with(request, "/spec/hardware", json!({"memoryMib": 16384}));
    zone.call(ENSURE, &machines("demo", [1])).await;
    let drifted = zone.call(ENSURE, &larger(machines("demo", 1..=2))).await;
    assert_eq!(drifted["done"], true, "{drifted}");
    assert_eq!(states(&drifted), ["DRIFTED", "RUNNING"], "{drifted}");
    assert_eq!(reasons(&drifted), ["DRIFTED", ""], "{drifted}");
    let info = zone.lab.govc(&["vm.info", "demo-n01"]).await.unwrap();
    let hardware = &info["virtualMachines"][0]["config"]["hardware"];
    assert_eq!(hardware["memoryMB"], 8192, "{hardware}");
}

#[tokio::test]
async fn a_machine_is_switched_off_and_on_and_an_ensure_switches_it_on_too() {
    let zone = Zone::start().await;
    zone.call(ENSURE, &machines("demo", [1])).await;
    let power = |state: &str| {
        with(
            keys("demo", [1]),
            "/powerState",
            format!("POWER_STATE_{state}"),
        )
    };
    for (state, expected, on) in [
        ("OFF", "OFF", 0),
        ("OFF", "OFF", 0),
        ("ON", "RUNNING", 1),
        ("OFF", "OFF", 0),
    ] {
        let switched = zone.call(SWITCH, &power(state)).await;
        assert_eq!(states(&switched), [expected], "{switched}");
        assert_eq!(zone.names_of_those_on().await.len(), on);
    }
    let again = zone.call(ENSURE, &machines("demo", [1])).await;
    assert_eq!(states(&again), ["RUNNING"], "{again}");
    assert_eq!(zone.names_of_those_on().await, ["demo-n01"]);
}

#[tokio::test]
async fn one_bad_identity_does_not_fail_the_others() {
    let zone = Zone::start().await;
    zone.foreign_machine("demo-n02").await;
    let made = zone.call(ENSURE, &machines("demo", 1..=3)).await;
    assert_eq!(made["done"], true, "{made}");
    assert_eq!(states(&made), ["RUNNING", "CONFLICT", "RUNNING"], "{made}");
    assert_eq!(reasons(&made), ["", "CONFLICT_FOREIGN", ""], "{made}");
    let obstacle = &made["results"][1]["obstacle"];
    assert_eq!(obstacle["name"], "demo-n02", "{made}");
    assert_eq!(obstacle["ownership"], "OWNERSHIP_FOREIGN", "{made}");
    assert_eq!(zone.names_of_those_on().await, ["demo-n01", "demo-n03"]);
}

#[tokio::test]
async fn a_machine_that_is_not_ours_is_neither_switched_nor_deleted() {
    let zone = Zone::start().await;
    zone.foreign_machine("theirs").await;
    let theirs = zone.machines().await;
    // The driver learns of it by itself; until then it is merely not there.
    let moref = &theirs[0].moref;
    let request = json!({"vcenter": lab::VCENTER, "machines": [{"moref": moref}], "wait": "30s"});
    let deleted = zone.call(DELETE, &request).await;
    assert_eq!(reasons(&deleted), ["NOT_OURS"], "{deleted}");
    let on = with(request, "/powerState", "POWER_STATE_ON");
    let switched = zone.call(SWITCH, &on).await;
    assert_eq!(reasons(&switched), ["NOT_OURS"], "{switched}");
    assert_eq!(zone.machines().await, theirs);
}

#[tokio::test]
async fn a_machine_with_the_mark_of_another_is_a_copy_and_is_never_touched() {
    let zone = Zone::start().await;
    zone.call(ENSURE, &machines("demo", [1])).await;
    let info = zone.lab.govc(&["vm.info", "demo-n01"]).await.unwrap();
    let settings = &info["virtualMachines"][0]["config"]["extraConfig"];
    zone.foreign_machine("copy").await;
    for setting in settings.as_array().unwrap() {
        let key = setting["key"].as_str().unwrap();
        if key.starts_with("hcp-vsphere.") {
            let mark = format!("{key}={}", setting["value"].as_str().unwrap());
            zone.govc(&["vm.change", "-vm", "copy", "-e", &mark]).await;
        }
    }
    let copy = json!({"vcenter": lab::VCENTER, "filter": {"ownerships": ["OWNERSHIP_COPY"]}});
    let mut watch = zone.watch(&copy);
    let told = |message: &Value| {
        let changed = message["changes"]["changed"].as_array()?;
        changed.iter().find(|it| it["name"] == "copy").cloned()
    };
    let told = watch.find("the copy", crate::zone::PATIENCE, told).await;
    let told = told.unwrap();
    let request = json!({
        "vcenter": lab::VCENTER, "machines": [{"moref": told["moref"]}], "wait": "30s",
    });
    let deleted = zone.call(DELETE, &request).await;
    assert_eq!(reasons(&deleted), ["MARK_COPIED"], "{deleted}");
    assert_eq!(zone.machines().await.len(), 2);
}

#[tokio::test]
async fn machines_are_read_by_name_and_listed_page_by_page() {
    let zone = Zone::start().await;
    zone.call(ENSURE, &machines("demo", 1..=5)).await;
    let one = json!({"vcenter": lab::VCENTER, "machine": {"name": "demo-n03"}});
    let one = zone.call(GET, &one).await;
    assert_eq!(one["machine"]["key"]["slot"], 3, "{one}");
    assert_eq!(
        one["freshness"]["connectionState"],
        "CONNECTION_STATE_CONNECTED"
    );

    let mut names = Vec::new();
    let mut page = json!({"vcenter": lab::VCENTER, "pageSize": 2});
    loop {
        let listed = zone.call(LIST, &page).await;
        let machines = listed["machines"].as_array().unwrap();
        assert!(machines.len() <= 2, "{listed}");
        names.extend(
            machines
                .iter()
                .map(|it| it["name"].as_str().unwrap().to_owned()),
        );
        let token = listed["nextPageToken"].as_str().unwrap();
        if token.is_empty() {
            break;
        }
        page = with(page, "/pageToken", token);
    }
    let all: Vec<_> = (1..=5).map(|slot| format!("demo-n0{slot}")).collect();
    assert_eq!(names, all);
}

#[tokio::test]
async fn a_machine_that_nobody_made_is_not_found_and_its_delete_is_proved() {
    let zone = Zone::start().await;
    let key = json!({"ownerUid": "demo", "slot": 9});
    let one = json!({
        "vcenter": lab::VCENTER,
        "machine": {"key": key, "folderHint": "/DC0/vm"},
    });
    assert_eq!(zone.refused(GET, &one).await.is(), (5, "VM_NOT_FOUND"));
    let delete = json!({
        "vcenter": lab::VCENTER,
        "machines": [{"key": key, "folderHint": "/DC0/vm"}],
        "wait": "30s",
    });
    let gone = zone.call(DELETE, &delete).await;
    assert_eq!(states(&gone), ["GONE"], "{gone}");
    let absence = &gone["results"][0]["machine"]["absence"];
    assert_eq!(
        word(&absence["proof"], "ABSENCE_PROOF_"),
        "NOT_IN_VIEW",
        "{gone}"
    );
}

#[tokio::test]
async fn a_folder_that_two_ask_for_at_once_is_made_level_by_level() {
    let zone = Zone::start().await;
    let placed = |owner| {
        with(
            machines(owner, 1..=3),
            "/spec/placement/folder",
            "clusters/east/pool",
        )
    };
    let (one, other) = (placed("one"), placed("other"));
    let (one, other) = tokio::join!(zone.call(ENSURE, &one), zone.call(ENSURE, &other));
    for made in [one, other] {
        assert_eq!(states(&made), ["RUNNING"; 3], "{made}");
        assert_eq!(made["folder"], "/DC0/vm/clusters/east/pool");
    }
    let listed = zone
        .lab
        .vcenter()
        .govc()
        .run(&["ls", "/DC0/vm/clusters/east/pool"])
        .await;
    assert_eq!(listed.unwrap().lines().count(), 6);
}

#[tokio::test]
async fn a_machine_that_loses_its_mark_while_its_removal_waits_is_not_destroyed() {
    let zone = Zone::start().await;
    zone.call(ENSURE, &machines("demo", [1])).await;
    let mut watch = zone.watch_synced().await;
    let hold = zone.lab.proxy().hold("PowerOffVM_Task");
    let request = keys("demo", [1]);
    let (deleted, ()) = tokio::join!(zone.call(DELETE, &request), async {
        soon("a power-off", zone.lab.proxy().seen("PowerOffVM_Task", 1)).await;
        let marks = ["hub-id", "owner-uid", "slot"].map(|key| format!("hcp-vsphere.{key}="));
        let [hub, owner, slot] = &marks;
        zone.govc(&[
            "vm.change",
            "-vm",
            "demo-n01",
            "-e",
            hub,
            "-e",
            owner,
            "-e",
            slot,
        ])
        .await;
        let lost = |message: &Value| {
            let removed = &message["changes"]["removed"][0];
            (removed["name"] == "demo-n01").then_some(())
        };
        watch.find("a lost mark", PATIENCE, lost).await.unwrap();
        drop(hold);
    });
    assert_eq!(reasons(&deleted), ["NOT_OURS"], "{deleted}");
    assert_eq!(zone.calls("Destroy_Task"), 0);
    assert_eq!(zone.machines().await.len(), 1);
}
