//! Half an hour without a driver or without a vCenter, on the clock of the test.

use super::{counts, has, verdict};
use crate::{
    driver::Retry,
    fixtures::{fault, hub::Hub},
};
use serde_json::json;
use std::time::Duration;

const HALF_AN_HOUR: Duration = Duration::from_mins(30);
/// One a minute, and those before the pauses have grown to that.
const ATTEMPTS: usize = 40;
/// How often the driver gives a sign of life.
const BOOKMARK: Duration = Duration::from_secs(10);
/// That it is so, and then nothing new.
const WRITES: usize = 3;

async fn ready() -> (Hub, usize) {
    let mut hub = Hub::new(&json!({"replicas": 3}));
    hub.until("ready", has("Ready", "True", "AllReady")).await;
    let calls = hub.driver.calls().len();
    (hub, calls)
}

/// Status writes and events so far.
fn writes(hub: &Hub) -> usize {
    let journal = hub.journal();
    journal.iter().filter(|it| it.starts_with("status")).count()
}

/// All is ready again, after no more than twice the calls of a start.
async fn ends_without_a_storm(hub: &mut Hub, time: Duration, (before, start): (usize, usize)) {
    hub.pass(time).await;
    hub.until("ready again", has("Ready", "True", "AllReady"))
        .await;
    let healed = &hub.driver.calls()[before..];
    assert!(
        healed.len() <= 2 * start,
        "{healed:?}, {start} at the start"
    );
    assert_eq!(hub.driver.slots(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn half_an_hour_without_a_driver_is_told_once_and_ends_without_a_storm() {
    let (mut hub, start) = ready().await;
    let written = writes(&hub);
    hub.driver.kill();
    hub.pass(HALF_AN_HOUR).await;
    let status = hub.template().unwrap().status.unwrap();
    let ready = verdict(&status, "Ready");
    assert_eq!(ready, Some(("Unknown".to_owned(), "NotSeen".to_owned())));
    assert_eq!(hub.driver.slots(), [1, 2, 3]);
    let (tried, written) = (hub.driver.calls_in_vain(), writes(&hub) - written);
    assert!((10..=ATTEMPTS).contains(&tried), "{tried} attempts");
    assert!(written <= WRITES, "{written} writes: {:?}", hub.journal());

    let before = hub.driver.calls().len();
    hub.driver.start();
    ends_without_a_storm(&mut hub, Duration::from_mins(2), (before, start)).await;
}

#[tokio::test(start_paused = true)]
async fn half_an_hour_without_a_vcenter_is_told_once_and_ends_without_a_storm() {
    let (mut hub, start) = ready().await;
    let written = writes(&hub);
    let before = hub.driver.calls().len();
    // The driver goes on to say it, with each of its bookmarks.
    for _ in 0..HALF_AN_HOUR.as_secs() / BOOKMARK.as_secs() {
        hub.driver.outage(Some(fault(Retry::Backoff)));
        hub.pass(BOOKMARK).await;
    }
    let none: [&str; 0] = [];
    assert_eq!(hub.driver.calls()[before..], none);
    let written = writes(&hub) - written;
    assert!(written <= WRITES, "{written} writes: {:?}", hub.journal());

    let before = hub.driver.calls().len();
    hub.driver.outage(None);
    ends_without_a_storm(&mut hub, Duration::from_mins(1), (before, start)).await;
}

#[tokio::test(start_paused = true)]
async fn a_template_that_is_deleted_meanwhile_stays_and_says_why() {
    let (mut hub, _) = ready().await;
    hub.driver.kill();
    hub.until("unknown", has("Ready", "Unknown", "NotSeen"))
        .await;
    hub.delete();
    hub.pass(HALF_AN_HOUR).await;
    let status = hub.template().expect("the finalizer holds it").status;
    let status = status.unwrap();
    let driver = verdict(&status, "DriverConnected");
    let unreachable = ("False".to_owned(), "DriverUnreachable".to_owned());
    assert_eq!(driver, Some(unreachable));
    assert_eq!(hub.driver.slots(), [1, 2, 3]);

    hub.driver.start();
    hub.until("it goes when its machines are gone", |status| {
        status.is_none()
    })
    .await;
    assert!(hub.driver.slots().is_empty());
}

#[tokio::test(start_paused = true)]
async fn machines_that_were_asked_for_meanwhile_are_made_once() {
    let (mut hub, _) = ready().await;
    hub.driver.kill();
    hub.edit(|template| template["spec"]["replicas"] = 5.into());
    hub.pass(HALF_AN_HOUR).await;
    hub.driver.start();
    hub.pass(Duration::from_mins(2)).await;
    hub.until("five machines", counts(5, 5, 5)).await;
    assert_eq!(hub.driver.slots(), [1, 2, 3, 4, 5]);
}
