//! What ties the machines of one template to those who use them. Pure.

use super::{
    course::Look,
    release::{AgentView, Health, Sighting, Standing, standing},
};
use crate::{
    agents::identity::Matches,
    crd::{AGENT_FINALIZER, VmStatus},
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
        let index = Index::of(pool.agents.found().map_or(&[], Vec::as_slice));
        let agent = |(slot, entry): (&i32, &VmStatus)| {
            let same = matches.same.get(slot);
            let agent = AgentView::of(same.or_else(|| index.find(entry))?);
            // One that only claims to be the machine's counts where that saves the machine.
            let counts = same.is_some() || agent.held || agent.is_tied();
            counts.then_some((*slot, agent))
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

    /// Who uses a machine. One without an Agent may be that of an Agent that cannot be read.
    pub(crate) fn standing(&self, slot: i32, entry: &VmStatus) -> Standing {
        let agent = match self.sighting(slot) {
            Sighting::Absent if self.garbled => Sighting::Blind,
            agent => agent,
        };
        let name = match agent {
            Sighting::There(agent) => &agent.name,
            Sighting::Blind | Sighting::Absent => &entry.agent_name,
        };
        standing(entry.was_bound, agent, self.referred.contains(name))
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

/// Agents by what sets them apart.
struct Index<'a> {
    names: HashMap<&'a str, &'a Arc<Agent>>,
    serials: HashMap<String, &'a Arc<Agent>>,
}

// === impl Index ===

impl<'a> Index<'a> {
    fn of(agents: &'a [Arc<Agent>]) -> Self {
        let serial =
            |agent: &Arc<Agent>| plain(&agent.status.inventory.system_vendor.serial_number);
        let serials = agents.iter().map(|agent| (serial(agent), agent));
        let names = agents.iter().map(|agent| (&*agent.meta.name, agent));
        Self {
            names: names.filter(|(name, _)| !name.is_empty()).collect(),
            serials: serials.filter(|(serial, _)| !serial.is_empty()).collect(),
        }
    }

    fn find(&self, entry: &VmStatus) -> Option<&'a Arc<Agent>> {
        let by_name = |name: &String| self.names.get(name.as_str());
        let by_serial = || self.serials.get(&plain(&entry.serial_number));
        let known = by_name(&entry.agent_name).or_else(by_serial);
        // Whether a guest prints the first groups of its UUID swapped depends on its hardware version.
        let swapped = || {
            let uuid = Uuid::parse_str(&entry.uuid).ok()?;
            self.names
                .get(&*Uuid::from_bytes(uuid.to_bytes_le()).to_string())
        };
        let known = known.or_else(|| by_name(&entry.uuid));
        known.or_else(swapped).copied()
    }
}

/// A serial number without its spelling: hosts write blanks and dashes in it as they like.
fn plain(serial: &str) -> String {
    let digits = serial.chars().filter(char::is_ascii_alphanumeric);
    digits.collect::<String>().to_lowercase()
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
            held: agent.meta.finalizers.iter().any(|it| it == AGENT_FINALIZER),
            health: Health::of(&agent.status.debug_info.state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaving::release::tests::agent;

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
        Ties::of(pool, &entries, &Matches::default(), &BTreeMap::new())
    }

    #[test]
    fn an_agent_is_found_by_its_names_and_by_its_serial_number() {
        let told = |name: &str, serial: &str| {
            let mut agent = Agent::default();
            agent.meta.name = name.into();
            agent.meta.finalizers = vec![AGENT_FINALIZER.into()];
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
}
