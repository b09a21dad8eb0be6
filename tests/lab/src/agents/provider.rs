//! The provider that binds Agents to Machines: it selects, binds, and lets go.

mod rule;

use futures::StreamExt as _;
use serde_json::Value;

pub(super) use self::rule::{DEPROVISION, HOOK};
use self::rule::{Seen, steps};
use super::hub::{CALLS, Hub, Kind};
use super::json::Key;
use super::orders::Pace;

/// A change of one object.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Merge(Kind, Key, Value),
    MergeStatus(Kind, Key, Value),
    Create(Kind, Value),
    Delete(Kind, Key),
}

/// Plays the provider until it is aborted.
pub(super) async fn run(hub: Hub, pace: Pace) {
    let mut changes = hub.changes();
    loop {
        let seen = Seen {
            machines: hub.objects(Kind::AgentMachine),
            owners: hub.objects(Kind::Machine),
            agents: hub.objects(Kind::Agent),
            clusters: hub.objects(Kind::HostedCluster),
        };
        act(&hub, steps(&seen)).await;
        tokio::time::sleep(pace.look / 4).await;
        hub.wait(&mut changes, pace.look).await;
    }
}

/// Takes steps, several at once.
pub(super) async fn act(hub: &Hub, steps: Vec<Step>) {
    futures::stream::iter(steps)
        .for_each_concurrent(CALLS, |step| step.act(hub))
        .await;
}

// === impl Step ===

impl Step {
    async fn act(self, hub: &Hub) {
        match self {
            Self::Merge(kind, at, patch) => hub.merge(kind, &at, &patch).await,
            Self::MergeStatus(kind, at, patch) => hub.merge_status(kind, &at, &patch).await,
            Self::Create(kind, object) => hub.create(kind, &object).await,
            Self::Delete(kind, at) => hub.delete(kind, &at).await,
        }
    }
}
