//! Replies are lost, calls are cut, tasks fail: there is never a second machine, and never a lie.

use lab::proxy::{Action, Fault};
use serde_json::json;

use crate::requests::{DELETE, ENSURE, keys, machines};
use crate::zone::{Zone, reasons, soon, states};

#[tokio::test]
async fn a_create_whose_reply_is_lost_leaves_one_machine() {
    let zone = Zone::start().await;
    for (owner, action) in [
        ("after", Action::DropAfter),
        ("before", Action::DropBefore),
        ("half", Action::Truncate),
        ("busy", Action::Status { code: 503 }),
        ("expired", Action::reply("NotAuthenticated")),
    ] {
        zone.lab.proxy().add(Fault::next("CreateVM_Task", action));
        let made = zone.call(ENSURE, &machines(owner, [1])).await;
        // It may say that it does not know; asked again, it knows.
        let made = match states(&made)[..] {
            ["RUNNING"] => made,
            _ => zone.call(ENSURE, &machines(owner, [1])).await,
        };
        assert_eq!(states(&made), ["RUNNING"], "{owner}: {made}");
    }
    let names = zone.names_of_those_on().await;
    assert_eq!(
        names,
        [
            "after-n01",
            "before-n01",
            "busy-n01",
            "expired-n01",
            "half-n01"
        ]
    );
}

#[tokio::test]
async fn a_machine_is_not_made_again_when_only_the_reply_was_lost() {
    let zone = Zone::start().await;
    let lost = Fault::next("CreateVM_Task", Action::DropAfter);
    zone.lab.proxy().add(lost);
    let made = zone.call(ENSURE, &machines("demo", [1])).await;
    assert_eq!(states(&made), ["RUNNING"], "{made}");
    assert_eq!(zone.calls("CreateVM_Task"), 1);
    assert_eq!(zone.machines().await.len(), 1);
}

#[tokio::test]
async fn a_delete_whose_reply_is_lost_is_proved_all_the_same() {
    let zone = Zone::start().await;
    zone.call(ENSURE, &machines("demo", [1])).await;
    for method in ["PowerOffVM_Task", "Destroy_Task"] {
        zone.lab.proxy().add(Fault::next(method, Action::DropAfter));
    }
    let gone = zone.call(DELETE, &keys("demo", [1])).await;
    let gone = match states(&gone)[..] {
        ["GONE"] => gone,
        _ => zone.call(DELETE, &keys("demo", [1])).await,
    };
    assert_eq!(states(&gone), ["GONE"], "{gone}");
    assert_eq!(zone.machines().await, []);
}

#[tokio::test]
async fn a_power_on_whose_reply_is_lost_is_done_once() {
    let zone = Zone::start().await;
    let lost = Fault::next("PowerOnMultiVM_Task", Action::DropAfter);
    zone.lab.proxy().add(lost);
    let made = zone.call(ENSURE, &machines("demo", 1..=3)).await;
    let made = match states(&made)[..] {
        ["RUNNING", "RUNNING", "RUNNING"] => made,
        _ => zone.call(ENSURE, &machines("demo", 1..=3)).await,
    };
    assert_eq!(states(&made), ["RUNNING"; 3], "{made}");
    assert_eq!(zone.names_of_those_on().await.len(), 3);
}

#[tokio::test]
async fn a_batch_that_is_refused_for_one_machine_keeps_no_other_one_off() {
    let zone = Zone::start().await;
    for fault in ["ManagedObjectNotFound", "NoPermission"] {
        let refused = Action::reply(fault);
        zone.lab
            .proxy()
            .add(Fault::next("PowerOnMultiVM_Task", refused));
        let made = zone
            .call(ENSURE, &machines(&fault.to_lowercase(), 1..=3))
            .await;
        // On a slow machine the refused batch may be one machine, which is refused itself then.
        let off = states(&made).into_iter().filter(|it| *it != "RUNNING");
        assert!(off.count() <= 1, "{fault}: {made}");
    }
}

#[tokio::test]
async fn a_machine_that_cannot_be_made_says_why_and_is_made_when_asked_again() {
    let zone = Zone::start().await;
    let rule = json!({
        "method": "CreateVM_Task", "name": "demo-n02", "times": 1,
        "fault": {"type": "NoDiskSpace", "fields": {"datastore": lab::DATASTORE}},
    });
    zone.lab.vcenter().add_fault(&rule).await.unwrap();
    let made = zone.call(ENSURE, &machines("demo", 1..=3)).await;
    assert_eq!(made["done"], true, "{made}");
    assert_eq!(states(&made), ["RUNNING", "FAILED", "RUNNING"], "{made}");
    assert_eq!(reasons(&made), ["", "DATASTORE_FULL", ""], "{made}");
    let again = zone.call(ENSURE, &machines("demo", 1..=3)).await;
    assert_eq!(states(&again), ["RUNNING"; 3], "{again}");
}

#[tokio::test]
async fn a_machine_that_does_not_start_says_why_and_is_switched_on_by_the_next_ensure() {
    for place in ["task", "not-attempted"] {
        let zone = Zone::start().await;
        let rule = json!({
            "method": "PowerOnVM_Task", "name": "demo-n02", "times": 1, "at": place,
            "fault": {"type": "InsufficientResourcesFault"},
        });
        zone.lab.vcenter().add_fault(&rule).await.unwrap();
        let made = zone.call(ENSURE, &machines("demo", 1..=3)).await;
        assert_eq!(
            states(&made),
            ["RUNNING", "FAILED", "RUNNING"],
            "{place}: {made}"
        );
        assert_eq!(reasons(&made), ["", "CAPACITY_EXHAUSTED", ""], "{made}");
        let again = zone.call(ENSURE, &machines("demo", 1..=3)).await;
        assert_eq!(states(&again), ["RUNNING"; 3], "{again}");
        assert_eq!(zone.calls("CreateVM_Task"), 3);
    }
}

#[tokio::test]
async fn a_missing_privilege_is_named() {
    let zone = Zone::start().await;
    let fields = json!({"privilegeId": "VirtualMachine.Inventory.Create"});
    let rule = json!({
        "method": "CreateVM_Task", "times": 1, "fault": {"type": "NoPermission", "fields": fields},
    });
    zone.lab.vcenter().add_fault(&rule).await.unwrap();
    let made = zone.call(ENSURE, &machines("demo", [1])).await;
    assert_eq!(reasons(&made), ["VCENTER_PERMISSION_DENIED"], "{made}");
    let metadata = &made["results"][0]["fault"]["metadata"];
    let privilege = &metadata["privilege"];
    assert_eq!(privilege, "VirtualMachine.Inventory.Create", "{made}");
}

#[tokio::test]
async fn a_name_that_was_taken_a_moment_ago_is_a_conflict() {
    let zone = Zone::start().await;
    let hold = zone.lab.proxy().hold("CreateVM_Task");
    let request = machines("demo", [1]);
    let (made, ()) = tokio::join!(zone.call(ENSURE, &request), async {
        let create = zone.lab.proxy().seen("CreateVM_Task", 1);
        soon("a create", create).await;
        zone.foreign_machine("demo-n01").await;
        drop(hold);
    });
    assert_eq!(states(&made), ["CONFLICT"], "{made}");
    assert_eq!(reasons(&made), ["CONFLICT_FOREIGN"], "{made}");
    assert_eq!(zone.machines().await.len(), 1);
}
