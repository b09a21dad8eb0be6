//! Machines that do not get on.

use super::*;
use crate::{
    agents::fixtures::bound,
    crd::{Awaited, SelfHealingStatus},
    healing::Stage,
    leaving::course::{FENCING, Look},
    link::Connection,
};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Longer ago than any deadline.
const LONG: i64 = 3600;

/// The machines of a node pool that asks for no more.
fn world(machines: &[(i32, State)]) -> World {
    let count = i32::try_from(machines.len()).unwrap();
    let mut world = World::new(0, machines).of_node_pool(count);
    world.now = NOW + SignedDuration::from_secs(LONG);
    world
}

/// On, and without an Agent for so many seconds each.
fn silent(seconds: &[i64]) -> World {
    let slots: Vec<_> = (1..).take(seconds.len()).collect();
    let mut world = world(&running(&slots));
    for (slot, seconds) in slots.into_iter().zip(seconds) {
        world.wait(slot, Stage::Registration, *seconds);
    }
    world
}

/// One whose Agent has not been fit for long.
fn unfit() -> World {
    let mut world = world(&running(&[1]));
    let agent = world.agent(1, "insufficient-unbound");
    world.entry(1).agent_name.clone_from(&agent.meta.name);
    world.wait(1, Stage::Validation, LONG);
    world.meet(vec![agent]);
    world
}

impl World {
    /// The machine has waited for this for so many seconds.
    fn wait(&mut self, slot: i32, stage: Stage, seconds: i64) {
        let since = self.now - SignedDuration::from_secs(seconds);
        self.entry(slot).awaited = Some(Awaited {
            stage: stage.word().into(),
            since: Some(Time(since)),
            retried: false,
        });
    }

    fn meet(&mut self, agents: Vec<Agent>) {
        self.pool.agents = Sought::Found(agents.into_iter().map(Arc::new).collect());
    }

    /// Slots that leave because they did not get on.
    fn replaced(&self) -> Vec<(i32, String)> {
        let entries = self.plan().record.entries.into_iter();
        let leaving = entries.filter(|(_, it)| Stage::of_reason(&it.leaving_reason).is_some());
        leaving
            .map(|(slot, entry)| (slot, entry.leaving_reason))
            .collect()
    }

    /// What was planned was written down.
    fn note(&mut self) {
        let seen = self.seen();
        let plan = plan(&seen);
        self.status.self_healing = plan.self_healing(&seen);
        self.status.vm_status = plan.record.entries.into_values().collect();
    }

    fn replaced_so_far(&self) -> i32 {
        self.status.self_healing.as_ref().unwrap().replacements
    }

    fn replacements(&mut self, replacements: i32) {
        self.status.self_healing = Some(SelfHealingStatus {
            replacements,
            ..SelfHealingStatus::default()
        });
    }
}

fn not_registered(slot: i32) -> Vec<(i32, String)> {
    vec![(slot, "NotRegistered".into())]
}

#[test]
fn a_machine_whose_agent_never_registers_is_removed_and_another_is_made() {
    let mut world = silent(&[LONG]);
    let plan = world.plan();
    assert_eq!(world.replaced(), not_registered(1));
    assert_eq!(world.steps(), (vec![], vec![1]));
    assert!(plan.record.leaves_more_than(&world.status), "written first");
    world.note();
    assert_eq!(world.steps(), (vec![2], vec![1]));
    let counted = world.replaced_so_far();
    assert_eq!(counted, 1);
}

#[test]
fn the_next_deadline_wakes_and_nothing_else() {
    let mut world = silent(&[100, 200]);
    world.believe_checks();
    assert_eq!(world.replaced(), []);
    let left = SignedDuration::from_secs(160);
    assert_eq!(world.plan().wake, Some(world.now + left));
}

#[test]
fn who_waits_longest_goes_first_and_no_more_than_permitted_go_at_a_time() {
    let mut world = silent(&[1000, 2000, 3000]);
    assert_eq!(world.replaced(), not_registered(3));
    world.note();
    assert_eq!(world.replaced(), not_registered(3));
    let waiting = world.plan().care.waiting;
    assert_eq!(waiting.into_iter().collect::<Vec<_>>(), [1, 2]);
    let healing = world.wish.healing.as_mut().unwrap();
    healing.at_once = 3;
    assert_eq!(world.replaced().len(), 3);
}

#[test]
fn a_machine_with_an_agent_is_fenced_and_stays_if_it_got_on_meanwhile() {
    let mut world = unfit();
    assert_eq!(world.replaced(), [(1, "NotValidated".to_owned())]);
    assert_eq!((world.plan().fence, world.steps().1), (vec![1], vec![]));
    world.note();
    assert_eq!(world.entry(1).leaving, FENCING);
    world.looks.insert(1, Look::Clear);
    assert_eq!(world.steps().1, [1], "nothing has changed");

    world.pool.agents = Sought::Unreadable("forbidden".into());
    assert_eq!((world.replaced().len(), world.steps().1), (1, vec![]));

    let fit = world.agent(1, "known-unbound");
    world.meet(vec![fit]);
    assert_eq!((world.replaced(), world.steps().1), (vec![], vec![]));

    let unfit = world.agent(1, "insufficient-unbound");
    world.meet(vec![bound(unfit)]);
    assert_eq!((world.replaced(), world.steps().1), (vec![], vec![]));
}

#[test]
fn a_machine_that_a_cluster_has_is_told_of_and_left_to_it() {
    let mut world = unfit();
    let agent = world.agent(1, "installing-in-progress");
    world.meet(vec![bound(agent)]);
    world.wait(1, Stage::Installation, LONG);
    assert_eq!(world.replaced(), []);
    assert!(world.plan().care.overdue.contains(&1));
}

#[test]
fn the_power_is_asked_for_once_more_although_it_was_just_refused_and_then_the_machine_goes() {
    let mut world = world(&[(1, State::Failed)]);
    world.entry(1).powered_on_once = false;
    let refused = fault(Retry::Slow);
    world.attempts.note(Work::Make(1), Some(refused), world.now);
    assert_eq!(world.steps(), (vec![], vec![]));
    world.wait(1, Stage::PowerOn, 90);
    assert_eq!(world.steps(), (vec![1], vec![]));
    world.note();
    assert!(world.entry(1).awaited.as_ref().unwrap().retried);
    assert_eq!(world.steps(), (vec![], vec![]));
    world.now += SignedDuration::from_secs(90);
    assert_eq!(world.replaced(), [(1, "NotPoweredOn".to_owned())]);
}

#[test]
fn a_machine_that_waits_its_turn_to_be_switched_on_is_not_late() {
    let mut world = world(&[(1, State::PoweringOn)]);
    world.entry(1).powered_on_once = false;
    let plan = world.plan();
    let begun = plan.record.entries[&1].awaited.as_ref().unwrap();
    assert_eq!(begun.stage, "PowerOn");
    for (seconds, replaced) in [(600, false), (3599, false), (3600, true)] {
        world.wait(1, Stage::PowerOn, seconds);
        assert_eq!(world.plan().care.retry.len(), 0, "{seconds}");
        assert_eq!(!world.replaced().is_empty(), replaced, "{seconds}");
    }
    world.wait(1, Stage::PowerOn, 600);
    world.machine(1).state = State::Failed;
    assert_eq!(world.plan().care.retry.len(), 1, "its turn has come");
}

#[test]
fn time_in_which_the_hub_could_not_be_seen_does_not_count() {
    let mut world = silent(&[LONG]);
    world.believe_checks();
    assert_eq!(world.replaced(), not_registered(1));
    let seconds = |seconds| SignedDuration::from_secs(seconds);
    world.pool.agents_since = Some(world.now - seconds(359));
    assert_eq!(world.replaced(), []);
    assert_eq!(world.plan().wake, Some(world.now + seconds(1)));
    world.note();
    world.pool.agents_since = None;
    world.now += seconds(1);
    assert_eq!(world.replaced(), not_registered(1));
}

#[test]
fn nothing_is_replaced_any_more_after_many_without_a_success() {
    let mut world = silent(&[LONG, LONG]);
    world.replacements(4);
    world.wish.healing.as_mut().unwrap().at_once = 2;
    assert_eq!(world.replaced(), not_registered(1));
    world.replacements(5);
    assert_eq!(world.replaced(), []);
    assert_eq!(world.plan().care.waiting.len(), 2);

    world.wish.close_circuit = true;
    assert_eq!(world.replaced().len(), 2, "somebody closed it");

    world.wish.close_circuit = false;
    world.entry(2).phase = "WaitingForAgent".into();
    let fit = world.agent(2, "known-unbound");
    world.meet(vec![fit]);
    assert_eq!(world.replaced(), not_registered(1), "one got on");
}

#[test]
fn a_machine_that_is_fit_once_more_is_no_success() {
    let mut world = world(&running(&[1, 2]));
    let first = world.agent(1, "known-unbound");
    world.meet(vec![first.clone()]);
    world.note();
    assert!(world.entry(1).was_ready && !world.entry(2).was_ready);
    world.replacements(5);
    for state in ["disconnected-unbound", "known-unbound"] {
        let again = world.agent(1, state);
        world.meet(vec![again]);
        world.note();
        let status = world.status.self_healing.as_ref().unwrap();
        assert_eq!(status.replacements, 5, "{state}");
    }
    let second = world.agent(2, "known-unbound");
    world.meet(vec![first, second]);
    world.note();
    assert_eq!(world.status.self_healing, None, "the first time of another");
}

#[test]
fn an_annotation_that_stays_closes_the_circuit_once() {
    let mut world = silent(&[]);
    world.replacements(5);
    world.wish.close_circuit = true;
    world.note();
    let heeded = SelfHealingStatus {
        closed_by_annotation: true,
        ..SelfHealingStatus::default()
    };
    assert_eq!(world.status.self_healing, Some(heeded));
    world.status.self_healing.as_mut().unwrap().replacements = 5;
    world.note();
    let after = world.replaced_so_far();
    assert_eq!(after, 5);
}

#[test]
fn nobody_is_replaced_who_cannot_be_judged_or_is_not_to_be() {
    type Spoil = fn(&mut World);
    let spoil: [(&str, Spoil); 8] = [
        ("paused", |world| world.wish.paused = true),
        ("deleting", |world| world.wish.deleting = true),
        ("off", |world| world.wish.healing = None),
        ("an outage", |world| {
            world.sight.connection = Connection::VcenterDown(None);
        }),
        ("out of sight", |world| world.sight.owner.machines.clear()),
        ("no Agents to be seen", |world| {
            world.pool.agents = Sought::Unreadable("forbidden".into());
        }),
        ("the node pool is not heard", |world| {
            world.pool.node_pool = Sought::Syncing;
        }),
        ("switched off by somebody", |world| {
            let machine = world.machine(1);
            machine.state = State::Off;
            machine.power = Some(Power::Off);
        }),
    ];
    for (why, spoil) in spoil {
        let mut world = silent(&[LONG]);
        world.entry(1).powered_on_once = true;
        assert_eq!(world.replaced(), not_registered(1));
        spoil(&mut world);
        assert_eq!(world.replaced(), [], "{why}");
    }
}

#[test]
fn what_a_machine_waits_for_stands_still_while_it_cannot_be_judged() {
    let blind: [fn(&mut World); 3] = [
        |world| world.wish.paused = true,
        |world| world.sight.connection = Connection::VcenterDown(None),
        |world| world.pool.agents = Sought::Unreadable("forbidden".into()),
    ];
    for blind in blind {
        let mut world = silent(&[300]);
        let seeing = (world.sight.connection.clone(), world.pool.agents.clone());
        blind(&mut world);
        world.note();
        world.now += SignedDuration::from_secs(1000);
        world.note();
        (world.wish.paused, world.sight.connection, world.pool.agents) =
            (false, seeing.0, seeing.1);
        let awaited = world.plan().record.entries[&1].awaited.clone().unwrap();
        let waited = world.now.duration_since(awaited.since.unwrap().0);
        assert_eq!(waited, SignedDuration::from_secs(300));
        world.note();
        assert_eq!(world.status.self_healing, None);
        world.now += SignedDuration::from_secs(60);
        assert_eq!(world.replaced(), not_registered(1));
    }
}

#[test]
fn who_is_ready_or_waits_for_a_person_may_wait_for_ever() {
    for state in ["known-unbound", "disabled-unbound"] {
        let mut world = unfit();
        let agent = world.agent(1, state);
        world.meet(vec![agent]);
        assert_eq!(world.replaced(), [], "{state}");
        let entry = &world.plan().record.entries[&1];
        assert_eq!(entry.awaited, None, "{state}");
    }
    let mut world = silent(&[LONG]);
    let mut contradicting = world.agent(1, "known-unbound");
    contradicting.status.inventory.system_vendor.serial_number = "VMware-42".into();
    contradicting.meta.name.clone_from(&world.entry(1).uuid);
    world.meet(vec![contradicting]);
    assert_eq!(world.replaced(), [], "contradicted");
}

#[test]
fn in_test_mode_a_machine_has_only_to_be_on() {
    let mut world = World::new(2, &[(1, State::Running), (2, State::Failed)]);
    world.wish.healing = silent(&[]).wish.healing;
    world.now = NOW + SignedDuration::from_secs(LONG);
    world.wait(2, Stage::PowerOn, LONG);
    world.entry(2).awaited.as_mut().unwrap().retried = true;
    assert_eq!(world.replaced(), [(2, "NotPoweredOn".to_owned())]);
    assert_eq!(world.plan().record.entries[&1].awaited, None);
}
