//! A template becomes machines, and they go with it, whoever is killed on the way.

use lab::proxy::{Action, Fault, Outage};
use serde_json::json;

use crate::hub::{Hub, POOL};
use crate::zone::{PATIENCE, soon};

#[tokio::test]
async fn a_template_is_scaled_up_and_down_and_takes_its_machines_with_it() {
    let hub = Hub::start().await;
    hub.apply(3).await;
    assert_eq!(hub.ready(3).await, ["pool-n01", "pool-n02", "pool-n03"]);
    hub.scale(1).await;
    assert_eq!(hub.ready(1).await, ["pool-n01"]);
    hub.scale(2).await;
    assert_eq!(hub.ready(2).await, ["pool-n01", "pool-n04"]);
    hub.delete().await;
    assert_eq!(hub.machines().await, []);
}

#[tokio::test]
async fn a_controller_that_is_killed_while_machines_are_made_makes_no_other_ones() {
    let mut hub = Hub::start().await;
    let hold = hub.lab.proxy().hold("CreateVM_Task");
    hub.apply(5).await;
    soon("a create", hub.lab.proxy().seen("CreateVM_Task", 1)).await;
    hub.lab.kill_controller().unwrap();
    drop(hold);
    hub.lab.restart_controller().await.unwrap();
    let names: Vec<_> = (1..=5).map(|slot| format!("{POOL}-n0{slot}")).collect();
    assert_eq!(hub.ready(5).await, names);
}

#[tokio::test]
async fn a_driver_that_is_killed_while_machines_are_made_makes_no_other_ones() {
    let mut hub = Hub::start().await;
    hub.apply(5).await;
    soon("a create", hub.lab.proxy().seen("CreateVM_Task", 1)).await;
    hub.lab.kill_driver().unwrap();
    hub.lab.restart_driver().await.unwrap();
    let names: Vec<_> = (1..=5).map(|slot| format!("{POOL}-n0{slot}")).collect();
    assert_eq!(hub.ready(5).await, names);
    hub.delete().await;
    assert_eq!(hub.machines().await, []);
}

#[tokio::test]
async fn a_create_whose_reply_is_lost_leaves_one_machine_in_the_pool() {
    let hub = Hub::start().await;
    let lost = Fault::next("CreateVM_Task", Action::DropAfter);
    hub.lab.proxy().add(lost);
    hub.apply(2).await;
    assert_eq!(hub.ready(2).await, ["pool-n01", "pool-n02"]);
}

#[tokio::test]
async fn an_outage_is_told_and_changes_nothing_and_the_work_goes_on_after_it() {
    let hub = Hub::start().await;
    hub.apply(2).await;
    hub.ready(2).await;
    hub.lab.proxy().outage(Outage::Refused);
    hub.condition("VSphereConnected", "False", "VCenterUnreachable")
        .await;
    hub.condition("Ready", "Unknown", "NotSeen").await;
    hub.scale(3).await;
    hub.condition("VMsCreated", "Unknown", "NotSeen").await;
    assert_eq!(hub.machines().await.len(), 2);
    hub.lab.proxy().outage(Outage::None);
    assert_eq!(hub.ready(3).await.len(), 3);
}

#[tokio::test]
async fn a_machine_that_somebody_switched_off_is_told_and_left_off() {
    let hub = Hub::start().await;
    hub.apply(2).await;
    hub.ready(2).await;
    hub.govc(&["vm.power", "-off", "pool-n01"]).await;
    hub.message("pool-n01", "PoweredOffOutside").await;
    hub.condition("Ready", "False", "NotAllReady").await;
    // What follows is done after all that was due before it.
    hub.scale(3).await;
    let three = |machines: &[lab::vcenter::Machine]| machines.len() == 3 && machines[2].on;
    let machines = hub
        .lab
        .wait_for_machines("a third machine", PATIENCE, three)
        .await;
    assert!(!machines.unwrap()[0].on);
}

#[tokio::test]
async fn a_machine_that_somebody_deleted_is_followed_by_one_of_a_new_number() {
    let hub = Hub::start().await;
    hub.apply(2).await;
    hub.ready(2).await;
    hub.govc(&["vm.destroy", "pool-n01"]).await;
    let replaced = |machines: &[lab::vcenter::Machine]| {
        machines.len() == 2 && machines.iter().all(|it| it.on && it.name != "pool-n01")
    };
    let waiting = hub
        .lab
        .wait_for_machines("another machine", PATIENCE, replaced);
    waiting.await.unwrap();
    assert_eq!(hub.ready(2).await, ["pool-n02", "pool-n03"]);
}

#[tokio::test]
async fn a_number_whose_name_is_taken_is_passed_over() {
    let hub = Hub::start().await;
    hub.foreign_machine("pool-n01").await;
    hub.apply(2).await;
    let made = |machines: &[lab::vcenter::Machine]| machines.iter().filter(|it| it.on).count() == 2;
    let machines = hub
        .lab
        .wait_for_machines("two machines", PATIENCE, made)
        .await;
    let machines = machines.unwrap();
    let names: Vec<_> = machines.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["pool-n01", "pool-n02", "pool-n03"]);
    assert!(!machines[0].on);
    hub.condition("Ready", "True", "AllReady").await;
    hub.delete().await;
    let left = hub.machines().await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].name, "pool-n01");
}

#[tokio::test]
async fn a_changed_spec_is_told_and_the_machines_stay_as_they_are() {
    let hub = Hub::start().await;
    hub.apply(1).await;
    hub.ready(1).await;
    let before = hub.machines().await;
    hub.patch(&json!({"spec": {"vmTemplate": {"memoryMB": 16384}}}))
        .await;
    hub.condition("VMsUpToDate", "False", "Drifted").await;
    hub.message("pool-n01", "Drifted").await;
    hub.scale(2).await;
    assert_eq!(hub.ready(2).await, ["pool-n01", "pool-n02"]);
    assert_eq!(hub.machines().await[0], before[0]);
    hub.patch(&json!({"spec": {"vmTemplate": {"memoryMB": 8192}}}))
        .await;
    hub.message("pool-n02", "Drifted").await;
}
