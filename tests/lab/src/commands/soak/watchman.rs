//! Looks all the time whether a machine is taken whose Agent is bound.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::api::{Api, DynamicObject, ListParams};
use lab::agents::product_uuid;
use lab::vcenter::{Govc, Machine};
use tokio::task::JoinHandle;

/// The time between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// By the names of Agents that are bound, whose Machine each of them is.
type Bound = BTreeMap<String, String>;

/// A task that looks.
pub(super) struct Watchman {
    taken: Arc<Mutex<BTreeSet<String>>>,
    task: JoinHandle<()>,
}

// === impl Watchman ===

impl Watchman {
    pub(super) fn start(agents: Api<DynamicObject>, govc: Govc) -> Self {
        let taken: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let noted = Arc::clone(&taken);
        let task = tokio::spawn(async move {
            loop {
                let found = look(&agents, &govc).await;
                note(&noted, found);
                tokio::time::sleep(LOOK).await;
            }
        });
        Self { taken, task }
    }

    /// Agents that were bound without a machine since the last time.
    pub(super) fn taken(&self) -> Vec<String> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *taken).into_iter().collect()
    }
}

impl Drop for Watchman {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn note(noted: &Mutex<BTreeSet<String>>, found: Vec<String>) {
    let noted = noted.lock();
    noted.unwrap_or_else(PoisonError::into_inner).extend(found);
}

async fn look(agents: &Api<DynamicObject>, govc: &Govc) -> Vec<String> {
    let (Some(before), Ok(machines), Some(after)) = (
        bound(agents).await,
        govc.machines().await,
        bound(agents).await,
    ) else {
        return Vec::new();
    };
    without_machine(&before, &machines, &after)
}

async fn bound(agents: &Api<DynamicObject>) -> Option<Bound> {
    let agents = agents.list(&ListParams::default()).await.ok()?;
    let bound = agents.into_iter().filter_map(|agent| {
        let labels = agent.metadata.labels.unwrap_or_default();
        let whose = labels.get("agentMachineRef")?.clone();
        let asked_for = agent.data["spec"]["clusterDeploymentName"].is_object();
        asked_for.then_some((agent.metadata.name?, whose))
    });
    Some(bound.collect())
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
    use super::*;

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
