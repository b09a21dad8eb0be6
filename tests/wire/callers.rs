//! Who may ask for what: certificates, hubs, epochs, and the line that says so afterwards.

use std::process::Stdio;

use lab::Lab;
use lab::services::{Binaries, Profile};
use serde_json::{Value, json};

use crate::requests::{CONNECT, DELETE, ENSURE, keys, machines, with};
use crate::zone::{Zone, reasons, soon, states};

const PERMISSION_DENIED: u64 = 7;
const FAILED_PRECONDITION: u64 = 9;

fn caller(request: Value, hub: &str, epoch: i32) -> Value {
    let request = match request.get("owner") {
        // Only people may leave it out.
        Some(owner) => {
            let uid = owner["name"].clone();
            with(request, "/owner/uid", uid)
        }
        None => request,
    };
    with(request, "/caller", json!({"hubId": hub, "epoch": epoch}))
}

#[tokio::test]
async fn a_certificate_that_is_not_on_the_list_is_refused_every_call() {
    let zone = Zone::start().await;
    let stranger = &zone.lab.certificates().stranger;
    let health = "grpc.health.v1.Health/Check";
    for (method, request) in [
        ("vsphere.driver.v1.Driver/GetDriverInfo", json!({})),
        (ENSURE, machines("demo", [1])),
        (DELETE, keys("demo", [1])),
        (CONNECT, json!({})),
    ] {
        let refused = zone.refused_as(stranger, method, &request).await;
        // grpcurl is refused as soon as it asks for descriptors, and prints only code and message.
        assert_eq!(refused.code, PERMISSION_DENIED, "{method}: {refused:?}");
        assert!(refused.message.contains("is on the list"), "{refused:?}");
    }
    let serving = zone.call(health, &json!({})).await;
    assert_eq!(serving["status"], "SERVING");
    assert_eq!(zone.machines().await, []);
}

#[tokio::test]
async fn a_leader_of_the_past_is_refused_and_other_hubs_are_not() {
    let zone = Zone::start().await;
    let controller = &zone.lab.certificates().controller;
    let ensure = |hub, epoch, slot| caller(machines("demo", [slot]), hub, epoch);
    zone.call_as(controller, ENSURE, &ensure("one", 5, 1)).await;
    for (method, request) in [
        (ENSURE, ensure("one", 4, 2)),
        (DELETE, caller(keys("demo", [1]), "one", 4)),
    ] {
        let refused = zone.refused_as(controller, method, &request).await;
        assert_eq!(refused.is(), (FAILED_PRECONDITION, "STALE_EPOCH"));
        assert_eq!(refused.metadata["epoch"], "4", "{refused:?}");
        assert_eq!(refused.metadata["highest_epoch"], "5", "{refused:?}");
    }
    for (hub, epoch, slot) in [("one", 5, 1), ("one", 6, 1), ("other", 0, 7)] {
        let made = ensure(hub, epoch, slot);
        let made = zone.call_as(controller, ENSURE, &made).await;
        assert_eq!(states(&made), ["RUNNING"], "{made}");
    }
    assert_eq!(zone.names_of_those_on().await, ["demo-n01", "demo-n07"]);
}

#[tokio::test]
async fn machines_of_one_hub_are_not_anothers_to_change() {
    let zone = Zone::of(Lab::builder().person_acts_for("one").person_acts_for("two")).await;
    zone.call(ENSURE, &caller(machines("demo", [1]), "one", 0))
        .await;
    let theirs = json!({"key": {"hubId": "one", "ownerUid": "demo", "slot": 1}});
    let delete = json!({"vcenter": lab::VCENTER, "machines": [theirs], "wait": "30s"});
    let refused = zone.call(DELETE, &caller(delete, "two", 0)).await;
    assert_eq!(reasons(&refused), ["NOT_OURS"], "{refused}");
    let taken = zone
        .call(ENSURE, &caller(machines("demo", [1]), "two", 0))
        .await;
    assert_eq!(reasons(&taken), ["CONFLICT_OTHER_OWNER"], "{taken}");
    assert_eq!(zone.names_of_those_on().await, ["demo-n01"]);

    let elsewhere = caller(machines("demo", [2]), "three", 0);
    let refused = zone.refused(ENSURE, &elsewhere).await;
    assert_eq!(refused.is(), (PERMISSION_DENIED, "CLIENT_NOT_ALLOWED"));
}

#[tokio::test]
async fn each_change_leaves_a_line_that_says_who_did_what() {
    let zone = Zone::start().await;
    let named = |request| {
        let caller = json!({"operationId": "walk", "onBehalfOf": "someone"});
        with(request, "/caller", caller)
    };
    zone.call(ENSURE, &named(machines("demo", [1]))).await;
    zone.call(DELETE, &named(keys("demo", [1]))).await;
    let text = |line: &Value, key: &str| {
        let value = line.get(key).or_else(|| line["fields"].get(key));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    for verb in ["CREATE", "DELETE"] {
        let is_its = |line: &Value| line["target"] == "audit" && text(line, "verb") == verb;
        let line = &soon(verb, zone.logged(is_its)).await;
        assert_eq!(text(line, "client"), lab::certificates::PERSON);
        assert_eq!(text(line, "hub"), "manual");
        assert_eq!(text(line, "identity"), "manual/demo/1");
        assert_eq!(text(line, "on_behalf_of"), "someone");
        assert!(text(line, "operation_id").starts_with("walk"), "{line}");
    }
}

#[tokio::test]
async fn a_driver_does_not_serve_plaintext_where_others_can_read_it() {
    let binaries = Binaries::find(Profile::Debug).await.unwrap();
    // An address for documentation, which no machine has: even a driver that tried could not.
    let listen = "--listen=192.0.2.1:50051";
    for (arguments, why) in [
        (&[listen, "--plaintext"][..], "is for loopback only"),
        (&[listen][..], "no TLS"),
    ] {
        let mut driver = tokio::process::Command::new(&binaries.driver);
        driver
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let ended = soon("the driver to end", driver.output()).await.unwrap();
        assert!(!ended.status.success());
        let said = [ended.stdout, ended.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains(why), "{said}");
    }
}
