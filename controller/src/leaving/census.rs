//! Looks afresh at the Agents there are, for machines of which none is known.
//!
//! An Agent is bound in the second in which it registers, where the installer is told so, and what is known of
//! Agents may be some minutes old: a watch that was cut off unnoticed tells nothing for so long.

use super::{
    agent::Error,
    release::{Sighting, Standing},
    ties::Ties,
};
use crate::{
    agents::{
        approval::VERSION,
        identity::{Identity, Index, matches},
    },
    crd::VmStatus,
    hub::Sought,
    kinds::{
        Kind, Told, View,
        agent::{Agent, AgentSpec},
    },
    pool::Pool,
};
use kube::{Api, Client, api::ListParams};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// An Agent with its inventory may have 100 KiB: no more of them than this are in memory at once.
const PAGE: u32 = 100;

/// Machines of which no Agent is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Unknowns {
    /// What is recorded of them, by slot.
    pub(crate) entries: BTreeMap<i32, VmStatus>,
    /// What sets them apart, by slot.
    pub(crate) identities: BTreeMap<i32, Identity>,
}

// === impl Unknowns ===

impl Unknowns {
    /// Those of them that do have an Agent by now, or that may be in use. One list, whatever their number.
    pub(crate) async fn known(
        &self,
        client: &Client,
        template: &str,
        pool: &Pool,
    ) -> Result<BTreeSet<i32>, Error> {
        let agents = self.list(client, pool.places.agents.as_deref()).await?;
        Ok(self.known_by(agents, template, pool))
    }

    /// The same by the rules that hold for what is known all the time, with `agents` for those of `pool`.
    fn known_by(&self, agents: Vec<Arc<Agent>>, template: &str, pool: &Pool) -> BTreeSet<i32> {
        let here = pool.places.agents.as_deref();
        let matches = matches(&self.identities, &agents, here);
        let fresh = Pool {
            agents: Sought::Found(agents),
            ..pool.clone()
        };
        let ties = Ties::of(template, &fresh, &self.entries, &matches, &BTreeMap::new());
        let alone = |slot: i32, entry: &VmStatus| {
            let free = matches!(
                ties.standing(slot, entry),
                Standing::Free | Standing::Released
            );
            free && ties.sighting(slot) == Sighting::Absent
        };
        let known = self
            .entries
            .iter()
            .filter(|(slot, entry)| !alone(**slot, entry));
        known.map(|(slot, _)| *slot).collect()
    }

    /// The Agents of this namespace, or of all, that may be in one of these machines.
    async fn list(
        &self,
        client: &Client,
        namespace: Option<&str>,
    ) -> Result<Vec<Arc<Agent>>, Error> {
        let (client, kind) = (client.clone(), Kind::Agent.resource(VERSION));
        let api: Api<Told<AgentSpec>> = match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &kind),
            None => Api::all_with(client, &kind),
        };
        let index = Index::of(&self.identities);
        let mut agents = Vec::new();
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = match api.list(&params).await {
                // The hub does not have the kind.
                Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(agents),
                page => page.map_err(Error::List)?,
            };
            let told = page.items.into_iter().map(View::of);
            let meant = told.filter(|agent| self.concerns(agent, &index));
            agents.extend(meant.map(Arc::new));
            match page.metadata.continue_ {
                Some(next) if !next.is_empty() => params = params.continue_token(&next),
                _ => return Ok(agents),
            }
        }
    }

    /// Whether the Agent may be in one of these machines.
    fn concerns(&self, agent: &Agent, index: &Index) -> bool {
        let mut entries = self.entries.values();
        let named = entries.any(|entry| entry.agent_name == agent.meta.name);
        named || agent.malformed.is_some() || !index.candidates(agent).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::fixtures::{MAC, UUID, agent, bound, identity};

    #[test]
    fn a_machine_is_alone_only_if_no_agent_may_be_in_it() {
        let entry = VmStatus {
            slot: Some(1),
            uuid: UUID.into(),
            ..VmStatus::default()
        };
        let machine = Unknowns {
            entries: [(1, entry)].into(),
            identities: [(1, identity(1))].into(),
        };
        let swapped = "743f0e42-84ea-a2f9-0102-030405060708";
        let other = "7ad17814-c27b-5f31-9b1a-dbfa81a6f66f";
        let contradicting = || agent(UUID, "", "00:50:56:aa:bb:99");
        let mut garbled = agent(other, "", "");
        garbled.malformed = Some("invalid type".into());
        for (why, found, known) in [
            ("none is there", vec![], false),
            ("its own, just registered", vec![agent(UUID, "", "")], true),
            (
                "in the other byte order",
                vec![agent(swapped, "", "")],
                true,
            ),
            ("bound already", vec![bound(agent(UUID, "", ""))], true),
            ("by its MAC address", vec![agent("host", "", MAC)], true),
            ("another machine's", vec![agent(other, "", "")], false),
            ("one that contradicts itself", vec![contradicting()], false),
            ("a bound one that does", vec![bound(contradicting())], true),
            ("one that cannot be read", vec![garbled], true),
        ] {
            let pool = Pool {
                places: crate::pool::Places {
                    agents: Some("agents".into()),
                    ..crate::pool::Places::default()
                },
                ..Pool::default()
            };
            let found = found.into_iter().map(Arc::new).collect();
            let expected = if known { vec![1] } else { vec![] };
            let seen = machine.known_by(found, "pool", &pool);
            assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected, "{why}");
        }
    }
}
