//! Much work at once: what overtakes what, what is refused, and that all of it is done in the end.

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::requests::{DELETE, ENSURE, SWITCH, keys, machines, with};
use crate::zone::{Zone, soon, states};

const CREATE: &str = "CreateVM_Task";
/// Owners whose machines fill the driver, with as many of them as a request takes.
const FULL: [(&str, u32); 4] = [
    ("east", 1_000),
    ("north", 1_000),
    ("south", 1_000),
    ("west", 1_000),
];

/// Asks for machines, and does not wait for them.
async fn queue(zone: &Zone, vcenter: &str, owner: &str, count: u32) {
    let asked = with(machines(owner, 1..=count), "/wait", "0s");
    zone.call(ENSURE, &with(asked, "/vcenter", vcenter)).await;
}

/// Takes back all that fills the driver, and does not wait until it is gone.
async fn withdraw(zone: &Zone, vcenter: &str) {
    for (owner, count) in FULL {
        let all = with(keys(owner, 1..=count), "/wait", "0s");
        zone.call(DELETE, &with(all, "/vcenter", vcenter)).await;
    }
}

/// When a refused call may be repeated, as its status says.
fn retry_delay(status: &Value) -> &str {
    let details = status["details"].as_array().into_iter().flatten();
    let mut delays = details.filter_map(|detail| detail["retryDelay"].as_str());
    delays.next().unwrap_or_default()
}

#[tokio::test]
async fn deletes_and_power_offs_overtake_a_queue_of_creates() {
    let zone = Zone::start().await;
    zone.call(ENSURE, &machines("old", 1..=4)).await;
    let proxy = zone.lab.proxy();
    let hold = proxy.hold(CREATE);
    queue(&zone, lab::VCENTER, "new", 500).await;
    soon("a create", proxy.seen(CREATE, 5)).await;

    let off = with(keys("old", 1..=2), "/powerState", "POWER_STATE_OFF");
    let gone = keys("old", 3..=4);
    let (off, gone) = tokio::join!(zone.call(SWITCH, &off), zone.call(DELETE, &gone));
    assert_eq!(states(&off), ["OFF", "OFF"], "{off}");
    assert_eq!(states(&gone), ["GONE", "GONE"], "{gone}");
    assert_eq!(proxy.counts().of(CREATE).answers, 4);

    let withdrawn = zone.call(DELETE, &keys("new", 471..=500)).await;
    assert_eq!(states(&withdrawn), ["GONE"; 30]);
    assert_eq!(proxy.counts().of(CREATE).answers, 4);
    drop(hold);
}

#[tokio::test]
async fn what_the_driver_cannot_hold_is_refused_with_the_time_to_come_back() {
    let zone = Zone::start().await;
    let hold = zone.lab.proxy().hold(CREATE);
    for (owner, count) in FULL {
        queue(&zone, lab::VCENTER, owner, count).await;
    }
    let more = machines("more", [1]);
    let status = zone.lab.grpcurl().unwrap().refusal(ENSURE, &more).await;
    let status = status.unwrap();
    assert_eq!(status["code"], 8, "{status}");
    assert_eq!(retry_delay(&status), "5s", "{status}");
    // What is held already needs no room, and deletes have room of their own.
    queue(&zone, lab::VCENTER, "east", 1_000).await;
    let gone = zone.call(DELETE, &keys("west", 951..=1_000)).await;
    assert_eq!(states(&gone), ["GONE"; 50]);
    withdraw(&zone, lab::VCENTER).await;
    drop(hold);
    let made = zone.call(ENSURE, &more).await;
    assert_eq!(states(&made), ["RUNNING"], "{made}");
}

#[tokio::test]
async fn a_template_that_finds_no_room_is_served_as_soon_as_there_is_some() {
    let hub = Hub::start().await;
    hub.apply(0).await;
    hub.condition("VSphereConnected", "True", "Connected").await;
    let zone = Zone { lab: hub.lab };
    let listed = zone
        .call("vsphere.driver.v1.VCenters/ListVCenters", &json!({}))
        .await;
    let vcenter = listed["vcenters"][0]["name"].as_str().unwrap();
    let hold = zone.lab.proxy().hold(CREATE);
    for (owner, count) in FULL {
        queue(&zone, vcenter, owner, count).await;
    }
    let hub = Hub { lab: zone.lab };
    hub.scale(2).await;
    hub.condition("VMsCreated", "False", "Overloaded").await;
    let zone = Zone { lab: hub.lab };
    withdraw(&zone, vcenter).await;
    drop(hold);
    let hub = Hub { lab: zone.lab };
    let ready =
        |template: Option<&Value>| template.is_some_and(|it| it["status"]["readyReplicas"] == 2);
    let ready = hub
        .lab
        .wait_for_template(crate::hub::POOL, crate::zone::PATIENCE, ready);
    ready.await.unwrap();
}
