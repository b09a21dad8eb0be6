//! Which Agent is the host in which machine, as tables.

use super::*;
use crate::agents::fixtures::{MAC, UUID, agent, identity};
use contract::identity::{MachineKey, serial_number};

fn shared(agents: Vec<Agent>) -> Vec<Arc<Agent>> {
    agents.into_iter().map(Arc::new).collect()
}

#[test]
fn both_byte_orders_are_undone_by_each_other_and_by_the_serial_number() {
    for slot in 1..500 {
        let key = MachineKey {
            hub_id: "hub".into(),
            owner_uid: "owner".into(),
            slot,
        };
        let uuid = key.bios_uuid();
        assert_eq!(swapped(swapped(uuid)), uuid);
        let serial = serial_number(uuid);
        for written in [
            serial.clone(),
            serial.to_uppercase(),
            serial.replace(' ', ""),
        ] {
            assert_eq!(serial_uuid(&normalised(&written)), Some(uuid), "{written}");
        }
    }
}

#[test]
fn the_byte_order_is_the_one_that_hosts_were_seen_with() {
    let uuid = Uuid::parse_str("420e3f74-ea84-f9a2-0102-030405060708").unwrap();
    let host = "743f0e42-84ea-a2f9-0102-030405060708";
    assert_eq!(swapped(uuid).to_string(), host);
}

/// A UUID of no machine.
const OTHER: &str = "7ad17814-c27b-5f31-9b1a-dbfa81a6f66f";
/// A MAC address of no machine.
const OTHER_MAC: &str = "00:50:56:aa:bb:99";

fn serial(uuid: &str) -> String {
    serial_number(Uuid::parse_str(uuid).unwrap())
}

fn related(name: &str, serial: &str, mac: &str) -> Relation {
    relation(&identity(1), &agent(name, serial, mac))
}

#[test]
fn an_agent_is_the_machines_when_all_that_both_tell_agrees() {
    let other_order = swapped(Uuid::parse_str(UUID).unwrap()).to_string();
    let serial = serial(UUID);
    for (why, name, serial, mac) in [
        ("all agree", UUID, &*serial, MAC),
        ("the other byte order", &*other_order, &*serial, MAC),
        ("a serial that says nothing", UUID, "None", MAC),
        ("no MAC is told", UUID, &*serial, ""),
        ("the name alone", UUID, "", ""),
        ("a name that is no UUID", "host-1", &*serial, MAC),
        (
            "upper case",
            UUID,
            &*serial.to_uppercase(),
            "00:50:56:AA:BB:01",
        ),
    ] {
        assert_eq!(related(name, serial, mac), Relation::Same, "{why}");
    }
}

#[test]
fn one_thing_that_does_not_agree_is_enough_to_doubt() {
    let (serial, other_serial) = (serial(UUID), serial(OTHER));
    for (why, name, serial, mac, contradicted) in [
        (
            "the serial",
            UUID,
            &*other_serial,
            MAC,
            &[Trait::Serial][..],
        ),
        (
            "no virtual machine's serial",
            UUID,
            "PF2ABC",
            MAC,
            &[Trait::Serial],
        ),
        ("the name", OTHER, &*serial, MAC, &[Trait::Name]),
        ("the MAC", UUID, &*serial, OTHER_MAC, &[Trait::Mac]),
        (
            "all but the MAC",
            OTHER,
            &*other_serial,
            MAC,
            &[Trait::Serial, Trait::Name],
        ),
    ] {
        let expected = Relation::Contradicted(contradicted.to_vec());
        assert_eq!(related(name, serial, mac), expected, "{why}");
    }
    let stranger = related(OTHER, &other_serial, OTHER_MAC);
    assert_eq!(stranger, Relation::Stranger);
}

#[test]
fn the_mac_says_nothing_until_vcenter_told_it() {
    let machine = Identity {
        macs: Vec::new(),
        ..identity(1)
    };
    let agent = agent(UUID, "", "00:50:56:aa:bb:99");
    assert_eq!(relation(&machine, &agent), Relation::Same);
}

#[test]
fn one_thing_is_enough_for_an_agent_to_be_taken_into_account() {
    let uuid = Uuid::parse_str(UUID).unwrap();
    let entry = VmStatus {
        uuid: UUID.into(),
        agent_name: "before".into(),
        ..VmStatus::default()
    };
    for (name, serial, may) in [
        (UUID, "None", true),
        (&*swapped(uuid).to_string(), "None", true),
        (OTHER, &*serial(UUID), true),
        ("before", "None", true),
        (OTHER, "None", false),
    ] {
        assert_eq!(
            may_be_of(&entry, &agent(name, serial, "")),
            may,
            "{name} {serial}"
        );
    }
}

#[test]
fn each_machine_finds_its_own_agent_among_others() {
    let machines: BTreeMap<_, _> = (1..=3).map(|slot| (slot, identity(slot))).collect();
    let of = |slot: i32| agent(&machines[&slot].bios_uuid.to_string(), "", "");
    let stranger = agent(OTHER, "", "");
    let agents = shared(vec![of(3), stranger, of(1)]);
    let found = matches(&machines, &agents, None);
    let slots: Vec<_> = found.same.keys().copied().collect();
    assert_eq!((slots, found.doubtful.len()), (vec![1, 3], 0));
}

#[test]
fn a_host_that_contradicts_itself_is_reported_at_each_machine_that_it_points_to() {
    let machines: BTreeMap<_, _> = (1..=2).map(|slot| (slot, identity(slot))).collect();
    let serial = serial_number(machines[&2].bios_uuid);
    let agents = shared(vec![agent(
        &machines[&1].bios_uuid.to_string(),
        &serial,
        "",
    )]);
    let found = matches(&machines, &agents, None);
    assert!(found.same.is_empty());
    let contradicted: Vec<_> = found
        .doubtful
        .into_values()
        .map(|doubt| doubt.contradicted)
        .collect();
    assert_eq!(contradicted, [[Trait::Serial], [Trait::Name]]);
}

#[test]
fn of_two_that_claim_one_machine_only_the_one_that_was_known_before_is_believed() {
    let uuid = Uuid::parse_str(UUID).unwrap();
    let names = [uuid.to_string(), swapped(uuid).to_string()];
    let agents = shared(names.iter().map(|name| agent(name, "", "")).collect());
    let mut machines = BTreeMap::from([(1, identity(1))]);
    let found = matches(&machines, &agents, None);
    assert_eq!((found.same.len(), found.doubtful.len()), (0, 1));
    machines
        .get_mut(&1)
        .unwrap()
        .agent_name
        .clone_from(&names[1]);
    let found = matches(&machines, &agents, None);
    assert_eq!(found.same[&1].meta.name, names[1]);
    assert!(found.doubtful.is_empty());
}
#[test]
fn of_two_of_one_name_the_one_where_the_pools_agents_are_is_believed() {
    let uuid = identity(1).bios_uuid.to_string();
    let within = |namespace: &str| {
        let mut agent = agent(&uuid, "", "");
        agent.meta.namespace = namespace.into();
        agent
    };
    let agents = shared(vec![within("aaa"), within("agents"), within("zzz")]);
    for known in ["", &*uuid] {
        let machine = Identity {
            agent_name: known.into(),
            ..identity(1)
        };
        let machines = BTreeMap::from([(1, machine)]);
        let found = matches(&machines, &agents, Some("agents"));
        assert_eq!(found.same[&1].meta.namespace, "agents");
        assert!(found.doubtful.is_empty());
        for here in [None, Some("elsewhere")] {
            let found = matches(&machines, &agents, here);
            assert_eq!((found.same.len(), found.doubtful.len()), (0, 1), "{here:?}");
        }
    }
}

#[test]
fn only_an_address_of_the_machine_proves_that_an_agent_is_its_host() {
    let known = [
        "00:50:56:aa:bb:01".to_owned(),
        "00:50:56:aa:bb:02".to_owned(),
    ];
    for (why, known, told, proved) in [
        ("the same", &known[..], "00:50:56:AA:BB:02", true),
        ("another", &known, OTHER_MAC, false),
        ("none is told", &known, "", false),
        ("none is known", &[], MAC, false),
    ] {
        assert_eq!(
            is_proved(known, &agent(UUID, &serial(UUID), told)),
            proved,
            "{why}"
        );
    }
}
