//! Views, told message by message.

use super::*;
use crate::{
    driver::{Freshness, Ownership},
    fixtures::machine,
};

const OWNER: &str = "owner";

fn begin(run_id: &str) -> Event {
    Event::SnapshotBegin {
        run_id: run_id.into(),
        freshness: Freshness {
            connected: true,
            fault: None,
        },
    }
}

fn changed(machines: Vec<Machine>) -> Event {
    Event::Changes {
        changed: machines,
        removed: vec![],
    }
}

fn removed(tombstone: Tombstone) -> Event {
    Event::Changes {
        changed: vec![],
        removed: vec![tombstone],
    }
}

fn tombstone(of: &Machine, gone: bool) -> Tombstone {
    Tombstone {
        key: of.key.clone(),
        instance_uuid: of.instance_uuid.clone(),
        moref: of.moref.clone(),
        gone,
        revision: of.revision,
    }
}

fn view(events: Vec<Event>) -> View {
    let mut view = View::default();
    for event in events {
        view.take(event);
    }
    view
}

fn slots(view: &View) -> Vec<i32> {
    let view = view.of_owner(OWNER, "clusters/pool");
    view.machines.into_keys().collect()
}

#[test]
fn a_view_is_complete_only_after_a_whole_snapshot() {
    let mut view = view(vec![begin("r1")]);
    assert!(!view.is_complete());
    view.take(changed(vec![machine(1, State::Running)]));
    assert!(!view.is_complete());
    view.take(Event::SnapshotEnd);
    assert!(view.is_complete());
    view.doubt();
    assert!(!view.is_complete());
    view.resumed();
    assert!(view.is_complete());
}

#[test]
fn what_a_snapshot_does_not_tell_is_forgotten_but_not_proved_gone() {
    let mut view = view(vec![
        begin("r1"),
        changed(vec![machine(1, State::Running), machine(2, State::Running)]),
        Event::SnapshotEnd,
        begin("r2"),
        changed(vec![machine(2, State::Running)]),
    ]);
    assert_eq!(slots(&view), [1, 2]);
    view.take(Event::SnapshotEnd);
    assert_eq!(slots(&view), [2]);
    assert!(view.of_owner(OWNER, "").gone.is_empty());
}

#[test]
fn of_two_views_in_one_run_the_higher_revision_stays() {
    let mut newer = machine(1, State::Running);
    newer.revision = 5;
    let mut older = machine(1, State::Creating);
    older.revision = 4;
    let mut view = view(vec![begin("r1"), Event::SnapshotEnd, changed(vec![newer])]);
    assert_eq!(view.put(older.clone()), None);
    let state = |view: &View| view.of_owner(OWNER, "").machines[&1].state;
    assert_eq!(state(&view), State::Running);

    view.take(begin("r2"));
    view.take(changed(vec![older]));
    assert_eq!(state(&view), State::Creating);
}

#[test]
fn only_a_proof_puts_a_slot_among_those_that_are_gone() {
    for (gone, slots) in [(true, BTreeSet::from([1])), (false, BTreeSet::new())] {
        let one = machine(1, State::Running);
        let stone = tombstone(&one, gone);
        let mut view = view(vec![begin("r1"), changed(vec![one]), Event::SnapshotEnd]);
        let concerned = view.take(removed(stone));
        assert_eq!(concerned, HashSet::from([Concerned::Owner(OWNER.into())]));
        let owner = view.of_owner(OWNER, "");
        assert_eq!((owner.machines.len(), owner.gone), (0, slots));
    }
}

#[test]
fn a_copy_neither_hides_nor_buries_the_original() {
    let original = machine(1, State::Running);
    let copy = Machine {
        name: "copy".into(),
        instance_uuid: "other".into(),
        moref: "vm-99".into(),
        ownership: Ownership::Copy,
        ..original.clone()
    };
    let stone = tombstone(&copy, true);
    let mut view = view(vec![
        begin("r1"),
        changed(vec![original, copy]),
        Event::SnapshotEnd,
    ]);
    let seen = view.of_owner(OWNER, "");
    assert_eq!(seen.copies, BTreeSet::from(["copy".to_owned()]));
    view.take(removed(stone));
    let seen = view.of_owner(OWNER, "");
    assert_eq!(
        (seen.machines.len(), seen.copies.len(), seen.gone.len()),
        (1, 0, 0)
    );
}

#[test]
fn the_companions_machines_concern_the_template_in_their_tag() {
    let theirs = Machine {
        key: None,
        ownership: Ownership::Companion,
        companion_template: "clusters/pool".into(),
        ..machine(1, State::Running)
    };
    let mut view = view(vec![begin("r1"), Event::SnapshotEnd]);
    let concerned = view.take(changed(vec![theirs]));
    assert_eq!(
        concerned,
        HashSet::from([Concerned::Template("clusters/pool".into())])
    );
    assert_eq!(view.of_owner(OWNER, "clusters/pool").companions.len(), 1);
    assert_eq!(view.of_owner(OWNER, "clusters/other").companions.len(), 0);
}

#[test]
fn an_answer_that_comes_after_the_tombstone_brings_nothing_back() {
    let one = Machine {
        revision: 5,
        ..machine(1, State::Running)
    };
    let stone = Tombstone {
        revision: 7,
        ..tombstone(&one, true)
    };
    let mut view = view(vec![begin("r1"), changed(vec![one]), Event::SnapshotEnd]);
    view.take(removed(stone));
    let late = Machine {
        revision: 6,
        ..machine(1, State::Deleting)
    };
    assert_eq!(view.put(late.clone()), None);
    assert!(slots(&view).is_empty());
    assert_eq!(view.of_owner(OWNER, "").gone, BTreeSet::from([1]));
    // A proof carries no revision, and is one whenever it comes.
    view.put(machine(1, State::Gone));
    assert_eq!(view.of_owner(OWNER, "").gone, BTreeSet::from([1]));
    // Of another run it may be newer.
    view.take(begin("r2"));
    view.put(late);
    assert_eq!(slots(&view), [1]);
}

#[test]
fn an_answer_that_knows_nothing_of_a_machine_is_no_machine() {
    let mut view = view(vec![begin("r1"), Event::SnapshotEnd]);
    assert_eq!(view.put(machine(1, State::Unknown)), None);
    assert!(slots(&view).is_empty());
}

#[test]
fn a_proof_outweighs_all_that_was_told_before_it() {
    let mut view = view(vec![begin("r1"), Event::SnapshotEnd]);
    let told = |revision, state| Machine {
        revision,
        ..machine(1, state)
    };
    view.put(told(7, State::Deleting));
    view.put(told(0, State::Gone));
    assert!(view.of_owner(OWNER, "").machines.is_empty());
    // The stream is late: it still tells of the time before.
    view.put(told(6, State::Deleting));
    assert!(view.of_owner(OWNER, "").machines.is_empty());
    assert_eq!(view.of_owner(OWNER, "").gone, BTreeSet::from([1]));
}

#[test]
fn a_slot_that_was_asked_for_again_is_no_longer_gone() {
    let mut view = view(vec![begin("r1"), Event::SnapshotEnd]);
    view.put(machine(1, State::Gone));
    assert_eq!(view.of_owner(OWNER, "").gone, BTreeSet::from([1]));
    view.put(machine(1, State::Creating));
    assert!(view.of_owner(OWNER, "").gone.is_empty());
}
