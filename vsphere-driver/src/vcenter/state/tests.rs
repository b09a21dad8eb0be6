//! What is known, changed step by step.

use super::*;
use crate::machines::{
    vm::fixtures::{key, ours},
    work::fixtures::queued,
};
use crate::vcenter::absences::MOST as ABSENCES;
use contract::v1::PowerState;

fn moref() -> MoRef {
    MoRef::new("VirtualMachine", "vm-1")
}

fn with_machine() -> State {
    let mut state = State::default();
    state.change_vm(&moref(), |vm| *vm = ours(1, "h"));
    state
}

#[test]
fn a_change_is_told_once_and_the_same_again_is_not() {
    let mut state = with_machine();
    let first = state.changes.last();
    state.change_vm(&moref(), |vm| vm.power = PowerState::Off);
    assert_eq!(state.changes.last(), first);
    state.change_vm(&moref(), |vm| vm.power = PowerState::On);
    let machine = state.machine(&Identity::Key(key(1))).expect("there");
    assert_eq!(
        (machine.power_state(), machine.revision),
        (PowerState::On, 2)
    );
}

#[test]
fn a_machine_is_found_by_key_and_by_name_until_it_is_renamed_or_gone() {
    let mut state = with_machine();
    let folder = MoRef::new("Folder", "group-v3");
    assert!(state.by_name(&folder, "pool-n01").is_some());
    state.change_vm(&moref(), |vm| vm.name = "other".into());
    assert!(state.by_name(&folder, "pool-n01").is_none());
    assert!(state.by_key(&key(1)).is_some());
    state.remove_vm(&moref(), Absence::default());
    assert!(state.by_name(&folder, "other").is_none());
    assert!(state.by_key(&key(1)).is_none());
    assert_eq!(state.absence(&key(1)), Some(Absence::default()));
}

#[test]
fn a_machine_whose_mark_is_taken_off_leaves_the_watch_and_stays_in_the_inventory() {
    let mut state = with_machine();
    state.change_vm(&moref(), |vm| vm.mark = None);
    assert!(state.machine(&Identity::Key(key(1))).is_none());
    assert!(state.vm(&moref()).is_some());
    let changes = state.changes.since(1, 9).expect("known");
    assert!(matches!(
        &changes[..],
        [(_, crate::changes::Change::Gone(t))] if t.cause() == RemovalCause::LeftFilter
    ));
}

#[test]
fn work_that_ends_after_its_machine_is_gone_leaves_nothing_to_be_told() {
    let mut state = with_machine();
    let work = queued(Verb::PowerOn);
    let job = work.job;
    state.begin(&key(1), work);
    state.remove_vm(&moref(), Absence::default());
    assert_eq!(state.identities().count(), 0);
    assert!(state.count_by_state().is_empty());
    let fault = Fault::default();
    state.finish(&key(1), job, |work| work.fail(fault, Timestamp::default()));
    assert!(state.machine(&Identity::Key(key(1))).is_none());
    let last = state
        .changes
        .since(state.changes.last() - 1, 9)
        .expect("known");
    assert!(matches!(
        &last[..],
        [(_, crate::changes::Change::Gone(t))] if t.cause() == RemovalCause::Gone
    ));
}

#[test]
fn a_create_ends_what_was_known_of_an_absence() {
    let mut state = with_machine();
    state.remove_vm(&moref(), Absence::default());
    let work = queued(Verb::Create);
    let job = work.job;
    state.begin(&key(1), work);
    assert_eq!(state.absence(&key(1)), None);
    state.finish(&key(1), job, |work| {
        work.fail(Fault::default(), Timestamp::default());
    });
    assert!(state.machine(&Identity::Key(key(1))).is_some());
}

#[test]
fn losing_sight_of_a_machine_is_not_its_end() {
    let mut state = with_machine();
    assert!(state.lose_vm(&moref()));
    assert!(state.is_missing(&moref()));
    assert!(state.absence(&key(1)).is_none());
    state.change_vm(&moref(), |_| {});
    assert!(!state.is_missing(&moref()));
}

#[test]
fn a_machine_that_came_back_under_another_reference_is_not_gone_with_the_old_one() {
    let again = MoRef::new("VirtualMachine", "vm-2");
    let there = |state: &State| {
        let machine = state.machine(&Identity::Key(key(1))).expect("it runs");
        assert_eq!(machine.moref, "vm-2");
        assert_eq!(state.absence(&key(1)), None);
    };
    // In whatever order a reading tells of the two.
    let mut state = with_machine();
    assert!(state.lose_vm(&moref()));
    state.change_vm(&again, |vm| *vm = ours(1, "h"));
    let told = state.changes.last();
    state.remove_vm(&moref(), Absence::default());
    there(&state);
    assert_eq!(state.changes.last(), told);

    let mut state = with_machine();
    state.change_vm(&again, |vm| *vm = ours(1, "h"));
    assert!(!state.lose_vm(&moref()), "nobody has to look for it");
    there(&state);

    let mut state = with_machine();
    state.change_vm(&again, |vm| *vm = ours(1, "h"));
    state.change_vm(&moref(), |vm| vm.mark = None);
    there(&state);
}

#[test]
fn what_was_done_before_notes_nothing_at_what_took_its_place() {
    let mut state = with_machine();
    let before = queued(Verb::PowerOn);
    let job = before.job;
    state.begin(&key(1), before);
    state.begin(&key(1), queued(Verb::Delete));
    assert!(!state.change_work(&key(1), job, |work| work.step(Verb::PowerOn)));
    state.finish(&key(1), job, |work| work.succeed(Timestamp::default()));
    state.withdraw(&key(1), job);
    let work = state.work(&key(1)).expect("the removal goes on");
    assert!(work.is_doing(Verb::Delete));
}

#[test]
fn each_machine_that_is_out_of_sight_is_looked_for_once() {
    let mut state = with_machine();
    assert!(state.lose_vm(&moref()));
    let told = state.changes.last();
    // Each new session reads everything anew, and does not see it either.
    assert!(!state.lose_vm(&moref()));
    assert_eq!(state.changes.last(), told);
    // It comes back and goes again, and whoever looks has not noticed.
    state.change_vm(&moref(), |_| {});
    assert!(!state.lose_vm(&moref()));
    assert!(state.is_looked_for(&moref()));
    state.change_vm(&moref(), |_| {});
    assert!(!state.is_looked_for(&moref()));
    assert!(state.lose_vm(&moref()));
}

#[test]
fn only_the_latest_absences_are_remembered() {
    let mut state = State::default();
    let absences = i32::try_from(ABSENCES).expect("small");
    for slot in 1..=absences + 1 {
        state.end(&key(slot), RemovalCause::Gone, Some(Absence::default()));
    }
    assert_eq!(state.absence(&key(1)), None);
    assert!(state.absence(&key(2)).is_some());
    assert!(state.absence(&key(absences + 1)).is_some());
}
