//! What ties the machines of one template to those who use them. Pure.

use super::{
    course::Look,
    release::{AgentView, Health, Sighting, Standing, standing},
};
use crate::{
    agents::identity::{Doubt, Matches, normalised, swapped},
    crd::{AGENT_FINALIZER, MANAGED_BY_LABEL, VmStatus},
    hub::Sought,
    kinds::agent::{AGENT_MACHINE_REF, Agent},
    pool::Pool,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};
use uuid::Uuid;

/// What ties the machines of one template to those who use them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ties {
    /// Agents cannot be looked at.
    pub(crate) blind: bool,
    /// One of the Agents that the machines may have cannot be read.
    pub(crate) garbled: bool,
    /// The Agents of machines, by slot.
    pub(crate) agents: BTreeMap<i32, AgentView>,
    /// Names of the Agents that live `AgentMachines` name.
    pub(crate) referred: BTreeSet<String>,
    /// What was found after Agents were fenced, by slot.
    pub(crate) looks: BTreeMap<i32, Look>,
}

// === impl Ties ===

impl Ties {
    /// What is known of the machines of these entries.
    pub(crate) fn of(
        template: &str,
        pool: &Pool,
        entries: &BTreeMap<i32, VmStatus>,
        matches: &Matches,
        looks: &BTreeMap<i32, Look>,
    ) -> Self {
        let mut known = entries.values().map(|entry| &entry.agent_name);
        let expected = known.any(|name| !name.is_empty());
        // An Agent that was there is not gone because nobody looked.
        let blind = match (&pool.agents, &pool.agent_machines) {
            (Sought::Syncing | Sought::Unreadable(_), _)
            | (_, Sought::Syncing | Sought::Unreadable(_)) => true,
            (Sought::KindMissing | Sought::Absent, _) => expected,
            // Any Agent may be the one that it names.
            (Sought::Found(_), _) => pool.garbled().is_some(),
        };
        let claims = claims(entries, pool.agents.found().map_or(&[], Vec::as_slice));
        let agent = |(slot, entry): (&i32, &VmStatus)| {
            let case = Case {
                template,
                here: pool.places.agents.as_deref(),
                entry,
                same: matches.same.get(slot),
                doubt: matches.doubtful.get(slot),
            };
            let claims = claims.get(slot).map_or(&[][..], Vec::as_slice);
            Some((*slot, case.counting(claims)?))
        };
        Self {
            blind,
            garbled: pool.garbled_agent().is_some(),
            agents: entries.iter().filter_map(agent).collect(),
            referred: pool.referred(),
            looks: looks.clone(),
        }
    }

    /// What can be seen of the Agent of a machine.
    pub(crate) fn sighting(&self, slot: i32) -> Sighting<'_> {
        match self.agents.get(&slot) {
            _ if self.blind => Sighting::Blind,
            Some(agent) => Sighting::There(agent),
            None => Sighting::Absent,
        }
    }

    /// Who uses a machine. One without an Agent may be that of an Agent that cannot be read, and a look outweighs
    /// what a watch has told.
    pub(crate) fn standing(&self, slot: i32, entry: &VmStatus) -> Standing {
        if self.looks.get(&slot) == Some(&Look::Taken) {
            return Standing::Used;
        }
        let agent = match self.sighting(slot) {
            Sighting::Absent if self.garbled => Sighting::Blind,
            agent => agent,
        };
        let told = match agent {
            Sighting::There(agent) => &agent.name,
            Sighting::Blind | Sighting::Absent => &entry.agent_name,
        };
        // An Agent that nobody has told of yet has its name all the same.
        let expected = expected_names(entry);
        let mut names = expected.iter().chain([told]);
        let referred = names.any(|name| !name.is_empty() && self.referred.contains(name));
        standing(entry.was_bound, agent, referred)
    }

    /// Whether the Agent of a machine that is gone is still to go.
    pub(crate) fn outlives(&self, slot: i32, entry: &VmStatus) -> bool {
        match self.sighting(slot) {
            Sighting::There(_) => true,
            Sighting::Absent => false,
            Sighting::Blind => !entry.agent_name.is_empty(),
        }
    }
}

/// What speaks for an Agent's being the host in one machine.
struct Case<'a> {
    /// The template of the machine.
    template: &'a str,
    /// Where the Agents of the pool are.
    here: Option<&'a str>,
    entry: &'a VmStatus,
    /// The one that is the host.
    same: Option<&'a Arc<Agent>>,
    /// One that cannot be believed.
    doubt: Option<&'a Doubt>,
}

// === impl Case ===

impl Case<'_> {
    /// The one that counts of those that may be the host. One that is tied saves the machine, whatever else it
    /// says; of the others only one that we may withdraw.
    fn counting(&self, claims: &[&Arc<Agent>]) -> Option<AgentView> {
        let all = self.same.into_iter().chain(claims.iter().copied());
        let judged = all.map(|agent| {
            let ours = self.is_ours(agent);
            let mut view = AgentView::of(agent);
            // What is not ours is not let go by us either.
            view.held &= ours;
            let elsewhere = self.here.is_some_and(|here| here != view.namespace);
            let unknown = view.name != self.entry.agent_name;
            let rank = (
                !view.is_tied(),
                !ours,
                !self.is_same(agent),
                elsewhere,
                unknown,
            );
            (rank, view)
        });
        let counting = judged.filter(|((free, others, ..), _)| !free || !others);
        counting.min_by_key(|(rank, _)| *rank).map(|(_, view)| view)
    }

    /// Whether it is ours to withdraw when the machine goes: it is the host, wherever it is, or was when we set
    /// it, and no other template has marked it as its own.
    fn is_ours(&self, agent: &Arc<Agent>) -> bool {
        let marked = agent.meta.labels.get(MANAGED_BY_LABEL);
        let marked = marked.filter(|template| !template.is_empty());
        let by_us = marked.is_some_and(|template| template == self.template);
        let contradicts = self
            .doubt
            .is_some_and(|doubt| doubt.agent == agent.meta.name && !doubt.contradicted.is_empty());
        let was_known = agent.meta.name == self.entry.agent_name;
        let was_set = is_held(agent) && (was_known || (by_us && !contradicts));
        (marked.is_none() || by_us) && (self.is_same(agent) || was_set)
    }

    fn is_same(&self, agent: &Arc<Agent>) -> bool {
        self.same.is_some_and(|same| Arc::ptr_eq(same, agent))
    }
}

/// The Agents that may be the host in each machine, by any one thing that they tell.
fn claims<'a>(
    entries: &BTreeMap<i32, VmStatus>,
    agents: &'a [Arc<Agent>],
) -> BTreeMap<i32, Vec<&'a Arc<Agent>>> {
    let index = Index::of(entries);
    let mut claims: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for agent in agents {
        for slot in index.slots(agent) {
            claims.entry(slot).or_default().push(agent);
        }
    }
    claims
}

/// Machines by what their Agents may tell.
#[derive(Default)]
struct Index {
    names: HashMap<String, Vec<i32>>,
    serials: HashMap<String, Vec<i32>>,
}

// === impl Index ===

impl Index {
    fn of(entries: &BTreeMap<i32, VmStatus>) -> Self {
        let mut index = Self::default();
        let note = |map: &mut HashMap<_, Vec<_>>, key: String, slot| {
            if !key.is_empty() {
                map.entry(key).or_default().push(slot);
            }
        };
        for (slot, entry) in entries {
            note(&mut index.serials, normalised(&entry.serial_number), *slot);
            let known = [entry.agent_name.clone(), entry.uuid.clone()];
            for name in known.into_iter().chain(expected_names(entry)) {
                note(&mut index.names, name, *slot);
            }
        }
        index
    }

    /// Slots of the machines that something of `agent` points to.
    fn slots(&self, agent: &Agent) -> BTreeSet<i32> {
        let serial = normalised(&agent.status.inventory.system_vendor.serial_number);
        let found = [self.names.get(&agent.meta.name), self.serials.get(&serial)];
        found.into_iter().flatten().flatten().copied().collect()
    }
}

/// What the Agent of a machine is called: whether a guest prints the first groups of its UUID swapped depends on
/// its hardware version.
fn expected_names(entry: &VmStatus) -> Vec<String> {
    let uuid = Uuid::parse_str(&entry.uuid).ok();
    let names = uuid.map(|uuid| [uuid, swapped(uuid)]);
    names
        .into_iter()
        .flatten()
        .map(|it| it.to_string())
        .collect()
}

/// Our finalizer holds it.
fn is_held(agent: &Agent) -> bool {
    agent.meta.finalizers.iter().any(|it| it == AGENT_FINALIZER)
}

// === impl AgentView ===

impl AgentView {
    fn of(agent: &Arc<Agent>) -> Self {
        let cluster = agent.spec.cluster_deployment_name.as_ref();
        Self {
            namespace: agent.meta.namespace.clone(),
            name: agent.meta.name.clone(),
            uid: agent.meta.uid.clone(),
            cluster: cluster.map(|cluster| cluster.name.clone()),
            reserved_by: agent.meta.labels.get(AGENT_MACHINE_REF).cloned(),
            unreadable: agent.malformed.is_some(),
            leaving: agent.meta.deleting,
            held: is_held(agent),
            health: Health::of(&agent.status.debug_info.state),
        }
    }
}

#[cfg(test)]
mod tests;
