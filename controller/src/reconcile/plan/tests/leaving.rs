//! Machines with Agents, on their way out.

use super::*;
use crate::kinds::{agent::ClusterDeploymentName, agent_machine::AgentMachine};
use crate::leaving::{
    course::{FENCING, GONE, Look},
    release::{
        AgentView, Health,
        tests::{agent, bound},
    },
};

/// The Agent of a machine, as it is told.
fn told(slot: i32, view: &AgentView) -> Arc<Agent> {
    let mut agent = Agent::default();
    agent.meta.name = name(slot);
    agent.meta.namespace.clone_from(&view.namespace);
    agent.meta.deleting = view.leaving;
    agent.meta.finalizers = vec![AGENT_FINALIZER.into()];
    let cluster = view.cluster.is_some();
    agent.spec.cluster_deployment_name = cluster.then(Default::default);
    let disconnected = view.health == Health::Disconnected;
    agent.status.debug_info.state = if disconnected { "disconnected" } else { "" }.into();
    Arc::new(agent)
}

fn name(slot: i32) -> String {
    format!("agent-{slot}")
}

/// So many machines are wanted, and these have Agents.
fn world(replicas: i32, agents: &[(i32, AgentView)]) -> World {
    let slots: Vec<_> = agents.iter().map(|(slot, _)| *slot).collect();
    let mut world = World::new(replicas, &running(&slots));
    for slot in slots {
        world.entry(slot).agent_name = name(slot);
    }
    world.tell(agents);
    world
}

impl World {
    /// These Agents are there, and no others.
    fn tell(&mut self, agents: &[(i32, AgentView)]) {
        let agents = agents.iter().map(|(slot, view)| told(*slot, view));
        self.pool.agents = Sought::Found(agents.collect());
    }

    /// What was planned was written down.
    fn write_down(&mut self) {
        self.status.vm_status = self.plan().record.entries.into_values().collect();
    }

    fn found(mut self, slot: i32, look: Look) -> Self {
        self.write_down();
        self.looks.insert(slot, look);
        self
    }
}

fn released() -> World {
    let mut world = world(1, &[(1, agent())]);
    world.entry(1).was_bound = true;
    world
}

#[test]
fn machines_of_a_cluster_are_never_too_many() {
    let mut all_bound = world(1, &[(1, bound()), (2, bound()), (3, bound())]);
    assert_eq!(all_bound.steps(), (vec![], vec![]));
    assert!(all_bound.plan().fence.is_empty());
    all_bound.tell(&[(1, bound()), (2, agent()), (3, bound())]);
    assert_eq!(all_bound.plan().fence, [2]);
}

#[test]
fn nobody_is_chosen_while_agents_cannot_be_looked_at() {
    let mut world = World::new(0, &running(&[1, 2]));
    world.pool.agents = Sought::Unreadable("forbidden".into());
    assert_eq!(world.steps(), (vec![], vec![]));
    let world = world.deleting();
    assert_eq!(world.steps(), (vec![], vec![]));
    assert!(!world.plan().finished);
}

#[test]
fn those_that_are_unwell_are_fenced_before_those_that_are_ready() {
    let unwell = AgentView {
        health: Health::Disconnected,
        ..agent()
    };
    let world = world(2, &[(1, unwell), (2, agent()), (3, agent())]);
    let plan = world.plan();
    assert_eq!((plan.fence, plan.delete), (vec![1], vec![]));
    assert!(plan.record.leaves_more_than(&world.status), "written first");
}

#[test]
fn a_machine_goes_when_its_fence_stands_and_stays_when_somebody_was_faster() {
    let surplus = || world(0, &[(1, agent())]);
    assert_eq!(surplus().found(1, Look::Clear).steps(), (vec![], vec![1]));
    let taken = surplus().found(1, Look::Taken);
    let plan = taken.plan();
    assert_eq!(plan.delete, vec![]);
}

#[test]
fn a_machine_that_is_bound_while_it_is_fenced_stays() {
    let mut world = world(0, &[(1, agent())]).found(1, Look::Clear);
    world.tell(&[(1, bound())]);
    let plan = world.plan();
    assert_eq!((plan.delete, plan.fence), (vec![], vec![]));
    assert_eq!(plan.record.entries[&1].leaving, "");
    assert!(plan.record.entries[&1].was_bound);
}

#[test]
fn a_machine_that_is_bound_after_it_was_chosen_to_go_stays_unless_its_removal_has_begun() {
    for (why, state, phase) in [
        ("its removal has not begun", State::Running, ""),
        ("its removal failed", State::Failed, ""),
        ("it is being removed", State::Deleting, DELETING),
    ] {
        let mut world = world(1, &[(1, agent())]);
        world.entry(1).phase = DELETING.into();
        world.entry(1).leaving_reason = "Surplus".into();
        world.machine(1).state = state;
        world.tell(&[(1, bound())]);
        let plan = world.plan();
        assert_eq!((plan.delete, plan.fence), (vec![], vec![]), "{why}");
        assert_eq!(plan.record.entries[&1].phase, phase, "{why}");
    }
}

#[test]
fn a_machine_whose_agent_registers_after_it_was_chosen_to_go_is_fenced_first() {
    let mut world = world(0, &[(1, agent())]);
    world.tell(&[]);
    let (plan, steps) = (world.plan(), world.steps());
    assert_eq!((plan.fence, steps.1), (vec![], vec![1]), "it has none");
    world.write_down();
    world.tell(&[(1, agent())]);
    let (plan, steps) = (world.plan(), world.steps());
    assert_eq!((plan.fence, steps.1), (vec![1], vec![]), "it has one");
    let world = world.found(1, Look::Clear);
    assert_eq!(world.steps().1, [1], "its fence stands");
}

#[test]
fn a_machine_whose_agent_could_not_be_looked_for_waits() {
    let mut world = World::new(0, &running(&[1]));
    let refused = Some(fault(Retry::Backoff));
    world.attempts.note(Work::Fence(1), refused, NOW);
    assert!(world.steps().1.is_empty());
    assert!(world.plan().wake.is_some_and(|wake| wake > NOW));
}

#[test]
fn a_machine_that_was_chosen_to_go_waits_while_nobody_can_tell_who_uses_it() {
    let mut world = world(0, &[(1, agent())]);
    world.entry(1).phase = DELETING.into();
    world.entry(1).leaving = FENCING.into();
    assert_eq!(world.steps().1, [1]);
    for agents in [Sought::Syncing, Sought::Unreadable("no".into())] {
        world.pool.agents = agents;
        let plan = world.plan();
        assert_eq!((plan.delete, plan.prove), (vec![], vec![]));
        assert_eq!(plan.record.entries[&1].phase, DELETING);
    }
    world.sight.owner.machines.clear();
    let plan = world.plan();
    assert_eq!(
        (plan.delete.len(), plan.prove.len()),
        (0, 1),
        "only looked for"
    );
}

#[test]
fn an_agent_that_cannot_be_read_may_be_that_of_a_worker() {
    let malformed = |name: &str, namespace: &str| {
        let mut agent = Agent::default();
        agent.meta.name = name.into();
        agent.meta.namespace = namespace.into();
        agent.malformed = Some("invalid type".into());
        Sought::Found(vec![Arc::new(agent)])
    };
    for (why, agents, known, chosen) in [
        ("its own", malformed("agent-1", "agents"), "agent-1", 0),
        ("anybody's here", malformed("other", "agents"), "", 0),
        ("one elsewhere", malformed("other", "elsewhere"), "", 1),
        ("none", Sought::Found(vec![]), "", 1),
    ] {
        let mut world = World::new(0, &running(&[1]));
        world.pool.places.agents = Some("agents".into());
        world.entry(1).agent_name = known.into();
        world.pool.agents = agents;
        let plan = world.plan();
        assert_eq!(plan.delete.len() + plan.fence.len(), chosen, "{why}");
        assert!(!plan.record.entries[&1].was_bound, "{why}");
    }
}

#[test]
fn a_host_of_cluster_api_that_cannot_be_read_may_name_any_agent() {
    let mut world = world(0, &[(1, agent())]);
    let host = AgentMachine {
        malformed: Some("invalid type".into()),
        ..AgentMachine::default()
    };
    world.pool.agent_machines = Sought::Found(vec![Arc::new(host)]);
    let plan = world.plan();
    assert_eq!((plan.delete, plan.fence), (vec![], vec![]));
}

#[test]
fn machines_are_left_only_when_it_is_known_which_agents_to_let_go() {
    for (why, agents, known, finished) in [
        ("all are known", Sought::Found(vec![]), "agent-1", true),
        (
            "there is no such kind",
            Sought::KindMissing,
            "agent-1",
            true,
        ),
        ("they are being read", Sought::Syncing, "", false),
        ("forbidden", Sought::Unreadable("no".into()), "", false),
        ("nobody asks, and none was there", Sought::Absent, "", true),
        ("nobody asks, and one was there", Sought::Absent, "a", false),
    ] {
        let mut world = World::new(1, &running(&[1])).deleting();
        world.entry(1).agent_name = known.into();
        world.pool.agents = agents;
        world.wish.ending = Ending::Orphan;
        assert_eq!(world.plan().finished, finished, "{why}");
        world.wish.ending = Ending::Abandon;
        // Nothing holds who abandons but what is over in a moment.
        let over = world.pool.agents != Sought::Syncing;
        assert_eq!(world.plan().finished, over, "{why}, abandoned");
        world.status.vm_status.clear();
        world.sight.owner.machines.clear();
        assert!(world.plan().finished, "{why}, but for no machine");
    }
}

#[test]
fn a_machine_that_was_given_back_leaves_whatever_the_number_and_is_replaced() {
    let world = released();
    let plan = world.plan();
    assert_eq!(plan.fence, [1]);
    assert_eq!(plan.record.entries[&1].leaving_reason, "Released");
    assert_eq!(world.steps().0, [2]);
    let world = released().found(1, Look::Clear);
    assert_eq!(world.steps().1, [1]);
}

#[test]
fn what_has_only_begun_to_leave_is_kept_when_more_are_wanted_again() {
    let mut world = world(0, &[(1, agent())]);
    world.write_down();
    world.wish.mode = Mode::Test { replicas: 1 };
    let plan = world.plan();
    assert_eq!(plan.record.entries[&1].leaving, "");
    assert_eq!((plan.ensure, plan.fence), (vec![], vec![]));
}

#[test]
fn a_scale_down_that_has_begun_waits_while_nobody_says_how_many_there_shall_be() {
    let paused = |world: &mut World, until: Option<&str>| {
        let mut pool = (**world.pool.node_pool.found().unwrap()).clone();
        pool.spec.paused_until = until.map(ToOwned::to_owned);
        world.pool.node_pool = Sought::Found(Arc::new(pool));
    };
    let mut world = world(0, &[(1, agent()), (2, agent())]).of_node_pool(1);
    world.tell(&[(1, agent()), (2, agent())]);
    world.status.desired_replicas = Some(2);
    world.write_down();
    assert_eq!(world.plan().fence, [2], "it has begun");
    paused(&mut world, Some("true"));
    assert!(world.plan().fence.is_empty());
    world.looks.insert(2, Look::Clear);
    assert_eq!(world.steps(), (vec![], vec![]), "its fence stands");
    assert_eq!(world.plan().record.entries[&2].phase, "");
    paused(&mut world, None);
    assert_eq!(world.steps(), (vec![], vec![2]), "the pause is over");
    paused(&mut world, Some("true"));
    world.tell(&[(1, agent()), (2, bound())]);
    let entry = &world.plan().record.entries[&2];
    assert_eq!(entry.leaving, "", "somebody was faster");
    world.tell(&[(1, agent()), (2, agent())]);
    world.entry(2).leaving_reason = "Released".into();
    assert_eq!(world.steps(), (vec![], vec![2]), "no number keeps it");
}

#[test]
fn the_burial_of_an_agent_that_fails_is_tried_again_in_time_whatever_holds() {
    for connection in [Connection::Live, Connection::VcenterDown(None)] {
        let mut world = world(0, &[(1, agent())]);
        world.sight.connection = connection.clone();
        world.checks = None;
        world.sight.owner.machines.clear();
        world.entry(1).leaving = GONE.into();
        assert_eq!(world.plan().bury, [1], "{connection:?}");
        let refused = Some(fault(Retry::Slow));
        world.attempts.note(Work::Bury(1), refused, NOW);
        let plan = world.plan();
        assert!(plan.bury.is_empty(), "{connection:?}: not at once");
        let again = plan.wake.unwrap();
        assert!(again > NOW, "{connection:?}");
        world.now = again;
        assert_eq!(world.plan().bury, [1], "{connection:?}: then");
    }
}

#[test]
fn a_machine_that_is_gone_keeps_its_place_in_the_record_until_its_agent_has_gone() {
    let mut world = world(1, &[(1, agent())]);
    world.sight.owner.machines.clear();
    world.sight.owner.gone.insert(1);
    let plan = world.plan();
    assert_eq!(plan.bury, [1]);
    let entry = &plan.record.entries[&1];
    assert_eq!(
        (&*entry.leaving, &*entry.phase, &*entry.moref),
        (GONE, DELETING, "")
    );
    assert_eq!(
        world.steps(),
        (vec![2], vec![]),
        "nobody is asked about it again"
    );

    world.write_down();
    world.sight.owner.gone.clear();
    world.tell(&[]);
    assert!(!world.plan().record.entries.contains_key(&1));
}

#[test]
fn a_machine_that_somebody_brings_back_goes_only_if_it_was_to_go() {
    for (agent, meant, goes) in [
        (bound(), "", false),
        (agent(), "", false),
        (agent(), "Surplus", true),
    ] {
        let mut world = world(1, &[(1, agent)]);
        world.entry(1).leaving_reason = meant.into();
        let there = world.sight.owner.machines.clone();
        world.sight.owner.machines.clear();
        world.sight.owner.gone.insert(1);
        world.write_down();
        assert_eq!(world.entry(1).leaving, GONE);

        world.sight.owner.gone.clear();
        world.sight.owner.machines = there;
        let plan = world.plan();
        let entry = &plan.record.entries[&1];
        let deleted = plan.delete.iter().any(|machine| machine.key.slot == 1);
        assert!(!deleted, "{meant}: not before its fence");
        assert_eq!(plan.fence.contains(&1), goes, "{meant}");
        assert_eq!(entry.leaving, if goes { FENCING } else { "" }, "{meant}");
    }
}

#[test]
fn the_agent_of_a_node_that_lost_its_machine_waits_for_cluster_api() {
    let mut world = world(0, &[(1, bound())]).deleting();
    world.sight.owner.machines.clear();
    world.sight.owner.gone.insert(1);
    let plan = world.plan();
    assert_eq!((plan.bury, plan.finished), (vec![], false));
}

#[test]
fn a_worker_holds_the_template_that_is_deleted() {
    let world = world(0, &[(1, bound()), (2, agent())]).deleting();
    let plan = world.plan();
    assert_eq!(
        (plan.fence, plan.delete, plan.finished),
        (vec![2], vec![], false)
    );
}

#[test]
fn a_worker_that_the_status_does_not_know_any_more_stays() {
    let mut world = world(0, &[(1, bound())]);
    world.pool.agents = Sought::Found(vec![agent_of(&mut world, 1)]);
    world.status.vm_status.clear();
    let plan = world.plan();
    assert_eq!((plan.delete, plan.fence), (vec![], vec![]));
    assert!(plan.record.entries[&1].was_bound, "it is known again");
}

/// An Agent that is known by its serial number alone, and is bound.
fn agent_of(world: &mut World, slot: i32) -> Arc<Agent> {
    let mut agent = Agent::default();
    agent.meta.name = name(slot);
    agent.spec.cluster_deployment_name = Some(ClusterDeploymentName::default());
    agent.status.inventory.system_vendor.serial_number = world.entry(slot).serial_number.clone();
    Arc::new(agent)
}
