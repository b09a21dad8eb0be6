use super::*;
use crate::{
    agents::fixtures::bound,
    crd::VMwareNodePoolTemplateStatus,
    driver::{Power, Retry, State},
    fixtures::{fault, world::World},
    kinds::node_pool::NodePool,
    kinds::{Ours, agent::AgentSpec},
    link::Connection,
    reconcile::{
        attempts::Work,
        plan::{Plan, plan},
        report,
    },
};
use jiff::{SignedDuration, Timestamp};

/// Machines of a node pool that are on, without Agents.
fn world(slots: &[i32]) -> World {
    let running: Vec<_> = slots.iter().map(|slot| (*slot, State::Running)).collect();
    let replicas = i32::try_from(slots.len()).unwrap();
    World::new(0, &running).of_node_pool(replicas)
}

/// The same, whose node pool takes any Agent and has no machines yet.
fn unselective() -> World {
    let mut world = registered();
    world.pool.machines = Sought::Found(Vec::new());
    world
}

/// The Agent of the machine of this slot, in this state.
fn agent(world: &mut World, slot: i32, state: &str) -> Agent {
    world.agent(slot, state)
}

fn with(mut world: World, agents: Vec<Agent>) -> World {
    world.pool.agents = Sought::Found(agents.into_iter().map(Arc::new).collect());
    world
}

/// A machine with a free Agent.
fn registered() -> World {
    let mut world = world(&[1]);
    let agent = agent(&mut world, 1, "known-unbound");
    with(world, vec![agent])
}

fn planned(world: &World) -> Plan {
    plan(&world.seen())
}

/// Slots whose Agents are set.
fn set(world: &World) -> Vec<i32> {
    let plan = planned(world);
    plan.agents.into_iter().map(|(slot, _)| slot).collect()
}

fn status(world: &World) -> VMwareNodePoolTemplateStatus {
    let seen = world.seen();
    report::status(&seen, &plan(&seen))
}

/// Phase and message of the first machine.
fn told(world: &World) -> (String, String) {
    let entry = status(world).vm_status.swap_remove(0);
    (entry.phase, entry.message)
}

#[test]
fn an_agent_of_a_machine_of_ours_is_set_and_not_again_before_that_is_seen() {
    let mut world = registered();
    assert_eq!(set(&world), [1]);
    world.attempts.note(Work::Agent(1), None, world.now);
    assert_eq!(set(&world), Vec::<i32>::new());
    assert!(planned(&world).wake.is_some(), "it is looked at again");
    world.now += SignedDuration::from_secs(10);
    assert_eq!(set(&world), [1]);
}

#[test]
fn no_agent_is_set_of_which_it_is_not_sure_that_it_should() {
    type Spoil = fn(&mut World);
    let spoil: [(&str, Spoil); 11] = [
        ("the template is paused", |it| it.wish.paused = true),
        ("an older template acts", |it| {
            it.pool.elder = Some("older".into());
        }),
        ("the node pool is not read", |it| {
            it.pool.node_pool = Sought::Unreadable("forbidden".into());
        }),
        ("the node pool is gone", |it| {
            it.pool.node_pool = Sought::Absent;
        }),
        ("the node pool goes", |it| {
            let mut going = NodePool::default();
            going.meta.deleting = true;
            it.pool.node_pool = Sought::Found(Arc::new(going));
        }),
        ("it is not known where the Agents are", |it| {
            it.pool.places.agents = None;
        }),
        ("the machine goes", |it| {
            it.entry(1).phase = DELETING.into();
        }),
        ("the machine is about to go", |it| {
            it.entry(1).leaving = "Fencing".into();
        }),
        ("the machine is a copy", |it| {
            it.machine(1).ownership = Ownership::Copy;
        }),
        ("the machine is not in sight", |it| {
            it.sight.owner.machines.clear();
        }),
        ("vCenter is not live", |it| {
            it.sight.connection = Connection::Syncing;
        }),
    ];
    for (why, spoil) in spoil {
        let mut world = registered();
        spoil(&mut world);
        assert_eq!(set(&world), Vec::<i32>::new(), "{why}");
    }
}

#[test]
fn an_agent_of_no_machine_of_ours_is_never_set() {
    let mut world = world(&[1]);
    let mut stranger = agent(&mut world, 1, "known-unbound");
    stranger.meta.name = "7ad17814-c27b-5f31-9b1a-dbfa81a6f66f".into();
    stranger.status.inventory.system_vendor.serial_number = "VMware-1".into();
    let world = with(world, vec![stranger]);
    assert_eq!(set(&world), Vec::<i32>::new());
    assert_eq!(told(&world).0, "WaitingForAgent");
}

#[test]
fn which_agent_it_is_and_that_it_was_bound_is_never_forgotten() {
    let mut world = registered();
    let name = world.entry(1).uuid.clone();
    let of = |world: &World| {
        let entry = status(world).vm_status.swap_remove(0);
        (entry.agent_name, entry.was_bound)
    };
    assert_eq!(of(&world), (name.clone(), false));
    let taken = bound(agent(&mut world, 1, "known"));
    let mut world = with(world, vec![taken]);
    assert_eq!(of(&world), (name.clone(), true));
    world.status = status(&world);
    world.pool.agents = Sought::Found(Vec::new());
    assert_eq!(of(&world), (name.clone(), true));
    world.pool.agents = Sought::Unreadable("forbidden".into());
    assert_eq!(of(&world), (name, true));
}

#[test]
fn a_machine_that_is_on_is_as_far_as_its_agent_says() {
    for (state, phase) in [
        ("discovering-unbound", "Discovered"),
        ("insufficient-unbound", "Insufficient"),
        ("known-unbound", "Known"),
        ("installing-in-progress", "Installing"),
        ("added-to-existing-cluster", "Joined"),
    ] {
        let mut world = world(&[1]);
        let agent = bound(agent(&mut world, 1, state));
        let free = state.ends_with("-unbound");
        let agent = Agent {
            spec: if free {
                AgentSpec::default()
            } else {
                agent.spec.clone()
            },
            ..agent
        };
        assert_eq!(told(&with(world, vec![agent])).0, phase, "{state}");
    }
}

#[test]
fn nodes_that_joined_are_counted_and_in_test_mode_nobody_waits_for_any() {
    let mut pool = world(&[1, 2, 3]);
    let agents = [(1, "added-to-existing-cluster"), (2, "installing")];
    let agents = agents.map(|(slot, state)| bound(agent(&mut pool, slot, state)));
    let pool = with(pool, agents.to_vec());
    let counted = status(&pool);
    assert_eq!(
        (counted.joined_replicas, counted.ready_replicas),
        (Some(1), Some(3))
    );
    let test = World::new(1, &[(1, State::Running)]);
    assert_eq!(status(&test).joined_replicas, None);
    assert_eq!(told(&test), ("Running".into(), String::new()));
}

#[test]
fn a_contradicting_agent_is_reported_at_the_machine_and_not_set() {
    let mut world = world(&[1, 2]);
    let mut agent = agent(&mut world, 1, "known-unbound");
    agent.status.inventory.system_vendor.serial_number = world.entry(2).serial_number.clone();
    let world = with(world, vec![agent]);
    assert_eq!(set(&world), Vec::<i32>::new());
    let (phase, message) = told(&world);
    assert_eq!(phase, "WaitingForAgent");
    assert!(message.starts_with("Contradicted: Agent "), "{message}");
}

#[test]
fn an_agent_that_tells_no_address_of_the_machine_is_not_set_until_one_is_known() {
    let mut world = registered();
    let macs = std::mem::take(&mut world.machine(1).mac_addresses);
    assert_eq!(set(&world), Vec::<i32>::new());
    let (phase, message) = told(&world);
    assert_eq!(phase, "Known");
    assert!(
        message.starts_with("AgentUnfit: it tells no MAC address"),
        "{message}"
    );
    world.machine(1).mac_addresses = macs;
    assert_eq!(set(&world), [1]);
}

#[test]
fn a_namesake_elsewhere_hides_no_agent() {
    let mut world = world(&[1]);
    let real = agent(&mut world, 1, "known-unbound");
    let mut stale = real.clone();
    stale.meta.namespace = "aaa".into();
    let world = with(world, vec![stale, real]);
    let plan = planned(&world);
    assert_eq!(plan.agents.len(), 1);
    assert_eq!(plan.agents[0].1.agent.meta.namespace, "agents");
}

#[test]
fn what_cannot_be_set_right_by_labels_is_told() {
    let mut world = world(&[1]);
    world.wish.agent_labels.insert("zone".into(), "a".into());
    let mut agent = agent(&mut world, 1, "known-unbound");
    agent.meta.labels.insert("zone".into(), "b".into());
    let (phase, message) = told(&with(world, vec![agent]));
    assert_eq!(phase, "Known");
    assert!(message.starts_with("AgentUnfit: "), "{message}");
}

#[test]
fn an_approval_that_was_taken_back_is_told_though_the_host_is_not_valid_yet() {
    let mut world = world(&[1]);
    let mut agent = agent(&mut world, 1, "insufficient-unbound");
    agent.meta.ours = Some(Ours::default());
    let (phase, message) = told(&with(world, vec![agent]));
    assert_eq!(phase, "Insufficient");
    assert!(message.contains("took its approval back"), "{message}");
}

#[test]
fn a_node_pool_that_takes_any_agent_is_given_a_selector_by_the_template_that_acts() {
    let selects = |change: fn(&mut World)| {
        let mut world = unselective();
        change(&mut world);
        planned(&world).select.is_some()
    };
    let pool = |change: fn(&mut NodePool)| {
        let mut world = unselective();
        let found = world.pool.node_pool.found().unwrap();
        let mut changed = NodePool::clone(found);
        change(&mut changed);
        world.pool.node_pool = Sought::Found(Arc::new(changed));
        planned(&world).select.is_some()
    };
    assert!(selects(|_| ()) && pool(|_| ()));
    // What was set is seen in a moment.
    assert!(!selects(|it| it.attempts.note(Work::Select, None, it.now)));
    assert!(!selects(|it| it.pool.elder = Some("older".into())));
    assert!(!selects(|it| it.wish.paused = true));
    assert!(!selects(|it| it.wish.deleting = true));
    assert!(!pool(|it| it.spec.paused_until = Some("true".into())));
    assert!(!pool(|it| it.meta.deleting = true));
}

#[test]
fn why_a_node_pool_could_not_be_given_a_selector_is_told_until_it_has_one() {
    let message = |world: &World| {
        let conditions = status(world).conditions;
        let found = conditions.iter().find(|it| it.type_ == "NodePoolFound");
        found.unwrap().message.clone()
    };
    let mut world = unselective();
    let refused = Some(fault(Retry::Slow));
    world.attempts.note(Work::Select, refused, world.now);
    let told = message(&world);
    assert!(
        told.ends_with("It takes any Agent: SomeFault: it failed. Mend it"),
        "{told}"
    );
    world.pool.replicas = Sought::Found(1);
    assert!(!message(&world).contains("SomeFault"));
}

#[test]
fn while_agents_cannot_be_looked_at_what_was_seen_last_stays() {
    let mut world = world(&[1]);
    let agent = bound(agent(&mut world, 1, "added-to-existing-cluster"));
    let mut world = with(world, vec![agent]);
    world.status = status(&world);
    for blind in [
        Sought::Syncing,
        Sought::KindMissing,
        Sought::Absent,
        Sought::Unreadable("forbidden".into()),
    ] {
        world.pool.agents = blind;
        let (phase, message) = told(&world);
        assert_eq!(phase, "Joined");
        assert!(message.starts_with("AgentsNotSeen: "), "{message}");
    }
}

#[test]
fn an_agent_that_is_gone_is_told_with_its_name() {
    let mut world = registered();
    world.status = status(&world);
    world.pool.agents = Sought::Found(Vec::new());
    let (phase, message) = told(&world);
    assert_eq!(phase, "WaitingForAgent");
    assert!(message.starts_with("AgentGone: "), "{message}");
}

#[test]
fn a_host_is_followed_while_vcenter_cannot_be_looked_at() {
    let mut world = registered();
    world.status = status(&world);
    world.sight.connection = Connection::Syncing;
    let taken = bound(agent(&mut world, 1, "installing"));
    let mut world = with(world, vec![taken]);
    world.now = Timestamp::from_second(60).unwrap();
    let entry = status(&world).vm_status.swap_remove(0);
    assert_eq!(
        (entry.phase.as_str(), entry.was_bound),
        ("Installing", true)
    );
    assert_eq!(entry.last_transition_time.unwrap().0, world.now);
}

#[test]
fn a_machine_that_is_off_is_off_whatever_its_agent_says() {
    let mut world = registered();
    world.machine(1).state = State::Off;
    world.machine(1).power = Some(Power::Off);
    assert_eq!(told(&world).0, "NotReady");
}
