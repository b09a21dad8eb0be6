//! What of a node pool cannot be seen, so that nobody can tell which machines are in use. Pure.

use super::Pool;
use crate::{
    crd::VmStatus,
    hub::Sought,
    kinds::{Foreign, View, agent::Agent},
};
use std::{collections::BTreeMap, sync::Arc};

// === impl Pool ===

impl Pool {
    /// Whether it is known which Agents are there for the machines of these entries. Where the hub does not
    /// have the kind, there are none.
    pub fn knows_agents_of(&self, entries: &BTreeMap<i32, VmStatus>) -> bool {
        match &self.agents {
            Sought::Found(_) | Sought::KindMissing => true,
            Sought::Syncing | Sought::Unreadable(_) => false,
            Sought::Absent => entries.values().all(|entry| entry.agent_name.is_empty()),
        }
    }

    /// An object of Cluster API for the pool that cannot be read: whichever Agent it names, nobody knows.
    pub fn garbled(&self) -> Option<String> {
        let hosts = self.agent_machines.found().into_iter().flatten();
        let machines = self.machines.found().into_iter().flatten();
        let machine = || first_garbled(machines.map(Arc::as_ref));
        first_garbled(hosts.map(Arc::as_ref)).or_else(machine)
    }

    /// An Agent where the pool's are that cannot be read: whose it is, only its name tells.
    pub fn garbled_agent(&self) -> Option<String> {
        let agents = self.agents.found().into_iter().flatten();
        let here = |agent: &&Agent| self.places.agents.as_ref() == Some(&agent.meta.namespace);
        first_garbled(agents.map(Arc::as_ref).filter(here))
    }

    /// Why it is not known who uses the machines of these entries, and what to do about it.
    pub fn unseen(&self, entries: &BTreeMap<i32, VmStatus>) -> Option<String> {
        const READ: &str = "Let the controller read them.";
        let expected = entries.values().any(|entry| !entry.agent_name.is_empty());
        let of_hosts = || match &self.agent_machines {
            Sought::Syncing => Some("AgentMachines are being read. Wait.".to_owned()),
            Sought::Unreadable(why) => Some(format!("{why}. {READ}")),
            Sought::KindMissing | Sought::Absent | Sought::Found(_) => None,
        };
        let garbled = || {
            let garbled = self.garbled().or_else(|| self.garbled_agent());
            garbled.map(|it| format!("{it}. Correct or delete it."))
        };
        match &self.agents {
            Sought::Syncing => Some("Agents are being read. Wait.".to_owned()),
            Sought::Unreadable(why) => Some(format!("{why}. {READ}")),
            Sought::KindMissing | Sought::Absent => expected.then(|| {
                let gone = "Agents were there, and cannot be looked at";
                format!("{gone}. Install assisted-service, or let the controller read them.")
            }),
            Sought::Found(_) => of_hosts().or_else(garbled),
        }
    }
}

/// The first of these objects that cannot be read, and why.
fn first_garbled<'a, S: Foreign>(mut objects: impl Iterator<Item = &'a View<S>>) -> Option<String> {
    objects.find_map(|object| {
        let (meta, why) = (&object.meta, object.malformed.as_ref()?);
        Some(format!(
            "{} {}/{}: {why}",
            S::KIND,
            meta.namespace,
            meta.name
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::agent_machine::AgentMachine;

    fn garbled<S: Foreign>(namespace: &str) -> Sought<Vec<Arc<View<S>>>> {
        let mut object = View::<S>::default();
        object.meta.namespace = namespace.into();
        object.meta.name = "a".into();
        object.malformed = Some("invalid type".into());
        Sought::Found(vec![Arc::new(object)])
    }

    fn none<T>() -> Sought<Vec<T>> {
        Sought::Found(vec![])
    }

    fn with(agents: Sought<Vec<Arc<Agent>>>, hosts: Sought<Vec<Arc<AgentMachine>>>) -> Pool {
        let mut pool = Pool {
            agents,
            agent_machines: hosts,
            ..Pool::default()
        };
        pool.places.agents = Some("agents".into());
        pool
    }

    #[test]
    fn what_cannot_be_seen_is_named_with_what_to_do_about_it() {
        use Sought::{Absent, KindMissing, Syncing, Unreadable};
        for (agents, hosts, told) in [
            (none(), none(), None),
            (none(), KindMissing, None),
            (Syncing, none(), Some("Agents are being read. Wait.")),
            (none(), Syncing, Some("AgentMachines are being read. Wait.")),
            (Unreadable("no".into()), none(), Some("no. Let")),
            (none(), Unreadable("no".into()), Some("no. Let")),
            (KindMissing, none(), Some("Agents were there")),
            (Absent, none(), Some("Agents were there")),
            (
                garbled("agents"),
                none(),
                Some("Agent agents/a: invalid type. Correct"),
            ),
            (garbled("elsewhere"), none(), None),
            (
                none(),
                garbled("plane"),
                Some("AgentMachine plane/a: invalid type."),
            ),
        ] {
            let pool = with(agents, hosts);
            let entry = VmStatus {
                agent_name: "agent-1".into(),
                ..VmStatus::default()
            };
            let said = pool.unseen(&[(1, entry)].into());
            let as_told = match (&said, told) {
                (Some(said), Some(told)) => said.starts_with(told),
                (said, told) => said.is_none() && told.is_none(),
            };
            assert!(as_told, "{said:?} is not {told:?}");
        }
    }

    #[test]
    fn agents_that_were_never_there_are_not_missed() {
        for agents in [Sought::KindMissing, Sought::Absent] {
            let pool = with(agents, Sought::Absent);
            assert_eq!(pool.unseen(&[(1, VmStatus::default())].into()), None);
        }
    }
}
