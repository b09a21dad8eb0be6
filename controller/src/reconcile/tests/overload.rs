//! A driver that has no room for more work, on the clock of the test.

use super::counts;
use crate::{
    driver::{Fault, Retry},
    fixtures::{fault, hub::Hub},
};
use serde_json::json;
use std::time::Duration;

/// What the driver asks for.
const LATER: Duration = Duration::from_secs(5);
/// The longest pause, with what chance adds, and the second in which it is noticed.
const LONGEST: Duration = Duration::from_secs(60 + 12 + 1);

fn overloaded() -> Fault {
    Fault {
        word: "Overloaded",
        after: Some(LATER),
        ..fault(Retry::Backoff)
    }
}

/// How often machines were asked for.
fn asked(hub: &Hub) -> usize {
    let calls = hub.driver.calls();
    calls.iter().filter(|it| it.starts_with("ensure")).count()
}

#[tokio::test(start_paused = true)]
async fn a_driver_without_room_is_asked_after_its_time_and_then_ever_less_often() {
    let mut hub = Hub::new(&json!({"replicas": 3}));
    hub.driver.refuse(Some(overloaded()));
    hub.pass(Duration::from_secs(4)).await;
    assert_eq!(asked(&hub), 1);
    // 5, 5, 5, 8, 16 and 32 seconds apart, and then a minute: or a fifth more of each.
    hub.pass(Duration::from_mins(10)).await;
    assert!((12..=16).contains(&asked(&hub)), "{}", asked(&hub));

    hub.driver.refuse(None);
    hub.pass(LONGEST).await;
    hub.until("three machines", counts(3, 3, 3)).await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_does_not_cut_the_time_of_a_driver_without_room_short() {
    let mut hub = Hub::new(&json!({"replicas": 3}));
    hub.driver.refuse(Some(overloaded()));
    hub.pass(Duration::from_secs(1)).await;
    for replicas in 4..8 {
        hub.edit(|template| template["spec"]["replicas"] = replicas.into());
        hub.pass(Duration::from_millis(500)).await;
    }
    assert_eq!(asked(&hub), 1);
}
