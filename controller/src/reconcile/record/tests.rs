//! What the status remembers, as tables.

use super::*;
use crate::{driver::State, fixtures::machine};

const NAMING: Naming<'_> = Naming {
    hub_id: "hub",
    owner_uid: "owner",
    prefix: "pool",
    folder: "/DC0/vm",
};

fn view(machines: Vec<Machine>, gone: &[i32]) -> OwnerView {
    OwnerView {
        machines: machines
            .into_iter()
            .map(|machine| (machine.slot().unwrap(), machine.into()))
            .collect(),
        gone: gone.iter().copied().collect(),
        ..OwnerView::default()
    }
}

fn given(count: usize) -> Record {
    let mut record = Record::default();
    record.give_out(count, &NAMING);
    record
}

fn slots(record: &Record) -> Vec<i32> {
    record.entries.keys().copied().collect()
}

#[test]
fn slots_are_never_given_out_twice() {
    let mut record = given(3);
    record.merge(&view(vec![], &[2, 3]));
    record.give_out(1, &NAMING);
    assert_eq!((slots(&record), record.next_slot), (vec![1, 4], Some(5)));
}

#[test]
fn a_mark_that_is_seen_raises_the_next_slot() {
    let mut record = Record::default();
    record.merge(&view(vec![machine(7, State::Running)], &[]));
    assert_eq!((slots(&record), record.next_slot), (vec![7], Some(8)));
}

#[test]
fn what_was_bound_before_its_status_was_lost_is_known_by_its_label() {
    for (label, was_bound) in [(None, false), (Some(""), false), (Some("workers"), true)] {
        let mut record = given(1);
        let mut agent = Agent::default();
        let label = label.map(|pool| (BINDING_LABEL.to_owned(), pool.to_owned()));
        agent.meta.labels = label.into_iter().collect();
        record.meet(&Matches {
            same: [(1, agent.into())].into(),
            ..Matches::default()
        });
        assert_eq!(record.entries[&1].was_bound, was_bound);
    }
}

#[test]
fn a_slot_stays_until_it_is_proved_gone() {
    let mut record = given(2);
    record.merge(&view(vec![], &[]));
    assert_eq!(slots(&record), [1, 2]);
    record.merge(&view(vec![machine(1, State::Running)], &[1, 2]));
    assert_eq!(slots(&record), [1]);
}

#[test]
fn an_entry_knows_its_folder_until_it_has_a_moref() {
    let mut record = given(1);
    assert_eq!(record.entries[&1].folder, "/DC0/vm");
    record.merge(&view(vec![machine(1, State::Running)], &[]));
    let entry = &record.entries[&1];
    assert_eq!((entry.folder.as_str(), entry.moref.as_str()), ("", "vm-1"));
    assert!(entry.powered_on_once);
}

#[test]
fn what_was_on_once_was_on_for_ever() {
    let mut record = given(1);
    record.merge(&view(vec![machine(1, State::Running)], &[]));
    record.merge(&view(vec![machine(1, State::Off)], &[]));
    let entry = &record.entries[&1];
    assert_eq!(entry.power_state, "poweredOff");
    assert!(entry.powered_on_once);
}

#[test]
fn what_is_expected_of_a_new_machine_is_what_is_seen_later() {
    let mut record = given(1);
    let expected = record.entries[&1].clone();
    record.merge(&view(vec![machine(1, State::Creating)], &[]));
    assert_eq!(record.entries[&1], expected);
}
