//! The rules of a status, as tables.

use super::*;
use crate::{
    crd::{PHASES, VMwareNodePoolTemplateStatus as Status},
    driver::{Name, Power, Retry},
    fixtures::{fault, world::World},
    reconcile::plan::plan,
};

fn of(world: &World) -> Status {
    let seen = world.seen();
    status(&seen, &plan(&seen))
}

#[test]
fn each_state_has_its_phase() {
    for (state, once, phase, message) in [
        (State::Creating, false, "Creating", ""),
        (State::PoweringOn, false, "PoweringOn", ""),
        (State::Running, false, "Running", ""),
        (State::Off, false, "NotReady", ""),
        (State::Off, true, "NotReady", POWERED_OFF),
        (State::Deleting, false, DELETING, ""),
        (State::Failed, false, "Failed", ""),
        (State::Unknown, false, "Unknown", ""),
    ] {
        let mut world = World::new(1, &[(1, state)]);
        world.entry(1).powered_on_once = once;
        let entry = &of(&world).vm_status[0];
        assert_eq!(
            (&*entry.phase, &*entry.message),
            (phase, message),
            "{state:?} {once}"
        );
    }
}

#[test]
fn each_phase_is_one_that_is_counted() {
    let hosts = [
        phase::WAITING,
        phase::JOINED,
        phase::FAILED,
        phase::UNBINDING,
    ];
    for word in [PENDING, DELETING, "NotReady", "Unknown"]
        .into_iter()
        .chain(hosts)
    {
        assert!(PHASES.contains(&word), "{word}");
    }
}

#[test]
fn what_keeps_a_machine_from_leaving_is_its_message() {
    for work in [Work::Fence(1), Work::Bury(1)] {
        let mut world = World::new(1, &[(1, State::Running)]);
        world
            .attempts
            .note(work, Some(fault(Retry::Backoff)), world.now);
        let entry = &of(&world).vm_status[0];
        assert_eq!(entry.message, "SomeFault: it failed. Mend it", "{work:?}");
    }
}

#[test]
fn a_fault_is_the_message_of_its_machine() {
    let mut world = World::new(1, &[(1, State::Failed)]);
    world.machine(1).fault = Some(fault(Retry::Backoff));
    assert_eq!(
        of(&world).vm_status[0].message,
        "SomeFault: it failed. Mend it"
    );
}

#[test]
fn what_exists_is_counted_and_what_is_on_is_ready() {
    let machines = [(1, State::Running), (2, State::Off), (3, State::Creating)];
    let status = of(&World::new(3, &machines));
    assert_eq!(
        (
            status.desired_replicas,
            status.current_replicas,
            status.ready_replicas
        ),
        (Some(3), Some(2), Some(1))
    );
}

#[test]
fn nothing_seen_anew_gives_the_same_status() {
    let mut world = World::new(2, &[(1, State::Running), (2, State::Off)]);
    world.status = of(&world);
    let before = world.status.clone();
    world.now = jiff::Timestamp::from_second(60).unwrap();
    assert_eq!(of(&world), before);
}

#[test]
fn what_cannot_be_seen_now_stays_as_it_was_seen_last() {
    let mut world = World::new(1, &[(1, State::Running)]);
    world.status = of(&world);
    let before = world.status.clone();
    world.sight.connection = Connection::VcenterDown(None);
    world.checks = None;
    let after = of(&world);
    assert_eq!(after.vm_status, before.vm_status);
    assert_eq!(
        (after.ready_replicas, after.iso_path),
        (Some(1), before.iso_path)
    );
}

#[test]
fn a_phase_keeps_its_time_until_it_changes() {
    let mut world = World::new(1, &[(1, State::Running)]);
    world.status = of(&world);
    let first = world.status.vm_status[0].last_transition_time.clone();
    world.now = jiff::Timestamp::from_second(60).unwrap();
    assert_eq!(of(&world).vm_status[0].last_transition_time, first);
    let machine = world.machine(1);
    (machine.state, machine.power) = (State::Off, Some(Power::Off));
    let off = of(&world).vm_status[0].last_transition_time.clone();
    assert_eq!(off, Some(Time(world.now)));
}

#[test]
fn names_are_shown_where_they_were_asked_for() {
    let mut world = World::new(1, &[]);
    let placement = world.checks.as_mut().unwrap().placement.as_mut().unwrap();
    placement.names = ["datacenter", "cluster", "datastore", "network"]
        .map(|field| Name {
            field: field.into(),
            usable: field != "network",
            message: format!("/{field}"),
        })
        .to_vec();
    let validation = of(&world).resource_validation.unwrap();
    let usable = |check: &ResourceCheck| (check.exists, check.message.clone());
    assert_eq!(usable(&validation.datacenter), (true, "/datacenter".into()));
    assert_eq!(usable(&validation.network), (false, "/network".into()));
    assert_eq!(validation.cluster, None, "none was asked for");
}

#[test]
fn what_is_written_before_acting_is_the_record_alone() {
    let mut world = World::new(2, &[(1, State::Running)]);
    world.status = of(&world);
    world.wish.mode = crate::wish::Mode::Test { replicas: 3 };
    let seen = world.seen();
    let written = record_only(&seen, &plan(&seen));
    assert_eq!(written.next_slot, Some(4));
    assert_eq!(written.conditions, world.status.conditions);
    assert_eq!(written.vm_status.len(), 3);
}

#[test]
fn what_the_companion_listed_stays_until_its_machines_are_seen_to_be_gone() {
    let mut world = World::new(0, &[]);
    world.status.vm_status = vec![VmStatus {
        name: "pool-n01".into(),
        ..VmStatus::default()
    }];
    let listed = |world: &World| of(world).vm_status.len();
    world.sight.connection = Connection::NoSecret;
    assert_eq!(listed(&world), 1);
    world.sight.connection = Connection::Live;
    world.sight.owner.companions.insert("pool-n01".into());
    assert_eq!(listed(&world), 1);
    world.sight.owner.companions.clear();
    assert_eq!(listed(&world), 0);
}
