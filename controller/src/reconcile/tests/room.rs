//! The room for machines: measured beside the work, told in the status, never in its way.

use super::{counts, has, metrics};
use crate::{
    crd::VMwareNodePoolTemplateStatus as Status,
    driver::{Basis, Retry, needs},
    fixtures::{capacity, fault, hub::Hub},
    wish::Wish,
};
use serde_json::json;
use std::time::Duration;

/// The driver has room for so many machines of the template.
fn fits(hub: &Hub, machines: i32) {
    let wish = Wish::of(&hub.template().unwrap()).unwrap();
    hub.driver
        .measures(Ok(capacity(machines, needs(&wish.spec))));
}

fn estimate(status: Option<&Status>) -> Option<i32> {
    status?.resource_utilization.as_ref()?.estimated_vm_capacity
}

/// Minutes in which the driver says no more than that it is there.
async fn quiet(hub: &mut Hub, minutes: u32) {
    for _ in 0..minutes * 6 {
        hub.pass(Duration::from_secs(10)).await;
        hub.driver.outage(None);
    }
}

#[tokio::test(start_paused = true)]
async fn the_room_is_told_and_asked_for_once_in_an_interval() {
    let mut hub = Hub::new(&json!({"replicas": 2, "useEffectiveCapacity": true}));
    fits(&hub, 7);
    let seven = |status: Option<&Status>| estimate(status) == Some(7);
    hub.until("the room", seven).await;
    hub.until("two machines", counts(2, 2, 2)).await;
    let asked = hub.driver.questions();
    assert_eq!(asked[0].basis, Basis::Effective);
    assert_eq!(asked[0].max_age, Duration::from_secs(150));
    quiet(&mut hub, 2).await;
    assert_eq!(hub.driver.questions().len(), asked.len());
    quiet(&mut hub, 4).await;
    assert_eq!(hub.driver.questions().len(), asked.len() + 1);
    let told = metrics(&hub, "vmware_hcp_estimated_vm_capacity{");
    assert!(told[0].ends_with(" 7"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn the_room_is_asked_for_anew_when_the_spec_changes() {
    let mut hub = Hub::new(&json!({"replicas": 1}));
    fits(&hub, 7);
    let told = |machines| move |status: Option<&Status>| estimate(status) == Some(machines);
    hub.until("the room", told(7)).await;
    fits(&hub, 5);
    hub.edit(|template| {
        template["spec"]["quota"] = json!({"softMaxVms": 1});
        template["metadata"]["generation"] = 2.into();
    });
    hub.until("another room", told(5)).await;
    hub.until(
        "the soft limit",
        has("QuotaAvailable", "False", "ApproachingQuota"),
    )
    .await;
    let status = hub.template().unwrap().status.unwrap();
    let room = status.resource_utilization.unwrap();
    assert_eq!(room.soft_limit_exceeded, Some(true));
}

#[tokio::test(start_paused = true)]
async fn machines_are_made_whether_there_is_said_to_be_room_or_not() {
    let mut hub = Hub::new(&json!({"replicas": 3}));
    fits(&hub, 0);
    hub.until("three machines", counts(3, 3, 3)).await;
    hub.until(
        "nothing missing",
        has("ResourcesAvailable", "True", "SufficientResources"),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_room_that_cannot_be_measured_is_told_and_what_was_told_before_stays() {
    let mut hub = Hub::new(&json!({"replicas": 1}));
    fits(&hub, 7);
    let seven = |status: Option<&Status>| estimate(status) == Some(7);
    hub.until("the room", seven).await;
    hub.driver.measures(Err(fault(Retry::Slow)));
    hub.edit(|template| template["metadata"]["generation"] = 2.into());
    let unknown = has("ResourcesAvailable", "Unknown", "SomeFault");
    hub.until("a fault", unknown).await;
    assert!(seven(hub.template().unwrap().status.as_ref()));
    hub.until("ready", has("Ready", "True", "AllReady")).await;
}
