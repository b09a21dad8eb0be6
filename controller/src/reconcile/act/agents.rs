//! Sets what the Agents of machines need.

use super::super::{Work, attempts::Work as Task, memory::Memory, plan::Plan};
use crate::{
    agents::approval::{Change, VERSION},
    context::CONTROLLER,
    driver::{Driver, Fault, Kind as FaultKind, Retry},
    kinds::{
        Kind, Told,
        agent::{Agent, AgentSpec},
    },
};
use futures::{StreamExt as _, stream};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};

/// Agents that are set at the same time.
const AT_ONCE: usize = 8;
/// How often the same is tried on one that others write to without changing what is decided by: the installer's
/// service tells of its host every few seconds.
const LOOKS: usize = 5;

/// Applies what differs. What fails is noted, and seen in the status.
pub(in super::super) async fn apply<D: Driver>(
    work: &Work<'_, D>,
    plan: &Plan,
    memory: &mut Memory,
) {
    let settled = plan.hosts.decisions.iter();
    for (slot, _) in settled.filter(|(_, decision)| decision.change.is_none()) {
        memory.attempts.succeeded(Task::Agent(*slot));
    }
    let client = &work.ctx.client;
    let changes = plan.agents.iter().cloned();
    let changes = changes.map(|(slot, change)| {
        let client = client.clone();
        async move { (slot, set(&client, &change).await) }
    });
    // Collected first: compilers do not see that what borrows the plan can be sent.
    let changes: Vec<_> = changes.collect();
    let outcomes = stream::iter(changes).buffer_unordered(AT_ONCE);
    let outcomes: Vec<_> = outcomes.collect().await;
    let now = (work.ctx.now)();
    for (slot, outcome) in outcomes {
        let fault = outcome.err().map(|error| fault(&error));
        if let Some(fault) = &fault {
            tracing::warn!(slot, problem = fault.message, "Agent was not set");
            work.ctx.metrics.fault(fault.word);
        }
        // What was set is seen in a moment; until then it is not set again.
        memory.attempts.note(Task::Agent(slot), fault, now);
    }
}

/// Applies `change` to the Agent that it was decided for. If somebody else has changed it in what was
/// decided by, nothing is set: the watch tells of it, and it is decided anew.
async fn set(client: &Client, change: &Change) -> Result<(), kube::Error> {
    let meta = &change.agent.meta;
    let (name, namespace) = (&*meta.name, &*meta.namespace);
    tracing::info!(agent = name, namespace, "Setting an Agent");
    let resource = Kind::Agent.resource(VERSION);
    let agents = Api::<Told<AgentSpec>>::namespaced_with(client.clone(), namespace, &resource);
    // What others have set was left out of the body where it differs; what is in it is ours to decide.
    let params = PatchParams::apply(CONTROLLER).force();
    let mut version = meta.version.clone();
    for _ in 0..LOOKS {
        let patch = Patch::Apply(change.body(&version));
        match agents.patch(name, &params, &patch).await {
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            set => return set.map(drop),
        }
        let Some(found) = agents.get_opt(name).await? else {
            break;
        };
        let found = Agent::of(found);
        if found != *change.agent {
            break;
        }
        version = found.meta.version;
    }
    tracing::debug!(agent = name, namespace, "Somebody else was faster");
    Ok(())
}

/// Why an Agent could not be set.
fn fault(error: &kube::Error) -> Fault {
    let code = match error {
        kube::Error::Api(status) => status.code,
        _ => 0,
    };
    let (retry, advice) = match code {
        404 => (Retry::Soon, "It is gone; the next one is looked for"),
        401 | 403 => (Retry::Slow, "Let the controller patch Agents"),
        400 | 422 => (Retry::Slow, "Correct what is named"),
        _ => (Retry::Backoff, "It is tried again"),
    };
    Fault {
        word: "AgentUpdateFailed",
        message: format!("{error}. {advice}"),
        retry,
        after: None,
        kind: FaultKind::Other,
    }
}

#[cfg(test)]
mod tests;
