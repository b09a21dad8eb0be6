//! The hosts in the machines of a template, as their Agents tell of them. Pure.

use super::{
    plan::Seen,
    record::{DELETING, Record},
};
use crate::{
    agents::{
        approval::{self, Decision, Host},
        identity::{self, Matches},
        phase::{self, Stage},
    },
    crd::VmStatus,
    driver::Ownership,
    hub::Sought,
    kinds::agent::Agent,
    wish::Mode,
};
use std::{collections::BTreeMap, sync::Arc};

/// What is known of the hosts in the machines.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Hosts {
    /// Whether the Agents can be looked at.
    pub(super) sight: Sight,
    /// Which of them are the hosts.
    pub(super) matches: Matches,
    /// What is to be done about each; empty while nothing may be done.
    pub(super) decisions: BTreeMap<i32, Decision>,
}

/// Whether Agents can be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Sight {
    /// None are expected.
    #[default]
    Unasked,
    /// They cannot be looked at, for this reason.
    Blind(String),
    /// All of them are known.
    Clear,
}

/// What is known of the hosts in the machines of `record`.
pub(super) fn hosts(seen: &Seen<'_>, record: &Record) -> Hosts {
    let blind = |why: &str| Hosts {
        sight: Sight::Blind(why.into()),
        ..Hosts::default()
    };
    if matches!(seen.wish.mode, Mode::Test { .. }) {
        return Hosts::default();
    }
    match &seen.pool.agents {
        Sought::Syncing => blind("they are being read. Wait."),
        Sought::KindMissing => blind("the hub does not have the kind. Install assisted-service."),
        Sought::Unreadable(why) => blind(&format!("{why}. Let the controller read them.")),
        Sought::Absent => blind("it is not known where they are. See NodePoolFound."),
        Sought::Found(agents) => Hosts {
            sight: Sight::Clear,
            matches: identity::matches(
                &record.identities(&seen.sight.owner),
                agents,
                seen.pool.places.agents.as_deref(),
            ),
            decisions: BTreeMap::new(),
        },
    }
}

/// What is to be done about the Agents of machines that are ours and stay.
pub(super) fn decisions(
    seen: &Seen<'_>,
    record: &Record,
    matches: &Matches,
) -> BTreeMap<i32, Decision> {
    let Some(wish) = wish(seen) else {
        return BTreeMap::new();
    };
    let decide = |(slot, agent): (&i32, &Arc<Agent>)| {
        let entry = record.entries.get(slot)?;
        let machine = seen.sight.owner.machine(*slot)?;
        // Only for a machine that vCenter shows with our mark does anybody vouch.
        let ours = machine.exists() && machine.ownership == Ownership::Ours;
        let here = seen.pool.places.agents.as_ref() == Some(&agent.meta.namespace);
        let host = Host {
            name: &entry.name,
            was_bound: entry.was_bound,
            proved: identity::is_proved(&machine.mac_addresses, agent),
        };
        (ours && here && entry.phase != DELETING && entry.leaving.is_empty())
            .then(|| (*slot, approval::decide(agent, host, &wish)))
    };
    matches.same.iter().filter_map(decide).collect()
}

/// What the template wants of Agents; `None` while it cannot be told what that is.
fn wish<'a>(seen: &Seen<'a>) -> Option<approval::Wish<'a>> {
    let Mode::NodePool { name, .. } = &seen.wish.mode else {
        return None;
    };
    // What is to go is offered to nobody.
    if seen.wish.deleting {
        return None;
    }
    let pool = seen.pool;
    let node_pool = pool.node_pool.found().filter(|it| !it.meta.deleting)?;
    let agents = node_pool.spec.platform.agent.as_ref();
    let acts = pool.elder.is_none() && pool.places.agents.is_some();
    acts.then(|| approval::Wish {
        template: &seen.wish.owner.name,
        node_pool: name,
        labels: &seen.wish.agent_labels,
        selector: agents.and_then(|agents| agents.agent_label_selector.as_ref()),
    })
}

// === impl Hosts ===

impl Hosts {
    /// Whether the machines are for a cluster.
    pub(super) fn are_expected(&self) -> bool {
        self.sight != Sight::Unasked
    }

    /// How far the host in a machine is, in a word, where Agents can be looked at; `None` while nobody can
    /// read what its Agent says.
    pub(super) fn phase(&self, slot: i32, entry: &VmStatus) -> Option<&'static str> {
        match self.matches.same.get(&slot) {
            Some(agent) if agent.malformed.is_some() => None,
            Some(agent) => Some(phase::phase(agent, entry.was_bound)),
            None => Some(phase::WAITING),
        }
    }

    /// Whether a person has to do something before the host in a machine can get on: several claim to be
    /// it, or somebody has switched it off in the installer's service.
    pub(super) fn is_excused(&self, slot: i32) -> bool {
        let agent = self.matches.same.get(&slot);
        self.matches.doubtful.contains_key(&slot) || agent.is_some_and(|it| phase::is_disabled(it))
    }

    /// How far the host in a machine that is on is; `None` where no Agents are expected.
    pub(super) fn stage(&self, slot: i32, entry: &VmStatus) -> Option<Stage> {
        match &self.sight {
            Sight::Unasked => return None,
            Sight::Blind(why) => return Some(unseen(entry, why)),
            Sight::Clear => {}
        }
        let doubt = self.matches.doubtful.get(&slot).map(phase::doubt);
        let mut stage = match self.matches.same.get(&slot) {
            Some(agent) => match &agent.malformed {
                Some(why) => garbled(entry, &agent.meta.name, why),
                None => phase::stage(agent, entry.was_bound),
            },
            None if entry.agent_name.is_empty() => phase::waiting(),
            None => phase::lost(&entry.agent_name),
        };
        let problems = self
            .decisions
            .get(&slot)
            .map(|decision| &*decision.problems);
        // What keeps a host from being taken matters more than that it was not taken yet.
        let agent = self.matches.same.get(&slot);
        let taken = agent.is_some_and(|agent| agent.is_bound());
        let unfit = phase::unfit(problems.unwrap_or_default());
        let unfit = unfit.filter(|_| !taken || stage.message.is_empty());
        if let Some(message) = doubt.or(unfit) {
            stage.message = message;
        }
        Some(stage)
    }
}

/// What was seen last stays while the Agent says what nobody can read.
fn garbled(entry: &VmStatus, agent: &str, why: &str) -> Stage {
    let message = format!(
        "AgentUnreadable: its Agent {agent} cannot be read, and may be bound: {why}. Correct the Agent."
    );
    Stage {
        message,
        ..unseen(entry, "")
    }
}

/// What was seen last stays.
fn unseen(entry: &VmStatus, why: &str) -> Stage {
    Stage {
        phase: phase::known_word(&entry.phase).unwrap_or(phase::WAITING),
        progress: entry.progress.clone(),
        message: format!("AgentsNotSeen: Agents cannot be looked at: {why}"),
    }
}

#[cfg(test)]
mod tests;
