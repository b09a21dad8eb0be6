//! Which machines are adopted, under which numbers, and what speaks against it. Pure.

use crate::{
    agents::identity::{Identity, Relation, relation},
    crd::{AdoptionPlan, GROUP, VMwareNodePoolTemplateStatus, VmStatus},
    driver::{Adoption, Machine, Ownership},
    hub::Sought,
    kinds::agent::Agent,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What a decision about adoption rests on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grounds<'a> {
    /// Machines that may become the template's, by managed object id.
    pub(crate) adoptable: &'a BTreeMap<String, Arc<Machine>>,
    /// Name of the template.
    pub(crate) template: &'a str,
    /// Prefix of its machines' names.
    pub(crate) prefix: &'a str,
    /// Where it makes machines, once that was looked up.
    pub(crate) folder: Option<&'a str>,
    /// What was recorded.
    pub(crate) status: &'a VMwareNodePoolTemplateStatus,
    /// All Agents that one of the machines may have.
    pub(crate) agents: &'a Sought<Vec<Arc<Agent>>>,
}

/// A machine that is adopted, unless something speaks against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// What the driver is asked for.
    pub(crate) adoption: Adoption,
    /// Its Agent. Empty: none is known.
    pub(crate) agent: String,
    /// What speaks against it. Empty: nothing.
    pub(crate) refusal: String,
}

/// All machines that are to be adopted, by name.
pub(crate) fn candidates(grounds: &Grounds<'_>) -> Vec<Candidate> {
    let mut machines: Vec<_> = grounds.adoptable.values().collect();
    machines.sort_by(|one, other| (&one.name, &one.moref).cmp(&(&other.name, &other.moref)));
    let slots = slots(grounds, &machines);
    let candidate = |machine: &&Arc<Machine>| {
        let adoption = Adoption::of(machine, *slots.get(&machine.moref)?)?;
        let (agent, refusal) = match refusal(grounds, machine) {
            Ok(agent) => (agent.unwrap_or_default(), String::new()),
            Err(refusal) => (String::new(), refusal),
        };
        Some(Candidate {
            adoption,
            agent,
            refusal,
        })
    };
    machines.iter().filter_map(candidate).collect()
}

/// The slot of each machine: the one that was written down; else the number in its name, if that was never
/// given out; else one above all of them.
fn slots(grounds: &Grounds<'_>, machines: &[&Arc<Machine>]) -> BTreeMap<String, i32> {
    let status = grounds.status;
    let listed = status.vm_status.iter().filter_map(|entry| entry.slot);
    let mut taken: BTreeSet<_> = listed.collect();
    let written = status.adoption.iter().flat_map(|adoption| &adoption.plan);
    let written: BTreeMap<_, _> = written.map(|it| (it.moref.as_str(), it.slot)).collect();
    let new_from = status.next_slot.unwrap_or(1);
    let mut slots = BTreeMap::new();
    let mut give = |machine: &Machine, slot: Option<i32>| {
        let slot = slot
            .filter(|slot| *slot > 0 && !slots.contains_key(&machine.moref) && taken.insert(*slot));
        if let Some(slot) = slot {
            slots.insert(machine.moref.clone(), slot);
        }
    };
    for machine in machines {
        give(machine, written.get(machine.moref.as_str()).copied());
    }
    for machine in machines {
        let number = number(&machine.name, grounds.prefix);
        give(machine, number.filter(|number| *number >= new_from));
    }
    let highest = taken.last().copied().unwrap_or_default();
    let mut next = new_from.max(highest.saturating_add(1));
    for machine in machines {
        if !slots.contains_key(&machine.moref) {
            slots.insert(machine.moref.clone(), next);
            next = next.saturating_add(1);
        }
    }
    slots
}

/// Whether the companion can have made a machine with its tag for the template: its name or the status says so,
/// too. The tag alone says nothing: guests can write it.
pub(crate) fn is_credible(
    machine: &Machine,
    prefix: &str,
    status: &VMwareNodePoolTemplateStatus,
) -> bool {
    let uuid = &machine.bios_uuid;
    let is = |listed: &VmStatus| {
        let same = !uuid.is_empty() && listed.uuid.eq_ignore_ascii_case(uuid);
        same || listed.name == machine.name
    };
    machine.name.starts_with(prefix) || status.vm_status.iter().any(is)
}

/// The number in a name `<prefix>-n<number>`.
fn number(name: &str, prefix: &str) -> Option<i32> {
    let number = name.strip_prefix(prefix)?.strip_prefix("-n")?;
    number.parse().ok()
}

/// The Agent of a machine, or what speaks against the machine's adoption.
fn refusal(grounds: &Grounds<'_>, machine: &Machine) -> Result<Option<String>, String> {
    let name = &machine.name;
    if !name.starts_with(grounds.prefix) {
        return Err(format!(
            "its name does not begin with `{}`, as those of this template do",
            grounds.prefix
        ));
    }
    match grounds.folder {
        None => {
            return Err("the names in the spec are not looked up. See ResourcesValidated".into());
        }
        Some(folder) if folder != machine.folder => {
            let is = &machine.folder;
            return Err(format!(
                "it is in `{is}`, and this template's are in `{folder}`"
            ));
        }
        Some(_) => {}
    }
    let listed = grounds.status.vm_status.iter().find(|it| it.name == *name);
    if let Some(listed) = listed.filter(|it| !it.uuid.is_empty())
        && machine.ownership == Ownership::Companion
        && !listed.uuid.eq_ignore_ascii_case(&machine.bios_uuid)
    {
        let (says, is) = (&listed.uuid, &machine.bios_uuid);
        return Err(format!(
            "the status lists it with the UUID {says}, and it has {is}"
        ));
    }
    agent(grounds, machine)
}

/// The Agent of a machine, unless the two disagree.
fn agent(grounds: &Grounds<'_>, machine: &Machine) -> Result<Option<String>, String> {
    let agents = match grounds.agents {
        Sought::Found(agents) => agents.as_slice(),
        Sought::Absent | Sought::KindMissing => &[],
        Sought::Syncing => return Err("its Agent is being looked for. Wait".into()),
        Sought::Unreadable(why) => return Err(format!("Agents cannot be read: {why}")),
    };
    let Ok(bios_uuid) = machine.bios_uuid.parse() else {
        return Ok(None);
    };
    let identity = Identity {
        bios_uuid,
        macs: machine.mac_addresses.clone(),
        agent_name: String::new(),
    };
    let mut same = None;
    for agent in agents {
        match relation(&identity, agent) {
            Relation::Same => same = same.or(Some(agent)),
            Relation::Contradicted(traits) => {
                let nouns: Vec<_> = traits.iter().map(|it| it.noun()).collect();
                let (name, nouns) = (&agent.meta.name, nouns.join(", "));
                return Err(format!(
                    "the Agent {name} says to be its own, and these differ: {nouns}"
                ));
            }
            Relation::Stranger => {}
        }
    }
    let Some(agent) = same else {
        return Ok(None);
    };
    let (meta, name) = (&agent.meta, &agent.meta.name);
    let differs = |said: Option<&String>, expected: &str| {
        said.filter(|said| !said.is_empty() && *said != expected)
            .cloned()
    };
    let template = meta.labels.get(&format!("{GROUP}/managed-by"));
    if let Some(other) = differs(template, grounds.template) {
        return Err(format!(
            "its Agent {name} belongs to the template `{other}`"
        ));
    }
    let vm = meta.annotations.get(&format!("{GROUP}/vm-name"));
    if let Some(other) = differs(vm, &machine.name) {
        return Err(format!("its Agent {name} is of the machine `{other}`"));
    }
    Ok(Some(name.clone()))
}

// === impl Candidate ===

impl Candidate {
    /// As the status tells it.
    pub(crate) fn told(&self, changes: &[String], problem: &str) -> AdoptionPlan {
        let refusal = if self.refusal.is_empty() {
            problem
        } else {
            &self.refusal
        };
        AdoptionPlan {
            name: self.adoption.name.clone(),
            moref: self.adoption.moref.clone(),
            slot: self.adoption.slot,
            agent: self.agent.clone(),
            changes: changes.to_vec(),
            refusal: refusal.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
