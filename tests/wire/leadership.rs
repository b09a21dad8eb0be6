//! Two controllers on one hub: one acts, and the driver refuses whoever acted before it.

use lab::process::Signal;
use lab::services::{Binaries, Controller, Profile};
use lab::{Builder, Lab};
use serde_json::{Value, json};

use crate::hub::Hub;
use crate::zone::{PATIENCE, show, soon};

/// The Go companion's Lease.
const COMPANION: &str = "vmware-nodepool-template-controller";
/// A Lease that lasts this many seconds makes the test shorter, and nothing else different.
const LEASE: [&str; 2] = ["--lease-duration", "3"];

fn lab() -> Builder {
    Lab::builder().controller_arguments(LEASE)
}

/// A second controller, which reaches the driver past the proxy between the first and the driver.
async fn second(lab: &Lab) -> Controller {
    let binaries = Binaries::find(Profile::Debug).await.unwrap();
    let mut setup = lab.controller_setup("second", &binaries).unwrap();
    setup.driver = lab.driver().unwrap().address();
    setup.arguments = LEASE.map(str::to_owned).to_vec();
    Controller::start(setup).await.unwrap()
}

/// Waits until a controller says that it holds our Lease, and in which epoch.
async fn leads(controller: &mut Controller) -> i64 {
    takes(controller, "hcp-vsphere-controller").await
}

/// The same of any Lease.
async fn takes(controller: &mut Controller, lease: &str) -> i64 {
    let epoch = |line: &str| {
        let event: Value = serde_json::from_str(line).ok()?;
        let taken = event["message"] == "Lease taken" && event["lease"] == lease;
        taken.then(|| event["epoch"].as_i64())?
    };
    let process = controller.process_mut().unwrap();
    process.line("the Lease", PATIENCE, epoch).await.unwrap()
}

/// A field of an event of the driver, wherever its format puts it.
fn field<'a>(event: &'a Value, name: &str) -> &'a Value {
    match &event["fields"][name] {
        Value::Null => &event[name],
        found => found,
    }
}

/// Calls that the driver refused because a later epoch was seen.
fn stale_epoch_refusals(events: &[Value]) -> usize {
    let stale = |event: &&Value| field(event, "reason") == "STALE_EPOCH";
    events.iter().filter(stale).count()
}

/// Changes of an epoch that the driver took on after it had seen a later one.
fn mutations_by_old_leader(events: &[Value]) -> usize {
    let audited = events.iter().filter(|event| event["target"] == "audit");
    let mut highest = None;
    let mut mutations = 0;
    for event in audited {
        let epoch = field(event, "epoch").as_i64();
        // What was accepted before may come to its end.
        let begins = field(event, "result") == "ACCEPTED";
        mutations += usize::from(begins && epoch < highest);
        highest = highest.max(epoch);
    }
    mutations
}

#[tokio::test]
async fn a_leader_that_stood_still_while_another_took_over_changes_nothing_any_more() {
    let mut hub = Hub::of(lab().rpc_proxy()).await;
    hub.lab.prepare().await.unwrap();
    hub.apply(1).await;
    hub.ready(1).await;
    let old = leads(hub.lab.controller_mut().unwrap()).await;
    let mut next = second(&hub.lab).await;

    // The leader has asked for machines, and stops before the driver hears of it.
    let rpcs = hub.lab.rpcs().unwrap().clone();
    rpcs.reset();
    let asked = rpcs.hold("EnsureVirtualMachines");
    hub.scale(3).await;
    soon("a request", rpcs.seen("EnsureVirtualMachines", 1)).await;
    let leader = hub.lab.controller().unwrap().process().unwrap();
    leader.signal(Signal::STOP).unwrap();
    let new = leads(&mut next).await;
    assert!(new > old, "{new} follows {old}");
    let names = hub.ready(3).await;

    // Now the driver hears of it, and then the former leader goes on.
    drop(asked);
    soon("an answer", rpcs.answered("EnsureVirtualMachines", 1)).await;
    let leader = hub.lab.controller_mut().unwrap().process_mut().unwrap();
    leader.signal(Signal::CONT).unwrap();
    leader.ended(PATIENCE).await.unwrap();

    hub.scale(2).await;
    assert_eq!(hub.ready(2).await, names[..2]);
    let events = hub.lab.driver_log_lines().unwrap();
    let figures = json!({
        "epochs": [old, new],
        "stale_epoch_refusals": stale_epoch_refusals(&events),
        "mutations_by_old_leader": mutations_by_old_leader(&events),
    });
    show(&figures);
    assert!(stale_epoch_refusals(&events) >= 1, "{figures}");
    assert_eq!(mutations_by_old_leader(&events), 0, "{figures}");
}

#[tokio::test]
async fn the_holder_of_a_lease_that_was_deleted_goes_on() {
    let mut hub = Hub::of(lab()).await;
    hub.lab.prepare().await.unwrap();
    hub.lab.stop_controller().await.unwrap();
    hub.lab.restart_controller().await.unwrap();
    let before = leads(hub.lab.controller_mut().unwrap()).await;
    assert!(before > 0, "the Lease has changed hands");
    hub.apply(1).await;
    hub.ready(1).await;

    hub.lab.kill_controller().unwrap();
    hub.kubectl(&["delete", "lease", "--all"]).await;
    hub.lab.restart_controller().await.unwrap();
    assert_eq!(leads(hub.lab.controller_mut().unwrap()).await, 0);
    hub.scale(2).await;
    assert_eq!(hub.ready(2).await.len(), 2);
    let path = "jsonpath={.spec.leaseTransitions}";
    let lease = ["get", "lease", "hcp-vsphere-controller", "-o", path];
    let transitions = hub.lab.kubectl(&lease).await.unwrap();
    assert_eq!(transitions, (before + 1).to_string());
}

/// The Lease of the Go companion, held by it for as long as a test may take, or given up.
fn lease_of_companion(holder: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": COMPANION},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 3600},
    })
}

#[tokio::test]
async fn nothing_is_done_while_the_companion_acts_and_nothing_more_once_it_acts_again() {
    let mut hub = Hub::of(lab().log("info,controller=debug")).await;
    hub.lab.prepare().await.unwrap();
    hub.lab.stop_controller().await.unwrap();
    hub.lab
        .apply(&lease_of_companion("companion"))
        .await
        .unwrap();
    hub.apply(1).await;
    hub.lab.restart_controller().await.unwrap();
    let controller = hub.lab.controller_mut().unwrap();
    leads(controller).await;
    let waits = |line: &str| {
        let event: Value = serde_json::from_str(line).ok()?;
        let held = event["message"] == "Lease is held by another";
        (held && event["lease"] == COMPANION).then_some(())
    };
    let process = controller.process_mut().unwrap();
    process.line("waiting", PATIENCE, waits).await.unwrap();
    let finalizer = [
        "get",
        "vmtemplate",
        "pool",
        "-o",
        "jsonpath={.metadata.finalizers}{.status}",
    ];
    assert_eq!(hub.kubectl_output(&finalizer).await, "");
    assert_eq!(hub.machines().await, []);

    hub.lab.apply(&lease_of_companion("")).await.unwrap();
    takes(hub.lab.controller_mut().unwrap(), COMPANION).await;
    hub.ready(1).await;

    // Started beside it, the companion waits for the Lease, too; a person may give it to it.
    hub.lab
        .apply(&lease_of_companion("companion"))
        .await
        .unwrap();
    let process = hub.lab.controller_mut().unwrap().process_mut().unwrap();
    process.ended(PATIENCE).await.unwrap();
    hub.scale(2).await;
    assert_eq!(hub.machines().await.len(), 1);
}

#[test]
fn only_what_an_old_leader_began_after_the_new_one_counts() {
    let audit = |epoch: i64, result: &str| json!({"target": "audit", "fields": {"epoch": epoch, "result": result}});
    for (why, events, expected) in [
        (
            "one leader",
            vec![audit(1, "ACCEPTED"), audit(1, "DONE")],
            0,
        ),
        (
            "what was accepted ends later",
            vec![audit(1, "ACCEPTED"), audit(2, "ACCEPTED"), audit(1, "DONE")],
            0,
        ),
        (
            "too late",
            vec![audit(2, "ACCEPTED"), audit(1, "ACCEPTED")],
            1,
        ),
        (
            "refused",
            vec![audit(2, "ACCEPTED"), audit(1, "STALE_EPOCH")],
            0,
        ),
    ] {
        assert_eq!(mutations_by_old_leader(&events), expected, "{why}");
    }
}
