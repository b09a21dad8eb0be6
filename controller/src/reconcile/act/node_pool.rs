//! Sets by what a NodePool selects Agents that takes any so far.

use super::super::{Work, attempts::Work as Task, memory::Memory, plan::Plan};
use crate::{
    agents::selector::{Selection, VERSION},
    context::CONTROLLER,
    driver::{Driver, Fault, Kind as FaultKind, Retry},
    kinds::Kind,
};
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
};

/// Applies the selector, if the NodePool is to have one. What fails is noted, and seen in the status.
pub(in super::super) async fn select<D: Driver>(
    work: &Work<'_, D>,
    plan: &Plan,
    memory: &mut Memory,
) {
    let Some(selection) = &plan.select else {
        return;
    };
    let fault = match apply(&work.ctx.client, selection).await {
        // The watch tells of what somebody else has written, and it is decided anew.
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => None,
        applied => applied.err().map(|error| fault(&error)),
    };
    if let Some(fault) = &fault {
        tracing::warn!(problem = fault.message, "NodePool was not set");
        work.ctx.metrics.fault(fault.word);
    }
    memory.attempts.note(Task::Select, fault, (work.ctx.now)());
}

async fn apply(client: &Client, selection: &Selection) -> Result<(), kube::Error> {
    let meta = &selection.node_pool.meta;
    let (name, namespace) = (&*meta.name, &*meta.namespace);
    tracing::info!(node_pool = name, namespace, "Giving a NodePool a selector");
    let resource = Kind::NodePool.resource(VERSION);
    let pools = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
    // An empty selector may be somebody's, too. Whoever fills it in this moment is not written over: the version
    // would be another one.
    let params = PatchParams::apply(CONTROLLER).force();
    let patch = Patch::Apply(selection.body());
    pools.patch(name, &params, &patch).await.map(drop)
}

/// Why the NodePool could not be set.
fn fault(error: &kube::Error) -> Fault {
    let refused = matches!(error, kube::Error::Api(status) if (400..500).contains(&status.code));
    let (retry, advice) = if refused {
        (
            Retry::Slow,
            "Let the controller patch NodePools, or set platform.agent.agentLabelSelector yourself",
        )
    } else {
        (Retry::Backoff, "It is tried again")
    };
    Fault {
        word: "NodePoolUpdateFailed",
        message: format!("{error}. {advice}"),
        retry,
        after: None,
        kind: FaultKind::Other,
    }
}
