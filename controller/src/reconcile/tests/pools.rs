//! A template follows its node pool.

use super::{Hub, counts, has};
use crate::hub::Availability;
use serde_json::{Value, json};
use std::time::Duration;

/// A node pool that says this.
pub(super) fn pool(spec: &Value) -> Value {
    let mut pool = json!({
        "apiVersion": "hypershift.openshift.io/v1beta1", "kind": "NodePool",
        "metadata": {"name": "workers", "namespace": "clusters"},
        "spec": {"clusterName": "east", "platform": {"type": "Agent", "agent": {
            "agentLabelSelector": {"matchLabels": {"pool": "workers"}},
        }}},
    });
    let fields = pool["spec"].as_object_mut().unwrap();
    fields.extend(spec.as_object().unwrap().clone());
    pool
}

/// A hub whose node pool asks for so many, all of which are there.
pub(super) async fn with(replicas: i32) -> Hub {
    let change = json!({"testMode": false, "nodePoolRef": {"name": "workers"}, "replicas": null});
    let mut hub = Hub::new(&change);
    hub.shelve(pool(&json!({"replicas": replicas})));
    hub.until("made", counts(replicas, replicas, replicas))
        .await;
    hub
}

#[tokio::test(start_paused = true)]
async fn machines_follow_the_node_pool_up_and_down_and_to_its_end() {
    let mut hub = with(3).await;
    hub.shelve(pool(&json!({"replicas": 5})));
    hub.until("more", counts(5, 5, 5)).await;
    hub.shelve(pool(&json!({"replicas": 3})));
    hub.until("fewer", counts(3, 3, 3)).await;
    hub.unshelve(&pool(&json!({})));
    hub.until("none", counts(0, 0, 0)).await;
    hub.until("told", has("NodePoolFound", "False", "NodePoolDeleted"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_node_pool_that_takes_any_agent_is_given_a_selector_and_then_left_alone() {
    let change = json!({"testMode": false, "nodePoolRef": {"name": "workers"}, "replicas": null});
    let mut hub = Hub::new(&change);
    let platform = json!({"replicas": 2, "platform": {"type": "Agent", "agent": {}}});
    hub.shelve(pool(&platform));
    hub.until("made", counts(2, 2, 2)).await;
    let selector = r#"node pool {"vmware.hcp.open-cluster-management.io/nodepool":"workers"}"#;
    let set = |hub: &Hub| hub.journal().iter().filter(|it| *it == selector).count();
    assert_eq!(set(&hub), 1);
    hub.shelve(pool(&json!({"replicas": 3})));
    hub.until("more", counts(3, 3, 3)).await;
    hub.pass(Duration::from_mins(1)).await;
    assert_eq!(set(&hub), 1);
}

#[tokio::test(start_paused = true)]
async fn a_held_fall_outlives_a_restart_and_happens_when_its_time_is_over() {
    let mut hub = with(6).await;
    hub.shelve(pool(&json!({"replicas": 1})));
    hub.until("held", has("ScaleDownHeld", "True", "ScaleDownHeld"))
        .await;
    hub.pass(Duration::from_mins(4)).await;
    hub.restart_controller();
    hub.pass(Duration::from_secs(50)).await;
    assert_eq!(hub.driver.slots().len(), 6);
    hub.until("fallen", counts(1, 1, 1)).await;
    hub.until("told", has("ScaleDownHeld", "False", "NothingHeld"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_node_pool_that_cannot_be_read_changes_nothing() {
    let mut hub = with(3).await;
    for (availability, reason) in [
        (Availability::Missing, "NodePoolKindMissing"),
        (
            Availability::Unreadable("forbidden".into()),
            "NodePoolUnreadable",
        ),
        (Availability::Syncing, "NodePoolSyncing"),
    ] {
        hub.context.hub.turn_node_pools(availability);
        hub.until(reason, has("NodePoolFound", "Unknown", reason))
            .await;
        hub.pass(Duration::from_mins(10)).await;
        assert_eq!(hub.driver.slots(), [1, 2, 3], "{reason}");
    }
    hub.context.hub.turn_node_pools(Availability::Live);
    hub.shelve(pool(&json!({"replicas": 4})));
    hub.until("heard again", counts(4, 4, 4)).await;
}

/// The Agent of the machine of this slot, which a cluster has.
pub(super) fn bound(hub: &Hub, slot: i32) -> Value {
    let status = hub.template().unwrap().status.unwrap();
    let mut entries = status.vm_status.iter();
    let entry = entries.find(|entry| entry.slot == Some(slot)).unwrap();
    json!({
        "apiVersion": "agent-install.openshift.io/v1beta1", "kind": "Agent",
        "metadata": {"name": entry.uuid, "namespace": "agents", "resourceVersion": "1"},
        "spec": {"approved": true, "clusterDeploymentName": {"name": "east", "namespace": "clusters"}},
    })
}

#[tokio::test(start_paused = true)]
async fn a_machine_is_not_removed_while_its_agent_is_there_and_no_watch_has_told_of_it() {
    let mut hub = with(2).await;
    let registered = bound(&hub, 2);
    hub.register(Some(vec![registered.clone()]));
    hub.shelve(pool(&json!({"replicas": 0})));
    hub.until("one has gone", counts(0, 1, 1)).await;
    hub.pass(Duration::from_mins(2)).await;
    assert_eq!(hub.driver.slots(), [2]);
    hub.until("said", has("VMsRemoved", "False", "AgentNotWithdrawn"))
        .await;

    hub.shelve(registered);
    hub.pass(Duration::from_mins(10)).await;
    assert_eq!(hub.driver.slots(), [2], "the watch has caught up");
    hub.until(
        "it is a worker",
        has("VMsRemoved", "True", "NothingToRemove"),
    )
    .await;
    let status = hub.template().unwrap().status.unwrap();
    let message = &status.vm_status[0].message;
    assert!(!message.contains("has just registered"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn no_machine_is_removed_while_nobody_may_look_for_its_agent_and_the_look_is_one_for_all() {
    let mut hub = with(9).await;
    hub.shelve(pool(&json!({"replicas": 5})));
    hub.until("fewer", counts(5, 5, 5)).await;
    assert_eq!(hub.listed(), 1);

    hub.register(None);
    hub.shelve(pool(&json!({"replicas": 3})));
    hub.until("said", has("VMsRemoved", "False", "AgentNotWithdrawn"))
        .await;
    hub.pass(Duration::from_mins(5)).await;
    assert_eq!(hub.driver.slots(), [1, 2, 3, 4, 5]);
    hub.register(Some(vec![]));
    hub.until("permitted", counts(3, 3, 3)).await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_by_itself() {
    let mut hub = with(1).await;
    let end = (hub.context.now)() + jiff::SignedDuration::from_mins(2);
    let paused = json!({"replicas": 2, "pausedUntil": end.to_string()});
    hub.shelve(pool(&paused));
    hub.until("paused", has("NodePoolFound", "True", "NodePoolPaused"))
        .await;
    let template = hub.template().unwrap();
    let next = hub.step(template).await;
    let left = Duration::try_from(end.duration_since((hub.context.now)())).unwrap();
    assert_eq!(next, kube::runtime::controller::Action::requeue(left));
    hub.pass(left).await;
    hub.until("over", counts(2, 2, 2)).await;
}
