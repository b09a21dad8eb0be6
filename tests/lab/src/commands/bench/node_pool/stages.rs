//! How far the Agents of a pool have come, and when all of them had.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::TryStreamExt as _;
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::json;

use super::NAME;

/// When it was so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached {
    /// One Agent was labelled and approved.
    pub(super) first_approved: Instant,
    /// There was an Agent of each machine.
    pub(super) registered: Instant,
    /// All of them were labelled and approved.
    pub(super) approved: Instant,
    /// All of them were nodes.
    pub(super) joined: Instant,
}

/// The Agents that have come to a stage, and when there were enough.
#[derive(Debug, Default)]
struct Stage {
    agents: BTreeSet<String>,
    complete: Option<Instant>,
}

/// All stages.
#[derive(Debug)]
struct Stages {
    wanted: usize,
    first_approved: Option<Instant>,
    registered: Stage,
    approved: Stage,
    joined: Stage,
}

/// Waits until so many Agents have joined, and says when they came to each stage.
pub(super) async fn follow(
    agents: Api<DynamicObject>,
    wanted: usize,
    within: Duration,
) -> anyhow::Result<Reached> {
    let mut stages = Stages::until(wanted);
    let look = async {
        let changes = watcher(agents, watcher::Config::default()).applied_objects();
        let mut changes = std::pin::pin!(changes);
        while let Some(agent) = changes.try_next().await? {
            if let Some(reached) = stages.see(&agent, Instant::now()) {
                return Ok(reached);
            }
        }
        anyhow::bail!("the watch of Agents has ended")
    };
    let looked = tokio::time::timeout(within, look).await;
    looked.with_context(|| format!("not within {within:?}: {}", stages.told()))?
}

fn is_approved(agent: &DynamicObject) -> bool {
    let labelled = agent.labels().get("pool").is_some_and(|pool| pool == NAME);
    labelled && agent.data["spec"]["approved"] == json!(true)
}

fn is_node(agent: &DynamicObject) -> bool {
    agent.data["status"]["debugInfo"]["state"] == json!("added-to-existing-cluster")
}

// === impl Stage ===

impl Stage {
    fn see(&mut self, agent: &DynamicObject, wanted: usize, now: Instant) {
        self.agents.insert(agent.name_any());
        if self.complete.is_none() && self.agents.len() >= wanted {
            self.complete = Some(now);
        }
    }
}

// === impl Stages ===

impl Stages {
    fn until(wanted: usize) -> Self {
        Self {
            wanted,
            first_approved: None,
            registered: Stage::default(),
            approved: Stage::default(),
            joined: Stage::default(),
        }
    }

    /// Takes in how an Agent is. Returns when each stage was reached, once all of them are.
    fn see(&mut self, agent: &DynamicObject, now: Instant) -> Option<Reached> {
        self.registered.see(agent, self.wanted, now);
        if is_approved(agent) {
            self.first_approved.get_or_insert(now);
            self.approved.see(agent, self.wanted, now);
        }
        if is_node(agent) {
            self.joined.see(agent, self.wanted, now);
        }
        Some(Reached {
            first_approved: self.first_approved?,
            registered: self.registered.complete?,
            approved: self.approved.complete?,
            joined: self.joined.complete?,
        })
    }

    fn told(&self) -> String {
        format!(
            "{} registered, {} approved, {} joined of {}",
            self.registered.agents.len(),
            self.approved.agents.len(),
            self.joined.agents.len(),
            self.wanted
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str, pool: &str, approved: bool, state: &str) -> DynamicObject {
        let object = json!({
            "metadata": {"name": name, "labels": {"pool": pool}},
            "spec": {"approved": approved},
            "status": {"debugInfo": {"state": state}},
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn an_agent_counts_as_approved_once_it_is_labelled_too() {
        assert!(is_approved(&agent("it", NAME, true, "")));
        assert!(!is_approved(&agent("it", NAME, false, "")));
        assert!(!is_approved(&agent("it", "other", true, "")));
    }

    #[test]
    fn each_stage_is_reached_when_the_last_agent_comes_to_it() {
        let began = Instant::now();
        let at = |second| began + Duration::from_secs(second);
        let (known, node) = ("known-unbound", "added-to-existing-cluster");
        let mut stages = Stages::until(2);
        let mut reached = None;
        for (second, name, approved, state) in [
            (1, "a", false, known),
            (2, "a", true, known),
            (3, "b", false, known),
            (4, "a", true, node),
            (5, "b", true, known),
            (6, "a", true, node),
            (7, "b", true, node),
        ] {
            assert_eq!(reached, None);
            reached = stages.see(&agent(name, NAME, approved, state), at(second));
        }
        let expected = Reached {
            first_approved: at(2),
            registered: at(3),
            approved: at(5),
            joined: at(7),
        };
        assert_eq!(reached, Some(expected));
        assert_eq!(stages.told(), "2 registered, 2 approved, 2 joined of 2");
    }
}
