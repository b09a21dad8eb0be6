//! Which Agent is the host in which machine. Pure.

use crate::{crd::VmStatus, kinds::agent::Agent};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};
use uuid::Uuid;

/// Digits of a UUID, and of the serial number that follows from it.
const DIGITS: usize = 32;
/// What the serial number of a virtual machine begins with.
const VMWARE: &str = "vmware";
/// What hosts without a serial number say instead.
const NO_SERIAL: [&str; 6] = [
    "",
    "none",
    "notspecified",
    "notapplicable",
    "unspecifiedsystemserial",
    "tobefilledbyo.e.m.",
];

/// What is known of a machine that its host tells, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// BIOS UUID as vCenter prints it.
    pub(crate) bios_uuid: Uuid,
    /// MAC addresses; empty while they are not known.
    pub(crate) macs: Vec<String>,
    /// The Agent that it was matched with before.
    pub(crate) agent_name: String,
}

/// What a host tells that sets it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trait {
    /// The SMBIOS serial number.
    Serial,
    /// The Agent's name, which is the SMBIOS UUID.
    Name,
    /// The MAC addresses.
    Mac,
}

/// What one Agent has to do with one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// All that both tell agrees.
    Same,
    /// Some of it agrees, and this does not.
    Contradicted(Vec<Trait>),
    /// Nothing agrees.
    Stranger,
}

/// The Agents of machines, by slot.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Matches {
    /// The one that is the host in the machine.
    pub(crate) same: BTreeMap<i32, Arc<Agent>>,
    /// One that claims to be, and cannot be believed; and why.
    pub(crate) doubtful: BTreeMap<i32, Doubt>,
}

/// Why an Agent is not believed to be the host in a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Doubt {
    /// Its name.
    pub(crate) agent: String,
    /// What does not agree; empty: another Agent claims the same.
    pub(crate) contradicted: Vec<Trait>,
}

/// Finds the Agent of each machine. `here` is the namespace that they are expected in, if it is known.
pub(crate) fn matches(
    machines: &BTreeMap<i32, Identity>,
    agents: &[Arc<Agent>],
    here: Option<&str>,
) -> Matches {
    let index = Index::of(machines);
    let mut claims: BTreeMap<i32, Vec<&Arc<Agent>>> = BTreeMap::new();
    let mut found = Matches::default();
    for agent in agents {
        for slot in index.candidates(agent) {
            match relation(&machines[&slot], agent) {
                Relation::Same => claims.entry(slot).or_default().push(agent),
                Relation::Contradicted(contradicted) => {
                    let doubt = Doubt {
                        agent: agent.meta.name.clone(),
                        contradicted,
                    };
                    found.doubtful.entry(slot).or_insert(doubt);
                }
                Relation::Stranger => {}
            }
        }
    }
    for (slot, claims) in claims {
        match chosen(&machines[&slot], &claims, here) {
            Ok(agent) => drop(found.same.insert(slot, agent.clone())),
            Err(doubt) => drop(found.doubtful.insert(slot, doubt)),
        }
    }
    found
}

/// What `agent` has to do with `machine`.
pub(crate) fn relation(machine: &Identity, agent: &Agent) -> Relation {
    let told = [
        (Trait::Serial, serial_agrees(machine, agent)),
        (Trait::Name, name_agrees(machine, agent)),
        (Trait::Mac, mac_agrees(&machine.macs, agent)),
    ];
    let of = |wanted| {
        let told = told
            .iter()
            .filter(move |(_, agrees)| *agrees == Some(wanted));
        told.map(|(it, _)| *it).collect::<Vec<_>>()
    };
    match (of(true).is_empty(), of(false)) {
        (true, _) => Relation::Stranger,
        (false, contradicted) if contradicted.is_empty() => Relation::Same,
        (false, contradicted) => Relation::Contradicted(contradicted),
    }
}

/// Whether the host tells an address of the machine, which has these. vCenter gives them out when the machine
/// is made; UUID, name and serial number can be worked out before.
pub(crate) fn is_proved(macs: &[String], agent: &Agent) -> bool {
    mac_agrees(macs, agent) == Some(true)
}

/// Whether `agent` may be the host in the machine of `entry`: any one thing that it tells is enough.
pub(crate) fn may_be_of(entry: &VmStatus, agent: &Agent) -> bool {
    let known = !agent.meta.name.is_empty() && agent.meta.name == entry.agent_name;
    let machine = entry.uuid.parse().map(|bios_uuid| Identity {
        bios_uuid,
        ..Identity::default()
    });
    known || machine.is_ok_and(|machine| relation(&machine, agent) != Relation::Stranger)
}

/// The one of several Agents that all are the machine's: one host registers under one name in one
/// namespace, so that the others are left over, or false.
fn chosen<'a>(
    machine: &Identity,
    claims: &[&'a Arc<Agent>],
    here: Option<&str>,
) -> Result<&'a Arc<Agent>, Doubt> {
    let is_here = |agent: &Agent| here == Some(&*agent.meta.namespace);
    let is_known = |agent: &Agent| agent.meta.name == machine.agent_name;
    let claims = narrowed(narrowed(claims.to_vec(), is_here), is_known);
    match claims[..] {
        [only] => Ok(only),
        ref several => Err(Doubt {
            agent: several
                .first()
                .map(|agent| agent.meta.name.clone())
                .unwrap_or_default(),
            contradicted: Vec::new(),
        }),
    }
}

/// Those of which this holds; all, where it holds of none.
fn narrowed(claims: Vec<&Arc<Agent>>, holds: impl Fn(&Agent) -> bool) -> Vec<&Arc<Agent>> {
    let left: Vec<_> = claims.iter().copied().filter(|it| holds(it)).collect();
    if left.is_empty() { claims } else { left }
}

fn serial_agrees(machine: &Identity, agent: &Agent) -> Option<bool> {
    let serial = normalised(&agent.inventory()?.system_vendor.serial_number);
    let told = !NO_SERIAL.contains(&&*serial);
    told.then(|| serial_uuid(&serial) == Some(machine.bios_uuid))
}

fn name_agrees(machine: &Identity, agent: &Agent) -> Option<bool> {
    let name = Uuid::parse_str(&agent.meta.name).ok()?;
    Some(name == machine.bios_uuid || swapped(name) == machine.bios_uuid)
}

fn mac_agrees(known: &[String], agent: &Agent) -> Option<bool> {
    let told = macs(agent);
    let known: BTreeSet<_> = known.iter().map(|mac| normalised(mac)).collect();
    let both = !told.is_empty() && !known.is_empty();
    both.then(|| !told.is_disjoint(&known))
}

fn macs(agent: &Agent) -> BTreeSet<String> {
    let interfaces = agent.inventory().map(|inventory| &inventory.interfaces);
    let macs = interfaces.into_iter().flatten();
    macs.map(|interface| normalised(&interface.mac_address))
        .filter(|mac| !mac.is_empty())
        .collect()
}

/// Without what different programs put between the digits.
fn normalised(text: &str) -> String {
    let kept = text
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '-' | ':'));
    kept.map(|c| c.to_ascii_lowercase()).collect()
}

/// The UUID that a normalised serial number of a virtual machine is made of.
fn serial_uuid(serial: &str) -> Option<Uuid> {
    let digits = serial.strip_prefix(VMWARE)?;
    let whole = digits.len() == DIGITS;
    whole.then(|| Uuid::try_parse(digits).ok()).flatten()
}

/// The same UUID in the other byte order of SMBIOS: from version 2.6 on its first three groups are little
/// endian, and whether a guest prints them so depends on its hardware version and its kernel.
pub(crate) fn swapped(uuid: Uuid) -> Uuid {
    Uuid::from_bytes(uuid.to_bytes_le())
}

/// Machines by what their hosts may tell.
pub(crate) struct Index {
    uuids: HashMap<Uuid, i32>,
    macs: HashMap<String, i32>,
}

// === impl Index ===

impl Index {
    pub(crate) fn of(machines: &BTreeMap<i32, Identity>) -> Self {
        let uuids = machines.iter().flat_map(|(slot, machine)| {
            let uuid = machine.bios_uuid;
            [(uuid, *slot), (swapped(uuid), *slot)]
        });
        let macs = machines.iter().flat_map(|(slot, machine)| {
            let macs = machine.macs.iter();
            macs.map(|mac| (normalised(mac), *slot))
        });
        Self {
            uuids: uuids.collect(),
            macs: macs.collect(),
        }
    }

    /// Slots of machines that something of `agent` points to.
    pub(crate) fn candidates(&self, agent: &Agent) -> BTreeSet<i32> {
        let name = Uuid::parse_str(&agent.meta.name).ok();
        let inventory = agent.inventory();
        let serial = inventory.map(|inventory| &inventory.system_vendor.serial_number);
        let serial = serial.and_then(|serial| serial_uuid(&normalised(serial)));
        let uuids = [name, serial].into_iter().flatten();
        let by_uuid = uuids.filter_map(|uuid| self.uuids.get(&uuid));
        let macs = macs(agent);
        let by_mac = macs.iter().filter_map(|mac| self.macs.get(mac));
        by_uuid.chain(by_mac).copied().collect()
    }
}

// === impl Trait ===

impl Trait {
    /// What people call it.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Serial => "serial number",
            Self::Name => "UUID",
            Self::Mac => "MAC addresses",
        }
    }
}

#[cfg(test)]
mod tests {
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
}
