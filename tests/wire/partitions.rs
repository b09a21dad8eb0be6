//! A partition reads as unknown, changes nothing, and ends without a storm.
//!
//! The time that it lasts is not waited for here: that pauses grow, and so the calls meanwhile stay
//! few, is shown with the clock as an argument, in both services. What comes at the end is.

use std::sync::Arc;
use std::time::Duration;

use lab::Lab;
use lab::proxy::{Outage, Proxy};
use serde_json::{Value, json};

use crate::hub::{Hub, POOL};
use crate::zone::{PATIENCE, show};

const MACHINES: u32 = 10;
/// After a start and after a partition calls are counted until all is well, and for so long after
/// that: what comes later is the calm.
const AFTERWARDS: Duration = Duration::from_secs(5);

/// Where it is cut.
#[derive(Debug, Clone, Copy)]
enum Between {
    ControllerAndDriver,
    DriverAndVcenter,
}

impl Between {
    fn proxy(self, lab: &Lab) -> Arc<Proxy> {
        match self {
            Self::ControllerAndDriver => Arc::clone(lab.rpcs().unwrap()),
            Self::DriverAndVcenter => Arc::clone(lab.proxy()),
        }
    }

    /// What the template says of it: condition and reason.
    fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::ControllerAndDriver => ("DriverConnected", "DriverUnreachable"),
            Self::DriverAndVcenter => ("VSphereConnected", "VCenterUnreachable"),
        }
    }
}

/// Calls over both proxies from now on, until all is well and a while after.
async fn calls(hub: &Hub) -> [u64; 2] {
    hub.ready(MACHINES as usize).await;
    tokio::time::sleep(AFTERWARDS).await;
    let counts = [hub.lab.rpcs().unwrap(), hub.lab.proxy()].map(|it| it.counts());
    counts.map(|it| it.calls())
}

fn reset(hub: &Hub) {
    hub.lab.rpcs().unwrap().reset();
    hub.lab.proxy().reset();
}

/// What both services call when they are started where everything is there already.
async fn calls_of_a_start(hub: &mut Hub) -> [u64; 2] {
    hub.lab.stop_controller().await.unwrap();
    hub.lab.stop_driver().await.unwrap();
    reset(hub);
    hub.lab.restart_driver().await.unwrap();
    hub.lab.restart_controller().await.unwrap();
    hub.condition("DriverConnected", "True", "Connected").await;
    calls(hub).await
}

async fn cut_and_healed(between: Between, outage: Outage) {
    let mut hub = Hub::of(Lab::builder().rpc_proxy()).await;
    hub.lab.prepare().await.unwrap();
    hub.apply(MACHINES).await;
    let names = hub.ready(MACHINES as usize).await;
    let start = calls_of_a_start(&mut hub).await;

    let proxy = between.proxy(&hub.lab);
    proxy.outage(outage);
    let (condition, reason) = between.told();
    hub.condition(condition, "False", reason).await;
    hub.condition("Ready", "Unknown", "NotSeen").await;
    assert_eq!(
        hub.machines().await.len(),
        names.len(),
        "nothing is deleted"
    );
    reset(&hub);
    proxy.outage(Outage::None);
    hub.condition(condition, "True", "Connected").await;
    let healed = calls(&hub).await;
    let figures = json!({
        "between": format!("{between:?}"), "outage": outage,
        "calls_of_a_start": {"rpc": start[0], "soap": start[1]},
        "calls_after_healing": {"rpc": healed[0], "soap": healed[1]},
    });
    show(&figures);
    for (healed, start) in healed.into_iter().zip(start) {
        assert!(healed <= 2 * start, "{figures}");
    }
    deleted_meanwhile(&hub, between).await;
}

/// A template that is deleted during a partition stays until its machines are seen to be gone.
async fn deleted_meanwhile(hub: &Hub, between: Between) {
    let proxy = between.proxy(&hub.lab);
    let (condition, reason) = between.told();
    proxy.outage(Outage::Refused);
    hub.condition(condition, "False", reason).await;
    hub.kubectl(&["delete", "vmtemplate", POOL, "--wait=false"])
        .await;
    let says_why = |template: Option<&Value>| {
        let template = template.expect("its finalizer holds it");
        let conditions = template["status"]["conditions"].as_array();
        let told = conditions.into_iter().flatten().any(|it| {
            it["type"] == "Ready"
                && it["status"] != "True"
                && it["message"].as_str().is_some_and(|text| !text.is_empty())
        });
        let deleting = !template["metadata"]["deletionTimestamp"].is_null();
        let seen = template["status"]["observedGeneration"] == template["metadata"]["generation"];
        deleting && seen && told
    };
    let waited = hub.lab.wait_for_template(POOL, PATIENCE, says_why);
    waited.await.unwrap();
    assert_eq!(hub.machines().await.len(), MACHINES as usize);
    proxy.outage(Outage::None);
    let gone = hub.lab.wait_for_template(POOL, PATIENCE, |it| it.is_none());
    gone.await.unwrap();
    assert_eq!(hub.machines().await, []);
}

#[tokio::test]
async fn a_partition_between_controller_and_driver_changes_nothing_and_ends_without_a_storm() {
    cut_and_healed(Between::ControllerAndDriver, Outage::Refused).await;
}

#[tokio::test]
async fn a_partition_between_driver_and_vcenter_changes_nothing_and_ends_without_a_storm() {
    cut_and_healed(Between::DriverAndVcenter, Outage::Refused).await;
}

#[tokio::test]
async fn a_driver_that_falls_silent_is_found_out_without_a_call() {
    cut_and_healed(Between::ControllerAndDriver, Outage::Silent).await;
}
