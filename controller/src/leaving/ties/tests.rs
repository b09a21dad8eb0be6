//! What ties machines to those who use them, as tables.

use super::*;
use crate::{agents::identity::Trait, leaving::release::tests::agent};

fn entry(agent_name: &str) -> VmStatus {
    VmStatus {
        slot: Some(1),
        agent_name: agent_name.into(),
        uuid: "420e3f74-ea84-f9a2-0000-000000000001".into(),
        serial_number: "VMware-42 0e 3f 74 ea 84 f9 a2-00 00 00 00 00 00 00 01".into(),
        ..VmStatus::default()
    }
}

fn pool(agents: Sought<Vec<Arc<Agent>>>) -> Pool {
    Pool {
        agents,
        agent_machines: Sought::Found(vec![]),
        ..Pool::default()
    }
}

fn ties(pool: &Pool, known: &str) -> Ties {
    let entries = BTreeMap::from([(1, entry(known))]);
    Ties::of(
        "pool",
        pool,
        &entries,
        &Matches::default(),
        &BTreeMap::new(),
    )
}

/// The Agent `known` of the machine, free and held by us, with this mark of a template.
fn held(template: &str) -> Agent {
    let mut agent = Agent::default();
    agent.meta.name = "known".into();
    agent.meta.namespace = "agents".into();
    agent.meta.finalizers = vec![AGENT_FINALIZER.into()];
    let mark = (MANAGED_BY_LABEL.to_owned(), template.to_owned());
    agent.meta.labels = [mark].into();
    agent.status.inventory.system_vendor.serial_number = entry("").serial_number;
    agent
}

fn tied(mut agent: Agent) -> Agent {
    agent.spec.cluster_deployment_name.get_or_insert_default();
    agent
}

fn within(namespace: &str, mut agent: Agent) -> Agent {
    agent.meta.namespace = namespace.into();
    agent
}

#[test]
fn an_agent_is_found_by_its_names_and_by_its_serial_number() {
    let told = |name: &str, serial: &str| {
        let mut agent = Agent::default();
        agent.meta.name = name.into();
        agent.meta.finalizers = vec![AGENT_FINALIZER.into()];
        agent.meta.labels = [(MANAGED_BY_LABEL.to_owned(), "pool".to_owned())].into();
        agent.status.inventory.system_vendor.serial_number = serial.into();
        Sought::Found(vec![Arc::new(agent)])
    };
    for (agents, known, found) in [
        (told("a", ""), "a", true),
        (told("a", ""), "", false),
        (told("420e3f74-ea84-f9a2-0000-000000000001", ""), "", true),
        (
            told("b", "vmware-420E3F74EA84F9A20000000000000001"),
            "",
            true,
        ),
        (told("b", "None"), "", false),
    ] {
        let ties = ties(&pool(agents.clone()), known);
        assert_eq!(ties.agents.contains_key(&1), found, "{agents:?}");
    }
}

#[test]
fn an_agent_that_is_not_ours_may_save_a_machine_and_is_never_withdrawn() {
    let (contradicts, agrees) = (vec![Trait::Mac], vec![]);
    for (why, known, template, contradicted, ours) in [
        ("it is what it was", "known", "pool", &agrees, true),
        ("its mark was taken off", "known", "", &agrees, true),
        ("it has a new address", "known", "pool", &contradicts, true),
        ("only its mark is known", "", "pool", &agrees, true),
        ("it has another address", "", "pool", &contradicts, false),
        ("nothing of it is known", "", "", &agrees, false),
        ("it is another template's", "known", "other", &agrees, false),
    ] {
        let doubt = Doubt {
            agent: "known".into(),
            contradicted: contradicted.clone(),
        };
        let matches = Matches {
            doubtful: [(1, doubt)].into(),
            ..Matches::default()
        };
        let seen = |agent: Agent| {
            let pool = pool(Sought::Found(vec![Arc::new(agent)]));
            let entries = BTreeMap::from([(1, entry(known))]);
            let mut ties = Ties::of("pool", &pool, &entries, &matches, &BTreeMap::new());
            ties.agents.remove(&1)
        };
        assert_eq!(seen(held(template)).is_some(), ours, "{why}");
        let tied = seen(tied(held(template))).unwrap();
        assert_eq!((tied.is_tied(), tied.held), (true, ours), "{why}");
    }
}

#[test]
fn the_host_is_ours_wherever_it_is_unless_another_template_has_marked_it() {
    for (template, ours) in [("", true), ("pool", true), ("other", false)] {
        let mut agent = within("elsewhere", held(template));
        agent.meta.finalizers.clear();
        let agent = Arc::new(agent);
        let matches = Matches {
            same: [(1, agent.clone())].into(),
            ..Matches::default()
        };
        let pool = pool(Sought::Found(vec![agent]));
        let entries = BTreeMap::from([(1, entry(""))]);
        let ties = Ties::of("pool", &pool, &entries, &matches, &BTreeMap::new());
        assert_eq!(ties.agents.contains_key(&1), ours, "{template}");
    }
}

#[test]
fn of_two_of_one_name_the_one_that_is_tied_counts_and_else_the_one_of_the_pool() {
    let of = |first: Agent, second: Agent| {
        let mut pool = pool(Sought::Found(vec![Arc::new(first), Arc::new(second)]));
        pool.places.agents = Some("agents".into());
        let mut ties = ties(&pool, "known");
        ties.agents.remove(&1).unwrap().namespace
    };
    let stale = || within("aaa", held("pool"));
    for (why, first, second, counts) in [
        ("both are free", stale(), held("pool"), "agents"),
        ("the other order", held("pool"), stale(), "agents"),
        ("one is tied", stale(), tied(held("pool")), "agents"),
        ("the other is tied", tied(stale()), held("pool"), "aaa"),
    ] {
        assert_eq!(of(first, second), counts, "{why}");
    }
}

#[test]
fn who_cannot_look_sees_no_machine_as_free() {
    for (agents, known, blind) in [
        (Sought::Found(vec![]), "a", false),
        (Sought::Syncing, "", true),
        (Sought::Unreadable("no".into()), "", true),
        (Sought::KindMissing, "", false),
        (Sought::KindMissing, "a", true),
        (Sought::Absent, "a", true),
    ] {
        let ties = ties(&pool(agents.clone()), known);
        assert_eq!(ties.blind, blind, "{agents:?} {known}");
    }
    let hosts = Pool {
        agent_machines: Sought::Syncing,
        ..pool(Sought::Found(vec![]))
    };
    assert!(ties(&hosts, "").blind);
}

#[test]
fn an_agent_that_was_there_is_waited_for_while_nobody_can_look() {
    let (known, new) = (
        VmStatus {
            agent_name: "agent-1".into(),
            ..VmStatus::default()
        },
        VmStatus::default(),
    );
    let blind = Ties {
        blind: true,
        ..Ties::default()
    };
    assert!(blind.outlives(1, &known) && !blind.outlives(1, &new));
    let seeing = Ties {
        agents: [(1, agent())].into(),
        ..Ties::default()
    };
    assert!(seeing.outlives(1, &new) && !seeing.outlives(2, &known));
}

#[test]
fn an_agent_that_vanished_is_in_use_as_long_as_it_is_named() {
    let entry = VmStatus {
        agent_name: "agent-1".into(),
        was_bound: true,
        ..VmStatus::default()
    };
    let mut ties = Ties::default();
    assert_eq!(ties.standing(1, &entry), Standing::Released);
    ties.referred.insert("agent-1".into());
    assert_eq!(ties.standing(1, &entry), Standing::Used);
}

#[test]
fn a_machine_whose_agent_nobody_told_of_yet_is_in_use_as_soon_as_it_is_named() {
    for (named, expected) in [
        ("420e3f74-ea84-f9a2-0000-000000000001", Standing::Used),
        ("743f0e42-84ea-a2f9-0000-000000000001", Standing::Used),
        ("420e3f74-ea84-f9a2-0000-000000000002", Standing::Free),
        ("", Standing::Free),
    ] {
        let mut ties = Ties::default();
        ties.referred.insert(named.into());
        assert_eq!(ties.standing(1, &entry("")), expected, "{named}");
    }
}
