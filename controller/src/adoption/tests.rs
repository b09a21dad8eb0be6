use super::*;
use crate::{
    crd::{AdoptionStatus, VmStatus},
    driver::{Previous, State},
    fixtures::machine,
    kinds::{Meta, agent::Interface},
};
use uuid::Uuid;

const FOLDER: &str = "/DC0/vm/pool";

fn of_companion(number: i32) -> Machine {
    Machine {
        key: None,
        ownership: Ownership::Companion,
        companion_template: "clusters/pool".into(),
        ..machine(number, State::Running)
    }
}

struct World {
    adoptable: BTreeMap<String, Arc<Machine>>,
    folder: Option<&'static str>,
    status: VMwareNodePoolTemplateStatus,
    agents: Sought<Vec<Arc<Agent>>>,
}

impl World {
    fn of(machines: impl IntoIterator<Item = Machine>) -> Self {
        let machines = machines.into_iter();
        Self {
            adoptable: machines.map(|it| (it.moref.clone(), it.into())).collect(),
            folder: Some(FOLDER),
            status: VMwareNodePoolTemplateStatus::default(),
            agents: Sought::Absent,
        }
    }

    fn candidates(&self) -> Vec<Candidate> {
        candidates(&Grounds {
            adoptable: &self.adoptable,
            template: "pool",
            prefix: "pool",
            folder: self.folder,
            status: &self.status,
            agents: &self.agents,
        })
    }

    fn slots(&self) -> Vec<i32> {
        let candidates = self.candidates();
        candidates.iter().map(|it| it.adoption.slot).collect()
    }

    fn refusal(&self) -> String {
        self.candidates().remove(0).refusal
    }

    fn with_agent(mut self, change: impl FnOnce(&mut Agent)) -> Self {
        let machine = self.adoptable.values().next().unwrap();
        let mut agent = Agent {
            meta: Meta {
                name: "host".into(),
                ..Meta::default()
            },
            ..Agent::default()
        };
        let vendor = &mut agent.status.inventory.system_vendor;
        vendor.serial_number = machine.serial_number.to_uppercase();
        change(&mut agent);
        self.agents = Sought::Found(vec![agent.into()]);
        self
    }
}

fn key(name: &str) -> String {
    format!("{GROUP}/{name}")
}

#[test]
fn a_machine_of_the_companion_keeps_the_number_in_its_name() {
    assert_eq!(World::of([3, 1, 12].map(of_companion)).slots(), [1, 3, 12]);
}

#[test]
fn a_number_that_was_given_out_before_is_not_given_out_again() {
    let mut world = World::of([1, 5].map(of_companion));
    world.status.next_slot = Some(4);
    assert_eq!(world.slots(), [6, 5]);
}

#[test]
fn what_was_written_down_stands_whatever_else_is_seen() {
    let mut world = World::of([1, 2].map(of_companion));
    let first = world.candidates()[0].told(&[], "");
    let plan = vec![AdoptionPlan { slot: 9, ..first }];
    world.status.adoption = Some(AdoptionStatus { plan });
    world.status.next_slot = Some(10);
    assert_eq!(world.slots(), [9, 10]);
}

#[test]
fn a_name_without_a_number_gets_one_above_all_others() {
    let named = Machine {
        name: "pool-a1b2c".into(),
        moref: "vm-90".into(),
        ..of_companion(1)
    };
    assert_eq!(World::of([named, of_companion(4)]).slots(), [5, 4]);
}

#[test]
fn a_slot_in_the_status_is_not_given_to_another() {
    let mut world = World::of([of_companion(2)]);
    world.status.vm_status = vec![VmStatus {
        name: "other".into(),
        slot: Some(2),
        ..VmStatus::default()
    }];
    assert_eq!(world.slots(), [3]);
}

#[test]
fn a_machine_of_an_owner_that_is_no_more_is_taken_by_its_key() {
    let machine = machine(3, State::Running);
    let key = machine.key.clone().unwrap();
    let candidate = World::of([machine]).candidates().remove(0);
    assert_eq!(candidate.adoption.previous, Previous::Key(key));
    assert_eq!(
        (candidate.adoption.slot, candidate.refusal),
        (3, String::new())
    );
}

#[test]
fn what_disagrees_is_named() {
    let elsewhere = Machine {
        folder: "/DC0/vm".into(),
        ..of_companion(1)
    };
    let stranger = Machine {
        name: "other-n01".into(),
        ..of_companion(1)
    };
    let mut unknown = World::of([of_companion(1)]);
    unknown.folder = None;
    let mut listed = World::of([of_companion(1)]);
    listed.status.vm_status = vec![VmStatus {
        name: "pool-n01".into(),
        uuid: "4209".into(),
        ..VmStatus::default()
    }];
    let mut unread = World::of([of_companion(1)]);
    unread.agents = Sought::Unreadable("forbidden".into());
    let other_template = World::of([of_companion(1)]).with_agent(|agent| {
        agent.meta.labels.insert(key("managed-by"), "other".into());
    });
    let other_vm = World::of([of_companion(1)]).with_agent(|agent| {
        agent
            .meta
            .annotations
            .insert(key("vm-name"), "pool-n02".into());
    });
    let machine = Machine {
        mac_addresses: vec!["00:50:56:00:00:01".into()],
        ..of_companion(1)
    };
    let other_host = World::of([machine]).with_agent(|agent| {
        agent.status.inventory.interfaces = vec![Interface {
            mac_address: "00:50:56:00:00:02".into(),
        }];
    });
    for (world, expected) in [
        (
            other_host,
            "host says to be its own, and these differ: MAC addresses",
        ),
        (World::of([elsewhere]), "it is in `/DC0/vm`"),
        (World::of([stranger]), "does not begin with `pool`"),
        (unknown, "not looked up"),
        (listed, "with the UUID 4209"),
        (unread, "forbidden"),
        (other_template, "belongs to the template `other`"),
        (other_vm, "is of the machine `pool-n02`"),
    ] {
        let refusal = world.refusal();
        assert!(refusal.contains(expected), "{expected}: {refusal}");
    }
}

#[test]
fn an_agent_that_agrees_is_named() {
    let world = World::of([of_companion(1)]).with_agent(|agent| {
        agent.meta.labels.insert(key("managed-by"), "pool".into());
        let vm_name = (key("vm-name"), "pool-n01".into());
        agent.meta.annotations.extend([vm_name]);
    });
    let candidate = world.candidates().remove(0);
    assert_eq!(
        (candidate.agent, candidate.refusal),
        ("host".into(), String::new())
    );
}

#[test]
fn an_agent_without_a_serial_number_is_known_by_either_order_of_its_uuid() {
    let uuid = Uuid::parse_str(&of_companion(1).bios_uuid).unwrap();
    for name in [uuid, Uuid::from_bytes_le(*uuid.as_bytes())] {
        for none in ["", "None", "Not Specified"] {
            let world = World::of([of_companion(1)]).with_agent(|agent| {
                agent.meta.name = name.to_string();
                agent.status.inventory.system_vendor.serial_number = none.into();
            });
            assert_eq!(world.candidates()[0].agent, name.to_string(), "{none}");
        }
    }
}

#[test]
fn a_tag_is_believed_only_where_the_name_or_the_status_says_the_same() {
    let named = of_companion(1);
    let renamed = Machine {
        name: "renamed".into(),
        ..of_companion(1)
    };
    let nameless = Machine {
        bios_uuid: String::new(),
        ..renamed.clone()
    };
    let listed = |name: &str, uuid: &str| VMwareNodePoolTemplateStatus {
        vm_status: vec![VmStatus {
            name: name.into(),
            uuid: uuid.into(),
            ..VmStatus::default()
        }],
        ..VMwareNodePoolTemplateStatus::default()
    };
    let uuid = renamed.bios_uuid.to_uppercase();
    for (machine, status, expected) in [
        (&named, listed("other", ""), true),
        (&renamed, listed("other", ""), false),
        (&renamed, listed("renamed", ""), true),
        (&renamed, listed("other", &uuid), true),
        (&nameless, listed("other", ""), false),
    ] {
        let is = is_credible(machine, "pool", &status);
        assert_eq!(is, expected, "{machine:?} {status:?}");
    }
}
