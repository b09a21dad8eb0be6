//! What is to be set of an Agent, so that Cluster API takes it: labels, name, disk, and approval. Pure.

use super::{
    labels::{self, Labels, Wanted},
    phase::is_installing_or_installed,
};
use crate::{
    crd::{AGENT_FINALIZER, BINDING_LABEL, MANAGED_BY_LABEL, NODE_POOL_LABEL},
    kinds::{
        Kind, Version,
        agent::{Agent, Disk},
        node_pool::LabelSelector,
    },
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, sync::Arc};

/// The version of the Agents that we write.
pub(crate) const VERSION: &str = "v1beta1";
/// Longest name of a host.
const LONGEST: usize = 63;

/// Why an Agent is offered to nobody.
const UNPROVED: &str = "it tells no MAC address of the machine, so that it may be another host";
/// Why one is not approved any more.
const TAKEN_BACK: &str = "somebody took its approval back";

/// What a template wants of the Agents of its machines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Wish<'a> {
    /// Its name.
    pub(crate) template: &'a str,
    /// Its node pool; empty in test mode.
    pub(crate) node_pool: &'a str,
    /// The labels that it gives.
    pub(crate) labels: &'a Labels,
    /// What the node pool selects Agents by.
    pub(crate) selector: Option<&'a LabelSelector>,
}

/// What is known of the machine whose host the Agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Host<'a> {
    /// The machine's name, which its host gets.
    pub(crate) name: &'a str,
    /// It belonged to a cluster before.
    pub(crate) was_bound: bool,
    /// The Agent tells one of its MAC addresses.
    pub(crate) proved: bool,
}

/// What is to be applied to an Agent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    /// What the decision rests on.
    pub(crate) agent: Arc<Agent>,
    /// The labels that we want on it.
    labels: Labels,
    /// What we want of its spec.
    spec: Map<String, Value>,
}

/// What is to be done about an Agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Decision {
    /// What to apply, if it differs from what is there.
    pub(crate) change: Option<Change>,
    /// Why it will not be taken, although all is set that may be.
    pub(crate) problems: Vec<String>,
}

/// What is to be set of `agent`. All in one write: nobody ever sees it approved without its name.
pub(crate) fn decide(agent: &Arc<Agent>, host: Host<'_>, wish: &Wish<'_>) -> Decision {
    // Before it tells its inventory only its name speaks for it. One that was given back is not offered
    // again: it holds a half removed installation.
    let settled = agent.inventory().is_some() && !agent.meta.deleting;
    if !settled || is_released(agent, host.was_bound) {
        return Decision::default();
    }
    // Whoever has the ISO can register under a name, UUID and serial number that can be worked out.
    if !host.proved && !is_accepted(agent) {
        return Decision {
            change: None,
            problems: vec![UNPROVED.into()],
        };
    }
    let ours = agent.meta.ours.clone().unwrap_or_default();
    let of_others = |(key, _): &(&String, &String)| !ours.labels.contains(*key);
    let others = agent.meta.labels.iter().filter(of_others);
    let others: Labels = others.map(|(k, v)| (k.clone(), v.clone())).collect();
    let bound = host.was_bound || agent.is_bound();
    let Wanted {
        labels,
        mut problems,
    } = labels::wanted(&all_labels(wish, bound), wish.selector, &others);
    let spec = spec(agent, host);
    if !approves(agent, host) {
        let why = if host.proved { TAKEN_BACK } else { UNPROVED };
        problems.push(why.into());
    }
    let differs = labels_differ(agent, &labels, &ours.labels)
        || !agent.meta.finalizers.iter().any(|it| it == AGENT_FINALIZER)
        || spec_differs(agent, &spec);
    let change = differs.then(|| Change {
        agent: agent.clone(),
        labels,
        spec,
    });
    Decision { change, problems }
}

/// It belonged to a cluster, and Cluster API has let go of it.
pub(crate) fn is_released(agent: &Agent, was_bound: bool) -> bool {
    was_bound && !agent.may_be_bound()
}

/// Whether `name` can be that of a host.
pub(crate) fn is_hostname(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let part = |part: &str| {
        part.starts_with(plain)
            && part.ends_with(plain)
            && part.chars().all(|c| plain(c) || c == '-')
    };
    name.len() <= LONGEST && !name.starts_with("localhost") && name.split('.').all(part)
}

/// The labels of the template, and those by which the companion finds what is its own.
fn all_labels(wish: &Wish<'_>, bound: bool) -> Labels {
    let mut all = wish.labels.clone();
    let pool = wish.node_pool;
    let marks = [
        (MANAGED_BY_LABEL, wish.template),
        (NODE_POOL_LABEL, pool),
        (BINDING_LABEL, if bound { pool } else { "" }),
    ];
    let marks = marks.iter().filter(|(_, value)| labels::is_value(value));
    all.extend(marks.map(|(key, value)| ((*key).into(), (*value).into())));
    all
}

/// It was found to be the host before, or a cluster has it already: addresses that cannot be seen for a while
/// take nothing away.
fn is_accepted(agent: &Agent) -> bool {
    let ours = agent.meta.ours.as_ref();
    agent.is_bound() || (agent.spec.approved && ours.is_some_and(|ours| ours.approval))
}

/// Approval is given once: one that somebody took back stays taken.
fn approves(agent: &Agent, host: Host<'_>) -> bool {
    let ours = agent.meta.ours.as_ref();
    agent.spec.approved || (host.proved && ours.is_none_or(|ours| ours.approval))
}

/// The part of the spec that we set. What a user has set is left out of it, and so stays as it is.
fn spec(agent: &Agent, host: Host<'_>) -> Map<String, Value> {
    let late = is_installing_or_installed(agent);
    // Once the installation has begun nothing more can be chosen; what we chose is kept.
    let settable = |now: &str, wanted: &str| now == wanted || (now.is_empty() && !late);
    let mut spec = Map::new();
    if is_hostname(host.name) && settable(&agent.spec.hostname, host.name) {
        spec.insert("hostname".into(), host.name.into());
    }
    let disks = agent.inventory().map(|inventory| &*inventory.disks);
    let disk = installation_disk(disks.unwrap_or_default());
    let by_path = !agent.spec.installation_disk_path.is_empty();
    let now = &agent.spec.installation_disk_id;
    match disk {
        Some(disk) if !by_path && settable(now, &disk.id) => {
            spec.insert("installation_disk_id".into(), disk.id.clone().into());
        }
        // While a disk is written to, it may be out of the list; the choice stands.
        _ if late && !now.is_empty() => {
            spec.insert("installation_disk_id".into(), now.clone().into());
        }
        _ => {}
    }
    if approves(agent, host) {
        spec.insert("approved".into(), true.into());
    }
    spec
}

/// The disk that the machine was made with, which is the first: others were added by somebody for data.
fn installation_disk(disks: &[Disk]) -> Option<&Disk> {
    let address = |disk: &&Disk| {
        let parts = disk.hctl.split(':').map(|part| part.parse().ok());
        let parts: Option<Vec<u32>> = parts.collect();
        (parts.is_none(), parts, disk.path.clone())
    };
    let eligible = disks.iter().filter(|disk| {
        let Disk { id, .. } = disk;
        disk.installation_eligibility.eligible && !id.is_empty()
    });
    eligible.min_by_key(address)
}

fn labels_differ(agent: &Agent, wanted: &Labels, ours: &BTreeSet<String>) -> bool {
    let present = &agent.meta.labels;
    let missing = wanted.iter().any(|(k, v)| present.get(k) != Some(v));
    missing || ours.iter().any(|key| !wanted.contains_key(key))
}

fn spec_differs(agent: &Agent, wanted: &Map<String, Value>) -> bool {
    let present = json!({
        "hostname": agent.spec.hostname,
        "installation_disk_id": agent.spec.installation_disk_id,
        "approved": agent.spec.approved,
    });
    wanted.iter().any(|(field, value)| &present[field] != value)
}

// === impl Change ===

impl Change {
    /// All that we want of the Agent, on condition that this is its version. Of what was written since, nothing
    /// was decided: in the same moment a user may name the host, or take its approval back.
    pub(crate) fn body(&self, version: &Version) -> Value {
        let meta = &self.agent.meta;
        json!({
            "apiVersion": format!("{}/{VERSION}", Kind::Agent.group()),
            "kind": Kind::Agent.word(),
            "metadata": {
                "name": meta.name,
                "namespace": meta.namespace,
                // Without it, one that is gone would be made anew.
                "uid": meta.uid,
                "resourceVersion": version.0,
                "labels": self.labels,
                "finalizers": [AGENT_FINALIZER],
            },
            "spec": self.spec,
        })
    }
}

#[cfg(test)]
mod tests;
