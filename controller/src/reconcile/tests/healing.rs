//! Machines of a node pool whose Agents never register.

use super::{Hub, counts, has, slots, verdict};
use crate::{crd::CLOSE_CIRCUIT, driver::Retry, fixtures::fault};
use serde_json::json;
use std::time::Duration;

/// A hub whose node pool asks for one machine, which is on, and where Agents can be looked at.
async fn with_one_silent_machine() -> Hub {
    let change = json!({
        "testMode": false, "nodePoolRef": {"name": "workers"}, "replicas": null,
        "agentISO": {"type": "datastore", "datastorePath": "[ds] iso/agent.iso"},
    });
    let mut hub = Hub::new(&change);
    let group = "hypershift.openshift.io/v1beta1";
    hub.shelve(json!({
        "apiVersion": group, "kind": "HostedCluster",
        "metadata": {"name": "east", "namespace": "clusters"},
        "spec": {"platform": {"type": "Agent", "agent": {"agentNamespace": "agents"}}},
    }));
    hub.shelve(json!({
        "apiVersion": group, "kind": "NodePool",
        "metadata": {"name": "workers", "namespace": "clusters"},
        "spec": {"clusterName": "east", "replicas": 1, "platform": {"type": "Agent"}},
    }));
    hub.until("made", counts(1, 1, 1)).await;
    hub.until("waits", has("SelfHealing", "True", "Healthy"))
        .await;
    hub
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_agent_never_registers_is_replaced_when_its_time_is_over_and_not_before() {
    let mut hub = with_one_silent_machine().await;
    hub.pass(Duration::from_secs(350)).await;
    assert_eq!(hub.driver.slots(), [1]);
    // The watch breaks twice a minute here, and each time it takes a moment.
    hub.pass(Duration::from_secs(40)).await;
    assert_eq!(hub.driver.slots(), [2]);
    let status = hub.template().unwrap().status.unwrap();
    assert_eq!(status.self_healing.unwrap().replacements, 1);
    assert_eq!(slots(&hub), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_goes_on_where_it_was_when_the_controller_starts_anew() {
    let mut hub = with_one_silent_machine().await;
    hub.pass(Duration::from_mins(4)).await;
    hub.restart_controller();
    hub.pass(Duration::from_secs(90)).await;
    assert_eq!(hub.driver.slots(), [1]);
    hub.pass(Duration::from_mins(1)).await;
    assert_eq!(hub.driver.slots(), [2]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_vcenter_replaces_nothing_and_takes_nobodys_time() {
    let mut hub = with_one_silent_machine().await;
    hub.pass(Duration::from_mins(5)).await;
    hub.driver.outage(Some(fault(Retry::Backoff)));
    hub.pass(Duration::from_mins(30)).await;
    hub.driver.outage(None);
    hub.until("back", has("VSphereConnected", "True", "Connected"))
        .await;
    hub.pass(Duration::from_secs(40)).await;
    assert_eq!(hub.driver.slots(), [1]);
    hub.pass(Duration::from_mins(1)).await;
    assert_eq!(hub.driver.slots(), [2]);
}

#[tokio::test(start_paused = true)]
async fn the_circuit_opens_after_five_in_vain_outlives_a_restart_and_is_closed_by_hand_once() {
    let mut hub = with_one_silent_machine().await;
    hub.pass(Duration::from_hours(1)).await;
    assert_eq!(hub.driver.slots(), [6]);
    hub.restart_controller();
    hub.pass(Duration::from_hours(1)).await;
    assert_eq!(hub.driver.slots(), [6]);
    let status = hub.template().unwrap().status.unwrap();
    let open = Some(("False".to_owned(), "CircuitOpen".to_owned()));
    assert_eq!(verdict(&status, "SelfHealing"), open);

    hub.edit(|template| template["metadata"]["annotations"] = json!({CLOSE_CIRCUIT: "true"}));
    hub.pass(Duration::from_hours(2)).await;
    assert_eq!(hub.driver.slots(), [11]);
    let status = hub.template().unwrap().status.unwrap();
    assert_eq!(verdict(&status, "SelfHealing"), open);
}
