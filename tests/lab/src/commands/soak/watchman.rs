//! Looks all the time whether a machine is taken whose Agent is bound.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, ListParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use lab::agents::product_uuid;
use lab::vcenter::{Govc, Machine};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// How long a look may take to come off.
const PATIENCE: Duration = Duration::from_secs(30);

/// By the names of Agents that are bound, whose Machine each of them is.
type Bound = BTreeMap<String, String>;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Sighting {
    /// Agents that were bound without a machine.
    pub(super) taken: BTreeSet<String>,
    /// Agents that were bound when they were deleted.
    pub(super) deleted: BTreeSet<String>,
}

/// Tasks that look.
pub(super) struct Watchman {
    seen: Arc<Mutex<Sighting>>,
    looked: watch::Receiver<()>,
    tasks: [JoinHandle<()>; 2],
}

// === impl Watchman ===

impl Watchman {
    pub(super) fn start(agents: Api<DynamicObject>, govc: Govc) -> Self {
        let seen = Arc::default();
        let (tell, looked) = watch::channel(());
        let looks = look_again_and_again(agents.clone(), govc, Arc::clone(&seen), tell);
        let tasks = [
            tokio::spawn(follow(agents, Arc::clone(&seen))),
            tokio::spawn(looks),
        ];
        Self {
            seen,
            looked,
            tasks,
        }
    }

    /// What was seen since the last time; `None` when nobody could look for a while.
    pub(super) async fn seen(&mut self) -> Option<Sighting> {
        let looked = tokio::time::timeout(PATIENCE, self.looked.changed()).await;
        let seen = std::mem::take(&mut *lock(&self.seen));
        matches!(looked, Ok(Ok(()))).then_some(seen)
    }
}

impl Drop for Watchman {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn lock(seen: &Mutex<Sighting>) -> MutexGuard<'_, Sighting> {
    // Names are added one by one: nothing is left half done.
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes who is deleted while it is bound: looks from time to time would miss one that goes at once.
async fn follow(agents: Api<DynamicObject>, seen: Arc<Mutex<Sighting>>) {
    // After an error it watches again, and where that fails at once, too, not without a pause.
    let changes = watcher(agents, watcher::Config::default()).default_backoff();
    let mut changes = std::pin::pin!(changes);
    while let Some(change) = changes.next().await {
        if let Ok(Event::Delete(agent)) = change
            && machine_of(&agent).is_some()
        {
            lock(&seen).deleted.insert(agent.name_any());
        }
    }
}

async fn look_again_and_again(
    agents: Api<DynamicObject>,
    govc: Govc,
    seen: Arc<Mutex<Sighting>>,
    tell: watch::Sender<()>,
) {
    loop {
        if let (Some(before), Ok(machines), Some(after)) = (
            bound(&agents).await,
            govc.machines().await,
            bound(&agents).await,
        ) {
            let taken = without_machine(&before, &machines, &after);
            lock(&seen).taken.extend(taken);
            tell.send_replace(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn bound(agents: &Api<DynamicObject>) -> Option<Bound> {
    let agents = agents.list(&ListParams::default()).await.ok()?;
    let bound = agents
        .into_iter()
        .filter_map(|agent| Some((agent.name_any(), machine_of(&agent)?)));
    Some(bound.collect())
}

/// Whose Machine an Agent is, if it is bound.
fn machine_of(agent: &DynamicObject) -> Option<String> {
    let whose = agent.labels().get("agentMachineRef")?;
    let asked_for = agent.data["spec"]["clusterDeploymentName"].is_object();
    asked_for.then(|| whose.clone())
}

/// Who was bound to the same Machine before and after the look at vCenter, and had none there.
fn without_machine(before: &Bound, machines: &[Machine], after: &Bound) -> Vec<String> {
    let there: BTreeSet<_> = machines.iter().map(|it| product_uuid(&it.uuid)).collect();
    let same = before
        .iter()
        .filter(|(name, whose)| after.get(*name) == Some(whose));
    let missing = same.filter(|(name, _)| !there.contains(*name));
    missing.map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_agent_is_bound_while_a_machine_has_it_and_a_cluster_asks_for_it() {
        let label = json!({"agentMachineRef": "a"});
        let cluster = json!({"clusterDeploymentName": {"name": "hosted", "namespace": "clusters"}});
        for (why, labels, spec, bound) in [
            ("it is", &label, &cluster, true),
            ("it was let go", &json!({}), &cluster, false),
            ("nobody asks for it", &label, &json!({}), false),
        ] {
            let agent = json!({"metadata": {"name": "it", "labels": labels}, "spec": spec});
            let agent: DynamicObject = serde_json::from_value(agent).unwrap();
            assert_eq!(machine_of(&agent).is_some(), bound, "{why}");
        }
    }

    #[test]
    fn only_an_agent_that_was_bound_all_the_time_counts() {
        let uuid = "420e3f74-ea84-f9a2-0123-456789abcdef";
        let name = product_uuid(uuid);
        let machine = Machine {
            moref: String::new(),
            name: String::new(),
            on: true,
            uuid: uuid.to_owned(),
            instance_uuid: String::new(),
        };
        let bound = |whose: &str| Bound::from([(name.clone(), whose.to_owned())]);
        let (free, of_a, of_b) = (Bound::new(), bound("a"), bound("b"));
        for (why, before, machines, after, taken) in [
            (
                "it has its machine",
                &of_a,
                vec![machine.clone()],
                &of_a,
                false,
            ),
            ("its machine was taken", &of_a, vec![], &of_a, true),
            ("it was let go meanwhile", &of_a, vec![], &free, false),
            ("it was bound meanwhile", &free, vec![], &of_a, false),
            ("it was bound anew", &of_a, vec![], &of_b, false),
        ] {
            let found = without_machine(before, &machines, after);
            assert_eq!(!found.is_empty(), taken, "{why}");
        }
    }
}
