//! The rules of a plan, as tables.

mod healing;
mod leaving;

use super::{repeat::AGAIN, *};
use crate::{
    crd::{AGENT_FINALIZER, AdoptionStatus, VmStatus},
    driver::{Fault, Ownership, Retry, State},
    fixtures::{fault, machine, world::World},
    hub::Sought,
    iso::IsoSight,
    kinds::{agent::Agent, node_pool::NodePool},
    link::OwnerView,
    reconcile::record::{DELETING, PENDING},
    wish::Mode,
};
use contract::v1::Reason;
use jiff::SignedDuration;
use std::sync::Arc;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

impl World {
    fn plan(&self) -> Plan {
        plan(&self.seen())
    }

    /// Slots to be made, and slots to be removed.
    fn steps(&self) -> (Vec<i32>, Vec<i32>) {
        let plan = self.plan();
        (
            plan.ensure.iter().map(|(slot, _)| *slot).collect(),
            plan.removed().into_iter().collect(),
        )
    }
}

fn running(slots: &[i32]) -> Vec<(i32, State)> {
    slots.iter().map(|slot| (*slot, State::Running)).collect()
}

#[test]
fn each_state_has_its_steps() {
    use State::{Creating, Failed, Off, PoweringOn, Running, Unknown};
    for (why, replicas, machines, make, remove) in [
        ("an empty template is filled", 2, vec![], vec![1, 2], vec![]),
        (
            "what is under way counts",
            2,
            vec![(1, Creating), (2, PoweringOn)],
            vec![],
            vec![],
        ),
        (
            "what runs is left alone",
            1,
            vec![(1, Running)],
            vec![],
            vec![],
        ),
        (
            "what was made is switched on",
            1,
            vec![(1, Off)],
            vec![1],
            vec![],
        ),
        (
            "what failed is tried again",
            1,
            vec![(1, Failed)],
            vec![1],
            vec![],
        ),
        (
            "what cannot be told is waited for",
            1,
            vec![(1, Unknown)],
            vec![],
            vec![],
        ),
    ] {
        let world = World::new(replicas, &machines);
        assert_eq!(world.steps(), (make, remove), "{why}");
    }
}

#[test]
fn the_number_of_machines_is_kept_without_reusing_one() {
    use State::{Conflict, Deleting, Failed, Running};
    for (why, replicas, machines, make, remove) in [
        (
            "a taken name is skipped",
            1,
            vec![(1, Conflict)],
            vec![2],
            vec![1],
        ),
        (
            "what goes is replaced",
            1,
            vec![(1, Deleting)],
            vec![2],
            vec![],
        ),
        (
            "the highest goes first",
            1,
            running(&[1, 2, 3]),
            vec![],
            vec![2, 3],
        ),
        (
            "what never ran goes before",
            1,
            vec![(1, Failed), (2, Running), (3, Running)],
            vec![],
            vec![1, 3],
        ),
        (
            "a hole is not filled with its number",
            3,
            running(&[1, 3]),
            vec![4],
            vec![],
        ),
    ] {
        let world = World::new(replicas, &machines);
        assert_eq!(world.steps(), (make, remove), "{why}");
    }
}

#[test]
fn new_slots_are_recorded_with_the_next_one() {
    let plan = World::new(2, &[]).plan();
    assert_eq!(plan.record.next_slot, Some(3));
    let entry = &plan.record.entries[&1];
    assert_eq!(
        (entry.phase.as_str(), entry.name.as_str()),
        (PENDING, "pool-n01")
    );
    assert_eq!(entry.folder, "/DC0/vm/pool");
}

#[test]
fn a_slot_that_was_recorded_and_never_made_is_asked_for() {
    assert_eq!(World::new(1, &[]).pending(1).steps(), (vec![1], vec![]));
}

#[test]
fn a_machine_that_vanished_is_proved_gone_before_it_is_replaced() {
    let mut world = World::new(2, &running(&[1, 2]));
    world.sight.owner.machines.remove(&2);
    assert_eq!(world.steps(), (vec![], vec![2]));
    let plan = world.plan();
    assert_eq!(plan.delete, vec![], "nobody chose it to go");
    assert_eq!(plan.prove[0].moref, "vm-2");

    world.sight.owner.gone.insert(2);
    assert_eq!(world.steps(), (vec![3], vec![]));
}

#[test]
fn a_power_off_from_outside_is_not_fought() {
    let mut world = World::new(1, &[(1, State::Off)]);
    world.entry(1).powered_on_once = true;
    assert_eq!(world.steps(), (vec![], vec![]));
}

#[test]
fn a_create_whose_outcome_nobody_knows_is_asked_for_again() {
    let mut world = World::new(1, &[(1, State::Unknown)]);
    // It has a moref: it is only out of sight.
    assert_eq!(world.steps(), (vec![], vec![]));
    world.entry(1).moref = String::new();
    let machine = world.sight.owner.machines.get_mut(&1).unwrap();
    std::sync::Arc::make_mut(machine).moref = String::new();
    assert_eq!(world.steps(), (vec![1], vec![]));
}

#[test]
fn a_power_on_whose_outcome_nobody_knows_is_asked_for_again() {
    let mut world = World::new(1, &[(1, State::Unknown)]);
    let machine = world.sight.owner.machines.get_mut(&1).unwrap();
    std::sync::Arc::make_mut(machine).fault = Some(Fault {
        word: Reason::OutcomeUnknown.row().word,
        ..fault(Retry::Backoff)
    });
    assert_eq!(world.steps(), (vec![1], vec![]));
    world.entry(1).powered_on_once = true;
    assert_eq!(world.steps(), (vec![], vec![]));
}

#[test]
fn what_was_asked_for_a_moment_ago_waits_and_what_is_new_does_not() {
    let plan = World::new(2, &[]).plan();
    let after = |acted: &Plan| plan.clone().after(acted, NOW).wake;
    assert_eq!(after(&plan), Some(NOW + AGAIN));
    let mut less = plan.clone();
    less.ensure.pop();
    assert_eq!(after(&less), Some(NOW));
}

#[test]
fn a_selection_that_came_up_meanwhile_is_not_forgotten() {
    let mut world = World::new(1, &running(&[1])).of_node_pool(1);
    let acted = world.plan();
    assert_eq!(acted.select, None, "nobody has read its machines yet");
    world.pool.machines = Sought::Found(Vec::new());
    let plan = world.plan();
    assert!(plan.select.is_some());
    assert_eq!(plan.after(&acted, NOW).wake, Some(NOW));
}

#[test]
fn those_that_are_chosen_to_go_are_written_down_first() {
    let world = World::new(1, &running(&[1, 2]));
    let plan = world.plan();
    assert!(plan.record.leaves_more_than(&world.status));
    let mut world = World::new(1, &running(&[1, 2]));
    world.entry(2).phase = DELETING.into();
    assert!(!world.plan().record.leaves_more_than(&world.status));
}

#[test]
fn what_was_chosen_to_go_goes_even_if_more_are_wanted_now() {
    let mut world = World::new(2, &running(&[1, 2]));
    world.entry(2).phase = DELETING.into();
    assert_eq!(world.steps(), (vec![3], vec![2]));
}

#[test]
fn nothing_is_done_where_something_holds() {
    type Spoil = fn(&mut World);
    let spoil: [(Hold, Spoil); 5] = [
        (Hold::Paused, |world| world.wish.paused = true),
        (Hold::Invalid, |world| {
            world.wish.problems = vec!["broken".into()];
        }),
        (Hold::NotLive, |world| {
            world.sight.connection = Connection::Syncing;
        }),
        (Hold::OtherVcenter, |world| {
            world.status.vcenter_instance_uuid = Some("vc-b".into());
        }),
        (Hold::Adoption, |world| {
            world.sight.owner.companions.insert("pool-n01".into());
        }),
    ];
    for (hold, spoil) in spoil {
        for replicas in [0, 9] {
            let mut world = World::new(replicas, &running(&[1, 2]));
            spoil(&mut world);
            let plan = world.plan();
            assert_eq!(plan.hold, Some(hold));
            assert_eq!((plan.ensure, plan.delete), (vec![], vec![]), "{hold:?}");
        }
    }
}

/// An Agent of the machine of this slot.
fn agent(world: &mut World, slot: i32, bound: bool) -> Arc<Agent> {
    let mut agent = Agent::default();
    agent.meta.finalizers = vec![AGENT_FINALIZER.into()];
    agent.spec.cluster_deployment_name = bound.then(Default::default);
    agent.status.inventory.system_vendor.serial_number = world.entry(slot).serial_number.clone();
    Arc::new(agent)
}

#[test]
fn a_node_is_never_removed_because_of_a_number() {
    for deleting in [false, true] {
        let mut world = World::new(0, &running(&[1, 2, 3]));
        world.wish.deleting = deleting;
        let (bound, free) = (agent(&mut world, 3, true), agent(&mut world, 2, false));
        world.pool.agents = Sought::Found(vec![bound, free]);
        assert_eq!(world.steps(), (vec![], vec![1]), "deleting: {deleting}");
        assert_eq!(world.plan().fence, [2], "it has an Agent");
        world.pool.agents = Sought::Unreadable("forbidden".into());
        assert_eq!(world.steps(), (vec![], vec![]), "nobody could look");
    }
}

#[test]
fn nothing_scales_where_nobody_is_heard_but_what_was_begun_goes_on() {
    let pool = Mode::NodePool {
        name: "workers".into(),
        replicas_ignored: false,
    };
    for node_pool in [Sought::Syncing, Sought::KindMissing] {
        let mut world = World::new(0, &running(&[1, 2, 3])).pending(4);
        world.wish.mode = pool.clone();
        world.pool.node_pool = node_pool;
        world.status.desired_replicas = Some(9);
        world.entry(3).phase = DELETING.into();
        assert_eq!(world.steps(), (vec![4], vec![3]));
    }
}

#[test]
fn while_a_fall_is_held_none_goes_and_none_is_made_anew() {
    for (there, make) in [(6, vec![]), (3, vec![]), (1, vec![7])] {
        let slots: Vec<_> = (1..=6).collect();
        let mut world = World::new(0, &running(&slots[..there]));
        world.wish.mode = Mode::NodePool {
            name: "workers".into(),
            replicas_ignored: false,
        };
        let mut pool = NodePool::default();
        pool.spec.platform.type_ = Some("Agent".into());
        pool.spec.replicas = Some(2);
        world.pool.node_pool = Sought::Found(Arc::new(pool));
        world.status.desired_replicas = Some(6);
        world.status.next_slot = Some(7);
        assert_eq!(world.steps(), (make, vec![]), "{there} of 6 are there");
    }
}

#[test]
fn nothing_is_made_that_could_not_be_placed_or_would_not_boot() {
    let spoil: [fn(&mut World); 4] = [
        |world| world.checks = None,
        |world| {
            let checks = world.checks.as_mut().unwrap();
            checks.placement = Err(fault(Retry::Backoff));
        },
        |world| {
            let checks = world.checks.as_mut().unwrap();
            checks.placement.as_mut().unwrap().faults = vec![fault(Retry::Slow)];
        },
        |world| world.checks.as_mut().unwrap().iso.sight = IsoSight::Failed(fault(Retry::Slow)),
    ];
    for spoil in spoil {
        let mut world = World::new(2, &[]).pending(1);
        spoil(&mut world);
        let plan = world.plan();
        assert_eq!((plan.ensure, plan.record.next_slot), (vec![], Some(2)));

        let mut world = World::new(0, &running(&[1]));
        spoil(&mut world);
        assert_eq!(
            world.steps(),
            (vec![], vec![1]),
            "removing needs none of it"
        );
    }
}

#[test]
fn what_failed_is_looked_at_when_it_is_due() {
    let mut world = World::new(1, &[(1, State::Failed)]);
    world
        .attempts
        .note(Work::Make(1), Some(fault(Retry::Backoff)), NOW);
    let plan = world.plan();
    assert_eq!(plan.ensure, vec![]);
    assert!(
        plan.wake.is_some_and(|wake| wake.as_second() <= 2),
        "{plan:?}"
    );
}

#[test]
fn a_number_whose_name_was_taken_is_passed_over_when_the_conflict_is_out_of_sight() {
    let mut world = World::new(2, &running(&[1])).pending(2);
    let conflict = Fault {
        word: Reason::ConflictForeign.row().word,
        ..fault(Retry::Slow)
    };
    world.attempts.note(Work::Make(2), Some(conflict), NOW);
    assert_eq!(world.steps(), (vec![3], vec![2]));
}

#[test]
fn no_slot_is_given_out_while_making_fails_as_a_whole() {
    let mut world = World::new(3, &[]);
    world
        .attempts
        .note(Work::Ensure, Some(fault(Retry::Slow)), NOW);
    let plan = world.plan();
    assert_eq!((plan.record.next_slot, plan.ensure), (None, vec![]));
}

#[test]
fn a_template_that_is_deleted_removes_all_that_it_ever_asked_for() {
    let world = World::new(2, &running(&[1, 2])).pending(3).deleting();
    let plan = world.plan();
    assert_eq!(world.steps(), (vec![], vec![1, 2, 3]));
    assert_eq!(plan.delete[2].folder, "/DC0/vm");
    assert!(!plan.finished);
}

/// A template that is being deleted, and has had one machine.
fn used() -> World {
    World::new(1, &running(&[1])).deleting()
}

/// A template that is being deleted, and never did anything.
fn fresh() -> World {
    let mut world = World::new(1, &[]);
    world.status = VMwareNodePoolTemplateStatus::default();
    world.deleting()
}

impl World {
    /// The one machine is proved gone.
    fn gone(mut self) -> Self {
        self.sight.owner = OwnerView {
            gone: [1].into(),
            ..OwnerView::default()
        };
        self
    }

    fn with(mut self, connection: Connection) -> Self {
        self.sight.connection = connection;
        self
    }
}

#[test]
fn a_template_goes_only_when_nothing_of_it_can_be_left() {
    use Connection::{NoSecret, Starting, Syncing};
    let mut paused = used().gone();
    paused.wish.paused = true;
    let mut companion = fresh();
    let companions = &mut companion.sight.owner.companions;
    companions.insert("pool-n01".into());
    let kept = World::new(1, &running(&[1])).gone();
    for (why, world, finished) in vec![
        ("not deleted", kept, false),
        ("a machine is there", used(), false),
        ("proved gone", used().gone(), true),
        ("paused", paused, false),
        ("never acted, unseen", fresh().with(Starting), true),
        ("never acted, no Secret", fresh().with(NoSecret), true),
        ("recorded, no Secret", used().with(NoSecret), false),
        ("all gone, no Secret", used().gone().with(NoSecret), true),
        ("all gone, not all told", used().gone().with(Syncing), false),
        ("the companion's is there", companion, false),
    ] {
        assert_eq!(world.plan().finished, finished, "{why}");
    }
}

#[test]
fn a_template_that_leaves_its_machines_goes_at_once_and_touches_none() {
    for ending in [Ending::Orphan, Ending::Abandon] {
        for connection in [Connection::Live, Connection::NoSecret] {
            let mut world = World::new(1, &running(&[1])).deleting().with(connection);
            world.wish.ending = ending;
            let plan = world.plan();
            assert_eq!((plan.finished, plan.delete), (true, vec![]), "{ending:?}");
            world.wish.deleting = false;
            assert!(!world.plan().finished, "{ending:?} without a deletion");
        }
    }
}

#[test]
fn an_invalid_spec_does_not_keep_a_template_from_going() {
    let mut world = World::new(1, &running(&[1])).deleting();
    world.wish.problems = vec!["broken".into()];
    assert_eq!(world.steps(), (vec![], vec![1]));
}

#[test]
fn a_taken_name_is_given_up_in_time_though_its_conflict_would_be_looked_at_much_later() {
    for (why, answer, seconds) in [
        ("it could not be proved", Some(fault(Retry::Backoff)), 2),
        ("it was accepted", None, 6),
    ] {
        let mut world = World::new(1, &[(1, State::Conflict)]);
        let machine = world.machine(1);
        machine.moref.clear();
        machine.fault = Some(fault(Retry::Slow));
        world.attempts.note(Work::Remove(1), answer, NOW);
        assert!(world.steps().1.is_empty(), "{why}: not at once");
        world.now = NOW + SignedDuration::from_secs(seconds);
        assert_eq!(world.steps().1, [1], "{why}");
    }
}

#[test]
fn a_slot_whose_name_is_taken_goes_whatever_is_told_of_it_later() {
    let mut world = World::new(1, &[(1, State::Conflict)]);
    let plan = world.plan();
    world.status.vm_status = plan.record.entries.into_values().collect();
    world.machine(1).state = State::Unknown;
    assert_eq!(world.steps(), (vec![2], vec![1]));
}

#[test]
fn machines_that_are_going_have_their_place_in_the_quota() {
    let mut world = World::new(3, &[(1, State::Running), (2, State::Deleting)]);
    world.wish.max = Some(3);
    assert_eq!(world.steps(), (vec![3], vec![]));
    world.wish.max = Some(2);
    assert_eq!(world.steps(), (vec![], vec![]));
}

/// A machine that the companion made for the template.
fn companions(world: &mut World, number: i32) {
    let machine = Machine {
        key: None,
        ownership: Ownership::Companion,
        companion_template: "clusters/pool".into(),
        folder: "/DC0/vm/pool".into(),
        ..machine(number, State::Running)
    };
    let owner = &mut world.sight.owner;
    owner.companions.insert(machine.name.clone());
    owner
        .adoptable
        .insert(machine.moref.clone(), machine.into());
}

#[test]
fn machines_are_adopted_only_where_that_is_asked_and_nothing_else_is_done() {
    for (adopt, adopted, next_slot) in [
        (None, 0, None),
        (Some(Adopt::Plan), 1, None),
        (Some(Adopt::Do), 1, Some(4)),
    ] {
        let mut world = World::new(5, &[]);
        companions(&mut world, 3);
        world.wish.adopt = adopt;
        let plan = world.plan();
        assert_eq!(plan.hold, Some(Hold::Adoption));
        assert_eq!(
            (plan.adopt.len(), plan.record.next_slot),
            (adopted, next_slot)
        );
        assert_eq!((plan.ensure, plan.delete), (vec![], vec![]));
    }
}

#[test]
fn the_machines_of_an_owner_that_is_no_more_are_no_reason_to_make_others() {
    let mut world = World::new(5, &[]);
    let former = machine(1, State::Running);
    let adoptable = &mut world.sight.owner.adoptable;
    adoptable.insert(former.moref.clone(), former.into());
    let plan = world.plan();
    assert_eq!((plan.hold, plan.ensure), (Some(Hold::Adoption), vec![]));
}

#[test]
fn machines_that_are_given_up_are_neither_made_nor_removed_and_listed_without_a_number() {
    let mut world = World::new(1, &[(1, State::Running), (2, State::Running)]);
    world.wish.release = true;
    let first = world.plan();
    assert_eq!(first.hold, Some(Hold::Released));
    assert_eq!((first.release.len(), first.delete), (2, vec![]));
    world.sight.owner.machines.remove(&1);
    companions(&mut world, 1);
    let then = world.plan();
    assert_eq!(then.release.len(), 1);
    assert_eq!(then.record.entries.keys().collect::<Vec<_>>(), [&2]);
    let listed = &then.record.foreign[0];
    assert_eq!((listed.name.as_str(), listed.slot), ("pool-n01", None));
}

#[test]
fn a_machine_that_was_adopted_is_listed_once() {
    let mut world = World::new(1, &[(1, State::Running)]);
    world.status.vm_status.push(VmStatus {
        name: "pool-n01".into(),
        ..VmStatus::default()
    });
    let plan = world.plan();
    assert_eq!(
        (plan.record.entries.len(), plan.record.foreign.len()),
        (1, 0)
    );
}

#[test]
fn a_machine_that_is_just_changing_hands_is_no_reason_to_make_another() {
    for (adopt, moref, hold) in [
        (Some(Adopt::Do), "vm-9", Some(Hold::Adoption)),
        (Some(Adopt::Do), "vm-1", None),
        (Some(Adopt::Plan), "vm-9", None),
        (None, "vm-9", None),
    ] {
        let mut world = World::new(2, &[(1, State::Running)]);
        world.wish.adopt = adopt;
        let line = AdoptionPlan {
            moref: moref.into(),
            ..AdoptionPlan::default()
        };
        let plan = vec![line.clone()];
        world.status.adoption = Some(AdoptionStatus { plan });
        let plan = world.plan();
        assert_eq!(plan.hold, hold, "{adopt:?} {moref}");
        let awaited = hold.map(|_| line).into_iter().collect::<Vec<_>>();
        assert_eq!(
            (plan.awaited, plan.ensure.is_empty()),
            (awaited, hold.is_some())
        );
    }
}

#[test]
fn a_machine_that_was_off_when_it_was_adopted_is_left_off() {
    for (adopted, made) in [("vm-1", 0), ("vm-9", 1)] {
        let mut world = World::new(1, &[(1, State::Off)]);
        let line = AdoptionPlan {
            moref: adopted.into(),
            ..AdoptionPlan::default()
        };
        world.status.adoption = Some(AdoptionStatus { plan: vec![line] });
        world.entry(1).powered_on_once = false;
        let plan = world.plan();
        assert_eq!(plan.ensure.len(), made, "{adopted}");
        assert_eq!(plan.record.entries[&1].powered_on_once, made == 0);
    }
}
