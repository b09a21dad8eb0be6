//! Whole scenarios, on a hub and a driver in memory.

mod ejection;
mod healing;
mod isos;
mod leaving;
mod overload;
mod partitions;
mod pools;
mod room;
mod secrets;
mod withdrawal;

use crate::{
    crd::{ABANDON, PAUSED, VMwareNodePoolTemplateStatus as Status},
    driver::{Power, Retry, State},
    fixtures::{fault, hub::Hub},
};
use serde_json::json;

fn counts(desired: i32, current: i32, ready: i32) -> impl Fn(Option<&Status>) -> bool {
    move |status| {
        status.is_some_and(|status| {
            let seen = (
                status.desired_replicas,
                status.current_replicas,
                status.ready_replicas,
            );
            seen == (Some(desired), Some(current), Some(ready))
        })
    }
}

fn verdict(status: &Status, type_: &str) -> Option<(String, String)> {
    let condition = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_)?;
    Some((condition.status.clone(), condition.reason.clone()))
}

fn has(type_: &'static str, holds: &str, why: &str) -> impl Fn(Option<&Status>) -> bool {
    let expected = Some((holds.to_owned(), why.to_owned()));
    move |status| status.is_some_and(|status| verdict(status, type_) == expected)
}

fn slots(hub: &Hub) -> Vec<i32> {
    let status = hub.template().unwrap().status.unwrap();
    status
        .vm_status
        .iter()
        .filter_map(|entry| entry.slot)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn machines_are_made_and_told_of() {
    let mut hub = Hub::new(&json!({"replicas": 3}));
    hub.until("three machines", counts(3, 3, 3)).await;
    hub.until("ready", has("Ready", "True", "AllReady")).await;
    let status = hub.template().unwrap().status.unwrap();
    assert_eq!(status.next_slot, Some(4));
    let first = &status.vm_status[0];
    assert_eq!(
        (
            first.name.as_str(),
            first.phase.as_str(),
            first.power_state.as_str()
        ),
        ("pool-n01", "Running", "poweredOn")
    );
    assert_eq!(status.iso_path.as_deref(), Some("[ds] iso/agent.iso"));
}

/// Lines of `/metrics` that contain `part`.
fn metrics(hub: &Hub, part: &str) -> Vec<String> {
    let mut registry = prometheus_client::registry::Registry::default();
    hub.context.metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let lines = text.lines().filter(|line| line.contains(part));
    lines.map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn a_link_is_told_of_in_metrics_until_nobody_uses_it() {
    let mut hub = Hub::new(&json!({"replicas": 1}));
    hub.until("ready", has("Ready", "True", "AllReady")).await;
    let watch = "secret=\"vsphere-credentials\",namespace=\"clusters\"";
    assert_eq!(metrics(&hub, watch).len(), 1);
    let links = "vmware_nodepool_vcenter_links";
    assert!(metrics(&hub, links).contains(&format!("{links} 1")));

    hub.context.forget(&hub.template().unwrap());
    hub.context.links.stop().await;
    assert_eq!(metrics(&hub, watch), [""; 0]);
    assert!(metrics(&hub, links).contains(&format!("{links} 0")));
}

#[tokio::test(start_paused = true)]
async fn slots_are_written_down_before_machines_are_asked_for() {
    let mut hub = Hub::new(&json!({"replicas": 2}));
    hub.until("two machines", counts(2, 2, 2)).await;
    let journal = hub.journal();
    let first = journal.iter().find(|line| line.contains("next=3"));
    assert_eq!(first.unwrap(), "status next=3 made=0");
}

#[tokio::test(start_paused = true)]
async fn a_status_that_somebody_else_wrote_is_not_written_over() {
    let mut hub = Hub::new(&json!({"replicas": 2}));
    hub.until("two machines", counts(2, 2, 2)).await;
    // What this process still holds, while the next leader has written.
    let cached = hub.template().unwrap();
    hub.edit(|template| template["status"]["nextSlot"] = 9.into());
    hub.driver.change(1, |machine| {
        (machine.state, machine.power) = (State::Off, Some(Power::Off));
    });
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    hub.step(cached).await;
    let status = hub.template().unwrap().status.unwrap();
    assert_eq!(
        (status.next_slot, status.ready_replicas),
        (Some(9), Some(2))
    );
}

#[tokio::test(start_paused = true)]
async fn a_settled_template_is_neither_written_nor_asked_for_again() {
    let mut hub = Hub::new(&json!({"replicas": 2}));
    hub.until("ready", has("Ready", "True", "AllReady")).await;
    let (written, called) = (hub.journal(), hub.driver.calls());
    hub.driver.change(1, |_| ());
    for _ in 0..5 {
        let template = hub.template().unwrap();
        hub.step(template).await;
    }
    assert_eq!(hub.journal(), written);
    let called_since = hub.driver.calls().split_off(called.len());
    assert!(
        !called_since.iter().any(|call| call.starts_with("ensure")),
        "{called_since:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn scaling_down_takes_the_highest_and_up_again_takes_new_ones() {
    let mut hub = Hub::new(&json!({"replicas": 3}));
    hub.until("three machines", counts(3, 3, 3)).await;
    hub.edit(|template| template["spec"]["replicas"] = 1.into());
    hub.until("one machine", counts(1, 1, 1)).await;
    assert_eq!(hub.driver.slots(), [1]);
    hub.edit(|template| template["spec"]["replicas"] = 2.into());
    hub.until("two machines", counts(2, 2, 2)).await;
    assert_eq!(hub.driver.slots(), [1, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_template_goes_after_its_machines() {
    let mut hub = Hub::new(&json!({"replicas": 2}));
    hub.until("two machines", counts(2, 2, 2)).await;
    hub.delete();
    hub.until("gone", |status| status.is_none()).await;
    assert!(hub.driver.slots().is_empty());
    assert_eq!(hub.journal().last().unwrap(), "finalizer removed");
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_is_killed_in_the_middle_loses_and_doubles_nothing() {
    let mut hub = Hub::new(&json!({"replicas": 3}));
    hub.driver.make_slowly();
    hub.until("three slots", |status| {
        status.is_some_and(|status| status.vm_status.len() == 3)
    })
    .await;
    hub.driver.restart();
    hub.driver.finish();
    hub.until("three machines", counts(3, 3, 3)).await;
    assert_eq!(hub.driver.slots(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_is_killed_carries_on() {
    let mut hub = Hub::new(&json!({"replicas": 3}));
    hub.driver.make_slowly();
    hub.until("three slots", |status| {
        status.is_some_and(|status| status.vm_status.len() == 3)
    })
    .await;
    hub.restart_controller();
    hub.driver.finish();
    hub.until("three machines", counts(3, 3, 3)).await;
    assert_eq!(hub.driver.slots(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_was_written_down_and_never_asked_for_is_proved_empty() {
    let mut hub = Hub::new(&json!({"replicas": 2}));
    hub.driver.refuse(Some(fault(Retry::Slow)));
    hub.until("a refusal", has("VMsCreated", "False", "SomeFault"))
        .await;
    assert_eq!((slots(&hub), hub.driver.slots().len()), (vec![1, 2], 0));
    hub.delete();
    hub.driver.refuse(None);
    hub.until("gone", |status| status.is_none()).await;
    assert!(hub.driver.calls().contains(&"delete [1, 2]".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_somebody_deleted_is_replaced_under_a_new_number() {
    let mut hub = Hub::new(&json!({"replicas": 2}));
    hub.until("two machines", counts(2, 2, 2)).await;
    hub.driver.remove(1);
    hub.until("another one", |status| {
        status.is_some_and(|status| status.next_slot == Some(4)) && counts(2, 2, 2)(status)
    })
    .await;
    assert_eq!(hub.driver.slots(), [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_somebody_switched_off_is_left_off_and_told_of() {
    let mut hub = Hub::new(&json!({"replicas": 1}));
    hub.until("ready", has("Ready", "True", "AllReady")).await;
    hub.driver.change(1, |machine| {
        (machine.state, machine.power) = (State::Off, Some(Power::Off));
    });
    hub.until("off", counts(1, 1, 0)).await;
    let status = hub.template().unwrap().status.unwrap();
    assert!(status.vm_status[0].message.starts_with("PoweredOffOutside"));
    assert!(hub.journal().contains(&"event VMPoweredOff".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_rotated_secret_is_used_at_once_and_the_old_session_is_given_up() {
    let mut hub = Hub::new(&json!({"replicas": 1}));
    hub.until("one machine", counts(1, 1, 1)).await;
    // `v`
    hub.rotate(Some("dg=="));
    hub.edit(|template| template["spec"]["replicas"] = 2.into());
    hub.until("two machines", counts(2, 2, 2)).await;
    assert_eq!(hub.driver.users(), ["u", "v"]);
    assert!(hub.driver.calls().contains(&"disconnect vc-1-u".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn without_its_secret_a_template_keeps_everything_and_says_so() {
    let mut hub = Hub::new(&json!({"replicas": 2}));
    hub.until("two machines", counts(2, 2, 2)).await;
    hub.rotate(None);
    hub.until(
        "no Secret",
        has("VSphereConnected", "False", "CredentialsNotFound"),
    )
    .await;
    let status = hub.template().unwrap().status.unwrap();
    assert!(has("Ready", "Unknown", "NotSeen")(Some(&status)));
    assert_eq!((slots(&hub), hub.driver.slots()), (vec![1, 2], vec![1, 2]));
    assert!(counts(2, 2, 2)(Some(&status)));

    hub.delete();
    for _ in 0..5 {
        let template = hub.template().unwrap();
        hub.step(template).await;
    }
    assert!(hub.template().is_some(), "the finalizer stays");
    hub.rotate(Some("dQ=="));
    hub.until("gone", |status| status.is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_template_is_followed_and_not_acted_upon() {
    let mut hub = Hub::new(&json!({"replicas": 1}));
    hub.until("one machine", counts(1, 1, 1)).await;
    hub.edit(|template| {
        template["metadata"]["annotations"] = json!({PAUSED: "true"});
        template["spec"]["replicas"] = 3.into();
    });
    hub.until("paused", has("Paused", "True", "Paused")).await;
    hub.driver.change(1, |machine| {
        (machine.state, machine.power) = (State::Off, Some(Power::Off));
    });
    hub.until("followed", counts(3, 1, 0)).await;
    assert_eq!(hub.driver.slots(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_node_pool_that_is_not_read_yet_is_waited_for() {
    let change = json!({"replicas": 2, "testMode": false, "nodePoolRef": {"name": "pool"}});
    let mut hub = Hub::new(&change);
    hub.until("said", has("NodePoolFound", "Unknown", "NodePoolSyncing"))
        .await;
    hub.until("connected", has("VSphereConnected", "True", "Connected"))
        .await;
    assert!(hub.driver.slots().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stale_epoch_is_told_to_the_holder_of_the_lease() {
    let mut hub = Hub::new(&json!({"replicas": 1}));
    let stale = crate::driver::Fault {
        kind: crate::driver::Kind::StaleEpoch { highest: 7 },
        ..fault(Retry::Never)
    };
    hub.driver.refuse(Some(stale));
    hub.until("a refusal", has("VMsCreated", "False", "SomeFault"))
        .await;
    assert_eq!(hub.context.links.challenged().await, 7);
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_is_down_is_told_of_and_waited_for() {
    let mut hub = Hub::new(&json!({"replicas": 1}));
    hub.driver.kill();
    hub.until("told", has("DriverConnected", "False", "DriverUnreachable"))
        .await;
    hub.driver.start();
    hub.until("ready", has("Ready", "True", "AllReady")).await;

    hub.driver.kill();
    hub.until("unknown", has("Ready", "Unknown", "NotSeen"))
        .await;
    let status = hub.template().unwrap().status.unwrap();
    assert_eq!(status.vm_status[0].phase, "Running", "as it was seen last");
    hub.driver.start();
    hub.until("ready again", has("Ready", "True", "AllReady"))
        .await;
    assert_eq!(hub.driver.slots(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_vcenter_that_is_out_of_reach_is_waited_for() {
    let mut hub = Hub::new(&json!({"replicas": 1}));
    hub.until("one machine", counts(1, 1, 1)).await;
    hub.driver.outage(Some(fault(Retry::Backoff)));
    hub.until("told", has("VSphereConnected", "False", "SomeFault"))
        .await;
    hub.edit(|template| template["spec"]["replicas"] = 2.into());
    hub.until("asked for", counts(2, 1, 1)).await;
    assert_eq!(hub.driver.slots(), [1]);
    hub.driver.outage(None);
    hub.until("two machines", counts(2, 2, 2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_is_opened_anew() {
    let mut hub = Hub::new(&json!({"replicas": 1}));
    hub.until("ready", has("Ready", "True", "AllReady")).await;
    hub.driver.end_streams();
    hub.until("ended", has("Ready", "Unknown", "NotSeen")).await;
    hub.driver.remove(1);
    hub.until("replaced", |status| {
        status.is_some_and(|status| status.next_slot == Some(3)) && counts(1, 1, 1)(status)
    })
    .await;
    assert_eq!(hub.driver.slots(), [2]);
    let connects = hub.driver.users().len();
    assert_eq!(connects, 1, "the name was still good");
}

#[tokio::test(start_paused = true)]
async fn a_template_that_orphans_its_machines_goes_without_them() {
    let mut hub = Hub::new(&json!({"replicas": 2, "deletionPolicy": "Orphan"}));
    hub.until("two machines", counts(2, 2, 2)).await;
    hub.delete();
    hub.until("gone", |status| status.is_none()).await;
    assert_eq!(hub.driver.slots(), [1, 2]);
    assert!(hub.journal().contains(&"event Orphaned".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_template_without_its_secret_goes_when_it_is_abandoned() {
    let mut hub = Hub::new(&json!({"replicas": 1}));
    hub.until("one machine", counts(1, 1, 1)).await;
    hub.rotate(None);
    let lost = has("VSphereConnected", "False", "CredentialsNotFound");
    hub.until("no Secret", lost).await;
    hub.delete();
    let template = hub.template().unwrap();
    hub.step(template).await;
    assert!(hub.template().is_some(), "the finalizer stays");

    hub.edit(|template| template["metadata"]["annotations"] = json!({ABANDON: "true"}));
    hub.until("gone", |status| status.is_none()).await;
    assert_eq!(hub.driver.slots(), [1]);
    assert!(hub.journal().contains(&"event Abandoned".to_owned()));
}
