//! The assisted installer: hosts that boot its image become Agents, and Agents become nodes.

mod conditions;
mod objects;
mod rule;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt as _;
use http::Method;
use serde_json::{Value, json};

use self::objects::FINALIZER;
use self::rule::{Agent, Next, Position, Seen, next};
pub use self::state::{Stage, State};
use super::guest::Guest;
use super::hub::{CALLS, Hub, Kind, Objects};
use super::json::{Key, finalizers, is_deleting, is_in, text};
use super::orders::{Orders, Told, Trouble};
use crate::control::ask;

/// Plays the installer until it is aborted.
pub(super) async fn run(hub: Hub, vcenter: SocketAddr, orders: Arc<Orders>) {
    let mut changes = hub.changes();
    let mut memory = Memory::default();
    loop {
        let looked = ask(vcenter, Method::GET, "/guests", &Value::Null).await;
        let looked = looked.map(serde_json::from_value::<Vec<Guest>>);
        // A vCenter that cannot be asked tells nothing of its machines.
        if let Ok(Ok(guests)) = looked {
            let works = memory.works(&hub, &guests, &orders);
            let done =
                futures::stream::iter(works).for_each_concurrent(CALLS, |work| work.act(&hub));
            done.await;
        }
        // A change of what is watched may be one of its own: those come in swarms.
        tokio::time::sleep(orders.pace().look / 4).await;
        hub.wait(&mut changes, orders.pace().look).await;
    }
}

/// What no object tells.
#[derive(Debug, Default)]
struct Memory {
    /// Where each Agent is, and since when.
    since: BTreeMap<Key, (Position, bool, Instant)>,
    /// Machines that boot from their disk.
    on_disk: BTreeSet<String>,
}

/// Something to do.
#[derive(Debug)]
enum Work {
    Register(Value),
    Deregister(Key, Value),
    Tell(Key, Value),
}

// === impl Memory ===

impl Memory {
    fn works(&mut self, hub: &Hub, guests: &[Guest], orders: &Orders) -> Vec<Work> {
        let agents = hub.objects(Kind::Agent);
        let infra_envs = hub.objects(Kind::InfraEnv);
        let told = orders.told();
        let guests: BTreeMap<_, _> = guests.iter().map(|it| (it.product_uuid(), it)).collect();
        self.since.retain(|key, _| agents.contains_key(key));
        let mut works = Vec::new();
        for (key, agent) in &agents {
            let guest = guests.get(&key.1).copied();
            works.extend(self.of_agent(key, agent, guest, (&told, orders)));
        }
        let known: BTreeSet<_> = agents.keys().map(|(_, name)| name.as_str()).collect();
        let new = guests
            .iter()
            .filter(|(name, _)| !known.contains(name.as_str()));
        for (_, guest) in new {
            works.extend(self.of_guest(guest, &infra_envs, (&told, orders)));
        }
        works
    }

    /// A machine without an Agent.
    fn of_guest(
        &mut self,
        guest: &Guest,
        infra_envs: &Objects,
        (told, orders): (&Told, &Orders),
    ) -> Option<Work> {
        let seen = self.seen(Some(guest), None, told);
        let infra_env = booted(guest, infra_envs)?;
        let contradicts = told.is(&guest.name, Trouble::Contradicts);
        match next(&seen, orders.pace()) {
            Next::Register if !told.is(&guest.name, Trouble::NeverRegisters) => {
                let agent = objects::agent(guest, infra_env, contradicts);
                Some(Work::Register(agent))
            }
            Next::Register | Next::Nothing | Next::Deregister | Next::Be(_) => None,
        }
    }

    fn of_agent(
        &mut self,
        at: &Key,
        object: &Value,
        guest: Option<&Guest>,
        (told, orders): (&Told, &Orders),
    ) -> Option<Work> {
        let agent = self.agent(at, object);
        if let (Some(guest), Some(stage)) = (guest, agent.position.stage)
            && stage.is_on_disk()
        {
            self.on_disk.insert(guest.vm.clone());
        }
        let seen = self.seen(guest, Some(agent), told);
        match next(&seen, orders.pace()) {
            Next::Be(position) => {
                let contradicts = guest.is_some_and(|it| told.is(&it.name, Trouble::Contradicts));
                let running = guest.filter(|guest| guest.on);
                let now = crate::agents::now();
                let status = objects::status(object, running, position, (contradicts, &now));
                if position.state == State::DiscoveringUnbound
                    && let Some(guest) = guest
                {
                    // It has booted the image again.
                    self.on_disk.remove(&guest.vm);
                }
                let told_already = is_in(&status, &object["status"]);
                (!told_already).then(|| Work::Tell(at.clone(), json!({"status": status})))
            }
            Next::Deregister => Some(Work::Deregister(at.clone(), let_go(object))),
            Next::Nothing | Next::Register => None,
        }
    }

    fn seen(&self, guest: Option<&Guest>, agent: Option<Agent>, told: &Told) -> Seen {
        let is = |trouble| guest.is_some_and(|guest| told.is(&guest.name, trouble));
        let state = agent.map(|agent| agent.position.state);
        Seen {
            heard: guest.is_some_and(|guest| guest.on) && !is(Trouble::Disconnected),
            on_disk: guest.is_some_and(|guest| self.on_disk.contains(&guest.vm)),
            sufficient: guest.is_some_and(objects::is_sufficient) && !is(Trouble::Insufficient),
            fails: is(Trouble::FailsInstallation),
            lost: is(Trouble::CannotBeReclaimed),
            held: state.is_some_and(|state| told.holds(state)),
            agent,
        }
    }

    /// An Agent with how long it is where it is.
    fn agent(&mut self, at: &Key, object: &Value) -> Agent {
        let state = State::in_object(object);
        let position = Position {
            state: state.unwrap_or(State::DiscoveringUnbound),
            stage: Stage::in_object(object),
            // A new one says nothing yet, and was heard of.
            connected: state.is_none() || super::json::is(object, "Connected", "True"),
        };
        let deleting = is_deleting(object);
        let now = Instant::now();
        let entry = self.since.entry(at.clone());
        let since = entry.or_insert((position, deleting, now));
        if (since.0, since.1) != (position, deleting) {
            *since = (position, deleting, now);
        }
        Agent {
            position,
            since: now.duration_since(since.2),
            wanted: !text(object, "/spec/clusterDeploymentName/name").is_empty(),
            approved: object["spec"]["approved"] == json!(true),
            deleting,
            finalizer: finalizers(object).any(|it| it == FINALIZER),
        }
    }
}

// === impl Work ===

impl Work {
    async fn act(self, hub: &Hub) {
        match self {
            Self::Register(agent) => hub.create(Kind::Agent, &agent).await,
            Self::Deregister(at, patch) => hub.merge(Kind::Agent, &at, &patch).await,
            Self::Tell(at, status) => hub.merge_status(Kind::Agent, &at, &status).await,
        }
    }
}

/// The InfraEnv whose image a machine has in its drive: the one that says so, or the only one.
fn booted<'a>(guest: &Guest, infra_envs: &'a Objects) -> Option<&'a Value> {
    if guest.iso.is_empty() {
        return None;
    }
    let says = |it: &&Arc<Value>| {
        let image = it["metadata"]["annotations"][super::pool::IMAGE].as_str();
        image.is_none_or(|image| image == guest.iso)
    };
    infra_envs.values().find(says).map(|it| &**it)
}

/// The patch that takes the installer's finalizer away, while the Agent is as it was seen.
fn let_go(agent: &Value) -> Value {
    let others = finalizers(agent).filter(|it| *it != FINALIZER);
    json!({"metadata": {
        "finalizers": others.collect::<Vec<_>>(),
        "resourceVersion": agent["metadata"]["resourceVersion"],
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_keeps_the_finalizers_of_others() {
        let agent = json!({"metadata": {
            "resourceVersion": "7", "finalizers": ["theirs", FINALIZER],
        }});
        let patch = json!({"metadata": {"finalizers": ["theirs"], "resourceVersion": "7"}});
        assert_eq!(let_go(&agent), patch);
    }
}
