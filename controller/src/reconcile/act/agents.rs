//! Sets what the Agents of machines need.

use super::super::{Work, attempts::Work as Task, memory::Memory, plan::Plan};
use crate::{
    agents::approval::{Change, VERSION},
    context::CONTROLLER,
    driver::{Driver, Fault, Kind as FaultKind, Retry},
    kinds::Kind,
};
use futures::{StreamExt as _, stream};
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
};

/// Agents that are set at the same time.
const AT_ONCE: usize = 8;

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

async fn set(client: &Client, change: &Change) -> Result<(), kube::Error> {
    let Change {
        namespace,
        name,
        body,
    } = change;
    tracing::info!(agent = name, namespace, "Setting an Agent");
    let resource = Kind::Agent.resource(VERSION);
    let agents = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
    // What others have set was left out of the body where it differs; what is in it is ours to decide.
    let params = PatchParams::apply(CONTROLLER).force();
    agents.patch(name, &params, &Patch::Apply(body)).await?;
    Ok(())
}

/// Why an Agent could not be set.
fn fault(error: &kube::Error) -> Fault {
    let code = match error {
        kube::Error::Api(status) => status.code,
        _ => 0,
    };
    let (retry, advice) = match code {
        404 | 409 => (
            Retry::Soon,
            "It has changed meanwhile; it is looked at again",
        ),
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
mod tests {
    use super::*;
    use kube::core::Status;

    #[test]
    fn what_fails_is_tried_again_by_what_can_mend_it() {
        for (code, retry) in [
            (409, Retry::Soon),
            (403, Retry::Slow),
            (422, Retry::Slow),
            (503, Retry::Backoff),
        ] {
            let status = Status::failure("no", "reason").with_code(code);
            let fault = fault(&kube::Error::Api(status.boxed()));
            assert_eq!(
                (fault.word, fault.retry),
                ("AgentUpdateFailed", retry),
                "{code}"
            );
        }
    }
}
