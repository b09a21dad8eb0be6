//! Machines on their way out, whose Agents change while no watch tells of it.

use super::{
    Hub, has,
    pools::{bound, pool, with},
};
use crate::{driver::Retry, fixtures::fault};
use serde_json::{Value, json};
use std::time::Duration;

/// The Agent of the machine of this slot, which nobody has and nobody is offered.
fn free(hub: &Hub, slot: i32) -> Value {
    let mut agent = bound(hub, slot);
    agent["spec"] = json!({"approved": false});
    agent
}

/// A hub whose one machine is to go and has an Agent that is fenced, when the driver refuses to destroy it.
async fn refused() -> Hub {
    let mut hub = with(1).await;
    let agent = free(&hub, 1);
    hub.register(Some(vec![agent.clone()]));
    hub.shelve(agent);
    hub.driver.refuse(Some(fault(Retry::Backoff)));
    hub.shelve(pool(&json!({"replicas": 0})));
    hub.until("refused", has("VMsRemoved", "False", "SomeFault"))
        .await;
    hub
}

/// The calls that destroy machines.
fn removals(hub: &Hub) -> Vec<String> {
    let mut calls = hub.driver.calls();
    calls.retain(|call| call.starts_with("delete"));
    calls
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_agent_is_bound_before_the_driver_is_asked_again_stays_whatever_a_watch_says()
 {
    let mut hub = refused().await;
    let asked = removals(&hub);
    let taken = bound(&hub, 1);
    hub.register(Some(vec![taken.clone()]));
    hub.driver.refuse(None);
    hub.until("it stays", has("VMsRemoved", "True", "NothingToRemove"))
        .await;
    hub.pass(Duration::from_mins(2)).await;
    assert_eq!(hub.driver.slots(), [1]);
    assert_eq!(removals(&hub), asked);

    hub.shelve(taken);
    hub.until(
        "it is a worker",
        has("VMsRemoved", "True", "NothingToRemove"),
    )
    .await;
    assert_eq!(hub.driver.slots(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_agent_nobody_may_look_at_any_more_stays_until_that_is_mended() {
    let mut hub = refused().await;
    let asked = removals(&hub);
    hub.register(None);
    hub.driver.refuse(None);
    hub.until("said", has("VMsRemoved", "False", "AgentNotWithdrawn"))
        .await;
    hub.pass(Duration::from_mins(2)).await;
    assert_eq!(hub.driver.slots(), [1]);
    assert_eq!(removals(&hub), asked);

    hub.register(Some(vec![free(&hub, 1)]));
    hub.pass(Duration::from_mins(2)).await;
    assert!(hub.driver.slots().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_somebody_approves_again_is_withdrawn_again_before_its_machine_goes() {
    let mut hub = refused().await;
    let mut approved = free(&hub, 1);
    approved["spec"]["approved"] = true.into();
    hub.register(Some(vec![approved]));
    let written = hub.journal().len();
    hub.driver.refuse(None);
    hub.pass(Duration::from_mins(2)).await;
    assert!(hub.driver.slots().is_empty());
    let journal = hub.journal().split_off(written);
    let mut agents = journal.iter().filter(|line| line.starts_with("agent"));
    let first = agents.next().map(String::as_str).unwrap_or_default();
    assert!(first.ends_with("false"), "{journal:?}");
}

#[tokio::test(start_paused = true)]
async fn no_more_machines_are_destroyed_by_one_call_than_are_looked_at_in_a_moment() {
    let count = 100;
    let mut hub = with(count).await;
    let agents: Vec<_> = (1..=count).map(|slot| free(&hub, slot)).collect();
    hub.register(Some(agents.clone()));
    for agent in agents {
        hub.shelve(agent);
    }
    hub.delete();
    hub.pass(Duration::from_mins(1)).await;
    assert!(hub.driver.slots().is_empty());
    let sizes: Vec<_> = removals(&hub)
        .iter()
        .map(|call| call.split(',').count())
        .collect();
    assert_eq!(sizes, [64, 36]);
}
