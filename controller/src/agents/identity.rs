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
pub(crate) fn normalised(text: &str) -> String {
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
mod tests;
