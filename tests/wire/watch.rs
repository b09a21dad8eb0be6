//! A watch tells what is, then what changes, and goes on where it was left.

use std::collections::BTreeSet;
use std::sync::Mutex;

use lab::grpcurl::Stream;
use serde_json::{Value, json};

use crate::requests::{DELETE, ENSURE, keys, machines};
use crate::zone::{PATIENCE, Zone, word};

/// Names of the machines that a message tells as changed.
fn changed(message: &Value) -> Vec<String> {
    let changed = message["changes"]["changed"]
        .as_array()
        .into_iter()
        .flatten();
    changed
        .map(|it| it["name"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Whether a message tells a machine in this state.
fn tells(message: &Value, name: &str, state: &str) -> bool {
    let changed = message["changes"]["changed"]
        .as_array()
        .into_iter()
        .flatten();
    let mut found = changed.filter(|it| it["name"] == name);
    found.any(|it| word(&it["state"], "VIRTUAL_MACHINE_STATE_") == state)
}

/// Whether a message tells that a machine is no more, and why.
fn removed(message: &Value, name: &str) -> Option<String> {
    let removed = message["changes"]["removed"]
        .as_array()
        .into_iter()
        .flatten();
    let mut found = removed.filter(|it| it["name"] == name);
    let cause = |it: &Value| word(&it["cause"], "REMOVAL_CAUSE_").to_owned();
    found.next().map(cause)
}

/// Reads a whole snapshot: the names in it, and its token.
async fn snapshot(watch: &mut Stream) -> (Vec<String>, Value) {
    let mut names = Vec::new();
    let begin = |message: &Value| message.get("snapshotBegin").map(drop);
    watch.find("a snapshot", PATIENCE, begin).await.unwrap();
    loop {
        let message = watch
            .find("the next", PATIENCE, |it| Some(it.clone()))
            .await;
        let message = message.unwrap();
        if message.get("snapshotEnd").is_some() {
            return (names, message["token"].clone());
        }
        names.extend(changed(&message));
    }
}

/// Waits until so many machines have told their addresses, the last thing that is read of them.
async fn addresses_read(zone: &Zone, count: usize) {
    let told = Mutex::new(BTreeSet::new());
    let all = |message: &Value| {
        let changed = message["changes"]["changed"]
            .as_array()
            .into_iter()
            .flatten();
        let known = changed.filter(|it| it["macAddresses"] != json!([]));
        let names = known.map(|it| it["name"].as_str().unwrap_or_default().to_owned());
        let mut told = told.lock().unwrap();
        told.extend(names);
        (told.len() == count).then_some(())
    };
    let mut watch = zone.watch(&json!({"vcenter": lab::VCENTER}));
    watch.find("all addresses", PATIENCE, all).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_comes_first_and_then_each_change() {
    let zone = Zone::start().await;
    zone.call(ENSURE, &machines("demo", [1])).await;
    let mut watch = zone.watch(&json!({"vcenter": lab::VCENTER}));
    assert_eq!(snapshot(&mut watch).await.0, ["demo-n01"]);

    zone.call(ENSURE, &machines("demo", [2])).await;
    let on = |message: &Value| tells(message, "demo-n02", "RUNNING").then_some(());
    watch.find("a new machine", PATIENCE, on).await.unwrap();
    zone.call(DELETE, &keys("demo", [1])).await;
    let gone = |message: &Value| removed(message, "demo-n01");
    let cause = watch.find("a machine that went", PATIENCE, gone).await;
    assert_eq!(cause.unwrap(), "GONE");
}

#[tokio::test]
async fn what_others_do_to_our_machines_is_told() {
    let zone = Zone::start().await;
    zone.call(ENSURE, &machines("demo", 1..=2)).await;
    let mut watch = zone.watch(&json!({"vcenter": lab::VCENTER}));
    snapshot(&mut watch).await;
    zone.govc(&["vm.power", "-off", "demo-n01"]).await;
    let off = |message: &Value| tells(message, "demo-n01", "OFF").then_some(());
    watch
        .find("a machine that is off", PATIENCE, off)
        .await
        .unwrap();
    zone.govc(&["vm.destroy", "demo-n02"]).await;
    let gone = |message: &Value| removed(message, "demo-n02");
    let cause = watch.find("a machine that went", PATIENCE, gone).await;
    assert_eq!(cause.unwrap(), "GONE");
}

#[tokio::test]
async fn a_known_token_gives_only_what_changed_since() {
    let zone = Zone::start().await;
    zone.call(ENSURE, &machines("demo", 1..=3)).await;
    addresses_read(&zone, 3).await;
    let token = snapshot(&mut zone.watch(&json!({"vcenter": lab::VCENTER})))
        .await
        .1;
    zone.call(DELETE, &keys("demo", [2])).await;
    let request = json!({"vcenter": lab::VCENTER, "resumeToken": token});
    let mut watch = zone.watch(&request);
    let first = |message: &Value| {
        assert!(message.get("snapshotBegin").is_none(), "{message}");
        assert!(
            !changed(message).contains(&"demo-n01".to_owned()),
            "{message}"
        );
        removed(message, "demo-n02")
    };
    let cause = watch.find("what changed since", PATIENCE, first).await;
    assert_eq!(cause.unwrap(), "GONE");
}

#[tokio::test]
async fn a_token_of_a_driver_of_the_past_gives_a_snapshot() {
    let mut zone = Zone::start().await;
    zone.call(ENSURE, &machines("demo", 1..=2)).await;
    let token = snapshot(&mut zone.watch(&json!({"vcenter": lab::VCENTER})))
        .await
        .1;
    zone.lab.kill_driver().unwrap();
    zone.lab.restart_driver().await.unwrap();
    let request = json!({"vcenter": lab::VCENTER, "resumeToken": token});
    let mut names = snapshot(&mut zone.watch(&request)).await.0;
    names.sort();
    assert_eq!(names, ["demo-n01", "demo-n02"]);
}

#[tokio::test]
async fn a_filter_lets_only_its_owners_machines_through() {
    let zone = Zone::start().await;
    zone.call(ENSURE, &machines("one", [1])).await;
    zone.call(ENSURE, &machines("two", [1])).await;
    for (filter, expected) in [
        (json!({"ownerUid": "one"}), vec!["one-n01"]),
        (json!({"hubId": "elsewhere"}), vec![]),
    ] {
        let request = json!({"vcenter": lab::VCENTER, "filter": filter});
        assert_eq!(snapshot(&mut zone.watch(&request)).await.0, expected);
    }
}

#[tokio::test]
async fn a_driver_that_stops_ends_its_watches_with_the_reason() {
    let mut zone = Zone::start().await;
    let mut watch = zone.watch(&json!({"vcenter": lab::VCENTER}));
    snapshot(&mut watch).await;
    zone.lab.stop_driver().await.unwrap();
    while watch.next().await.unwrap().is_some() {}
    let status = watch.status().await.unwrap().unwrap();
    // Without a driver that it could ask, grpcurl cannot print the details.
    let message = status["message"].as_str().unwrap_or_default();
    let is = (
        &status["code"],
        message.starts_with("the driver is stopping"),
    );
    assert_eq!(is, (&json!(14), true), "{status}");
}
