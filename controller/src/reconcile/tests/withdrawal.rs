//! Wishes for ISOs end with the template, and when it has another vCenter.

use super::{counts, has};
use crate::{
    driver::Retry,
    fixtures::{fault, hub::Hub},
};
use serde_json::{Value, json};
use std::time::Duration;

const LONG: Duration = Duration::from_mins(15);

fn with(iso: &Value) -> Hub {
    Hub::new(&json!({"replicas": 1, "agentISO": iso}))
}

fn by_url() -> Hub {
    with(&json!({"type": "url", "url": "https://images/a.iso"}))
}

async fn ready(hub: &mut Hub) {
    hub.until("ready", has("ISOReady", "True", "ISOReady"))
        .await;
    hub.until("one machine", counts(1, 1, 1)).await;
    assert_eq!(hub.driver.wishes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_template_that_goes_withdraws_its_iso_also_one_that_lay_there() {
    for mut hub in [
        by_url(),
        with(&json!({"type": "datastore", "datastorePath": "[ds] a.iso"})),
    ] {
        ready(&mut hub).await;
        hub.delete();
        hub.until("gone", |status| status.is_none()).await;
        assert!(hub.driver.wishes().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_template_stays_until_its_iso_could_be_withdrawn_and_says_so() {
    let mut hub = by_url();
    ready(&mut hub).await;
    hub.edit(|template| template["spec"]["replicas"] = 0.into());
    hub.until("no machines", counts(0, 0, 0)).await;
    hub.driver.refuse(Some(fault(Retry::Backoff)));
    hub.delete();
    hub.until("said", has("VMsRemoved", "False", "SomeFault"))
        .await;
    hub.driver.refuse(None);
    hub.until("gone", |status| status.is_none()).await;
    assert!(hub.driver.wishes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_is_away_keeps_a_template_without_machines_for_ten_minutes_and_no_longer() {
    for restarted in [false, true] {
        let mut hub = by_url();
        ready(&mut hub).await;
        hub.edit(|template| template["spec"]["replicas"] = 0.into());
        hub.until("no machines", counts(0, 0, 0)).await;
        hub.driver.kill();
        if restarted {
            hub.restart_controller();
        }
        hub.delete();
        hub.pass(Duration::from_mins(5)).await;
        assert!(hub.template().is_some(), "{restarted}");
        hub.pass(LONG).await;
        assert!(hub.template().is_none(), "{restarted}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_template_that_is_abandoned_waits_for_nobody() {
    let mut hub = by_url();
    ready(&mut hub).await;
    hub.driver.refuse(Some(fault(Retry::Backoff)));
    hub.edit(|template| {
        template["metadata"]["annotations"] = json!({crate::crd::ABANDON: "true"});
    });
    hub.delete();
    hub.pass(Duration::from_secs(5)).await;
    assert!(hub.template().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_template_whose_secret_leads_nowhere_and_that_never_asked_goes_at_once() {
    let mut hub = by_url();
    hub.rotate(None);
    hub.until(
        "no Secret",
        has("VSphereConnected", "False", "CredentialsNotFound"),
    )
    .await;
    hub.delete();
    hub.pass(Duration::from_secs(5)).await;
    assert!(hub.template().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_template_with_another_vcenter_withdraws_its_iso_from_the_former_one() {
    let mut hub = by_url();
    ready(&mut hub).await;
    let former = hub.driver.wishes();
    hub.driver.refuse(Some(fault(Retry::Backoff)));
    // `u2`
    hub.rotate(Some("dTI="));
    let users = |hub: &Hub| hub.driver.users().len();
    while users(&hub) < 2 {
        hub.pass(Duration::from_secs(1)).await;
    }
    hub.pass(Duration::from_secs(1)).await;
    assert_eq!(hub.driver.wishes().len(), 2, "it was refused");
    hub.driver.refuse(None);
    hub.pass(Duration::from_mins(2)).await;
    let now = hub.driver.wishes();
    assert_eq!(now.len(), 1);
    assert_ne!(now, former);
}
