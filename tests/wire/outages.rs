//! vCenter or the driver goes away and comes back: an outage reads as unknown, never as empty.

use lab::proxy::Outage;
use serde_json::json;

use crate::requests::{DELETE, ENSURE, GET, LIST, keys, machines, with, without};
use crate::zone::{Zone, soon, states};

const UNAVAILABLE: u64 = 14;

#[tokio::test]
async fn a_vcenter_that_is_down_at_the_start_heals_by_itself() {
    let mut zone = Zone::start().await;
    zone.lab.stop_driver().await.unwrap();
    zone.lab.proxy().outage(Outage::Refused);
    zone.lab.restart_driver().await.unwrap();
    zone.connection("DISCONNECTED").await;
    let list = json!({"vcenter": lab::VCENTER});
    let refused = zone.refused(LIST, &list).await;
    assert_eq!(refused.is(), (UNAVAILABLE, "INVENTORY_NOT_SYNCED"));
    let refused = zone.refused(ENSURE, &machines("demo", [1])).await;
    assert_eq!(refused.is(), (UNAVAILABLE, "VCENTER_UNREACHABLE"));

    zone.lab.proxy().outage(Outage::None);
    zone.synced().await;
    let made = zone.call(ENSURE, &machines("demo", [1])).await;
    assert_eq!(states(&made), ["RUNNING"], "{made}");
}

#[tokio::test]
async fn what_was_seen_last_is_told_through_an_outage_with_its_age() {
    let zone = Zone::start().await;
    zone.call(ENSURE, &machines("demo", [1])).await;
    zone.lab.proxy().outage(Outage::Refused);
    zone.connection("DISCONNECTED").await;
    let listed = zone.call(LIST, &json!({"vcenter": lab::VCENTER})).await;
    assert_eq!(listed["machines"][0]["name"], "demo-n01", "{listed}");
    let freshness = &listed["freshness"];
    assert_eq!(
        freshness["connectionState"],
        "CONNECTION_STATE_DISCONNECTED"
    );
    assert!(freshness["syncedAt"].is_string(), "{freshness}");
    for method in [ENSURE, DELETE] {
        let request = match method {
            ENSURE => machines("demo", 1..=2),
            _ => keys("demo", [1]),
        };
        let refused = zone.refused(method, &request).await;
        assert_eq!(refused.is(), (UNAVAILABLE, "VCENTER_UNREACHABLE"));
    }

    zone.lab.proxy().outage(Outage::None);
    zone.connection("CONNECTED").await;
    let made = zone.call(ENSURE, &machines("demo", 1..=2)).await;
    assert_eq!(states(&made), ["RUNNING"; 2], "{made}");
    assert_eq!(zone.machines().await.len(), 2);
}

#[tokio::test]
async fn creates_that_an_outage_meets_halfway_are_finished_after_it() {
    let zone = Zone::start().await;
    let hold = zone.lab.proxy().hold("CreateVM_Task");
    let request = without(machines("demo", 1..=6), "/wait");
    zone.call(ENSURE, &request).await;
    soon("a create", zone.lab.proxy().seen("CreateVM_Task", 1)).await;
    zone.lab.proxy().outage(Outage::Refused);
    drop(hold);
    zone.connection("DISCONNECTED").await;
    zone.lab.proxy().outage(Outage::None);
    zone.connection("CONNECTED").await;
    let made = zone.call(ENSURE, &machines("demo", 1..=6)).await;
    assert_eq!(states(&made), ["RUNNING"; 6], "{made}");
    assert_eq!(zone.machines().await.len(), 6);
}

#[tokio::test]
async fn a_driver_that_is_killed_while_it_creates_is_carried_on_by_the_next() {
    let mut zone = Zone::start().await;
    let request = without(machines("demo", 1..=6), "/wait");
    zone.call(ENSURE, &request).await;
    soon("a create", zone.lab.proxy().seen("CreateVM_Task", 1)).await;
    zone.lab.kill_driver().unwrap();
    zone.lab.restart_driver().await.unwrap();
    zone.synced().await;
    let made = zone.call(ENSURE, &machines("demo", 1..=6)).await;
    assert_eq!(states(&made), ["RUNNING"; 6], "{made}");
    let machines = zone.machines().await;
    assert_eq!(machines.len(), 6, "{machines:?}");
}

#[tokio::test]
async fn a_driver_that_starts_anew_knows_its_machines_by_their_marks() {
    let mut zone = Zone::start().await;
    let made = zone.call(ENSURE, &machines("demo", 1..=2)).await;
    zone.lab.stop_driver().await.unwrap();
    zone.lab.restart_driver().await.unwrap();
    zone.synced().await;
    let again = zone.call(ENSURE, &machines("demo", 1..=2)).await;
    assert_eq!(states(&again), ["RUNNING"; 2], "{again}");
    for (first, again) in [0, 1].map(|i| (&made["results"][i], &again["results"][i])) {
        assert_eq!(again["machine"]["moref"], first["machine"]["moref"]);
        assert_eq!(again["machine"]["specHash"], first["machine"]["specHash"]);
    }
    assert_eq!(zone.calls("CreateVM_Task"), 2);
}

#[tokio::test]
async fn a_machine_that_went_while_the_driver_was_away_is_proved_gone_by_where_it_was() {
    let mut zone = Zone::start().await;
    let made = zone.call(ENSURE, &machines("demo", [1])).await;
    let moref = &made["results"][0]["machine"]["moref"];
    zone.lab.stop_driver().await.unwrap();
    zone.govc(&["vm.destroy", "demo-n01"]).await;
    zone.lab.restart_driver().await.unwrap();
    zone.synced().await;

    // Nobody can tell whether a machine that this driver never saw was ever there.
    let unproven =
        json!({"vcenter": lab::VCENTER, "machine": {"key": {"ownerUid": "demo", "slot": 1}}});
    let refused = zone.refused(GET, &unproven).await;
    assert_eq!(refused.is(), (9, "ABSENCE_UNPROVEN"), "{refused:?}");
    let hinted = with(keys("demo", [1]), "/machines/0/morefHint", moref.clone());
    let gone = zone.call(DELETE, &hinted).await;
    assert_eq!(states(&gone), ["GONE"], "{gone}");
}
