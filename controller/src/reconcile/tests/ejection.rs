//! The ISO is taken out of machines that were installed.

use super::{Hub, Status, counts, pools};
use crate::{driver::Retry, fixtures::fault};
use serde_json::json;
use std::time::Duration;

/// A hub whose node pool asks for one machine, which boots an ISO that was fetched.
async fn with_one_machine() -> Hub {
    let mut hub = Hub::new(&json!({
        "testMode": false, "nodePoolRef": {"name": "workers"}, "replicas": null,
        "agentISO": {"type": "url", "url": "https://images/a.iso"},
    }));
    hub.shelve(json!({
        "apiVersion": "hypershift.openshift.io/v1beta1", "kind": "HostedCluster",
        "metadata": {"name": "east", "namespace": "clusters"},
        "spec": {"platform": {"type": "Agent", "agent": {"agentNamespace": "agents"}}},
    }));
    hub.shelve(pools::pool(&json!({"replicas": 1})));
    hub.until("made", counts(1, 1, 1)).await;
    hub
}

/// The host in the machine becomes a node.
async fn join(hub: &mut Hub) {
    let mut agent = pools::bound(hub, 1);
    agent["status"] = json!({"debugInfo": {"state": "installed"}});
    hub.shelve(agent);
    let joined = |status: Option<&Status>| status.is_some_and(|it| it.joined_replicas == Some(1));
    hub.until("joined", joined).await;
}

fn ejections(hub: &Hub) -> usize {
    let calls = hub.driver.calls();
    calls.iter().filter(|call| *call == "eject [1]").count()
}

#[tokio::test(start_paused = true)]
async fn the_iso_is_taken_out_once_when_the_machine_is_a_node() {
    let mut hub = with_one_machine().await;
    hub.pass(Duration::from_mins(2)).await;
    assert_eq!(ejections(&hub), 0);
    join(&mut hub).await;
    hub.pass(Duration::from_mins(10)).await;
    assert_eq!(ejections(&hub), 1);
    hub.restart_controller();
    hub.pass(Duration::from_mins(10)).await;
    assert_eq!(ejections(&hub), 1);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_holds_its_drive_is_asked_seldom_and_nothing_else_waits() {
    let mut hub = with_one_machine().await;
    hub.driver.hold_drives(Some(fault(Retry::Backoff)));
    join(&mut hub).await;
    hub.pass(Duration::from_mins(30)).await;
    let asked = ejections(&hub);
    assert!((4..=7).contains(&asked), "{asked}");
    hub.shelve(pools::pool(&json!({"replicas": 2})));
    hub.until("one more", counts(2, 2, 2)).await;
    hub.driver.hold_drives(None);
    hub.pass(Duration::from_mins(10)).await;
    let all = ejections(&hub);
    hub.pass(Duration::from_mins(30)).await;
    assert_eq!(ejections(&hub), all);
}
