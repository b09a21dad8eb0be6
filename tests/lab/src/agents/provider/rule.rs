//! What the provider does next: values in, steps out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Step;
use crate::agents::State;
use crate::agents::hub::{Kind, Objects};
use crate::agents::json::{Key, entry, finalizers, is, is_deleting, is_in, key, selects, text};

/// What keeps a Machine until its Agent is let go.
pub(in crate::agents) const HOOK: &str =
    "pre-terminate.delete.hook.machine.cluster.x-k8s.io/agentmachine";
/// What keeps an AgentMachine until its Agent is let go.
pub(in crate::agents) const DEPROVISION: &str =
    "agentmachine.agent-install.openshift.io/deprovision";

/// The label and the annotation by which an Agent tells whose it is.
const REF: &str = "agentMachineRef";
const REF_NAMESPACE: &str = "agentMachineRefNamespace";

/// What is seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) machines: Objects,
    pub(super) owners: Objects,
    pub(super) agents: Objects,
    pub(super) clusters: Objects,
}

/// The Agents, in the order in which they are asked for: there are as many machines as Agents, and
/// nobody looks through all of one for each of the other.
struct Agents<'a> {
    /// Whose they are, by the machine.
    bound: BTreeMap<Key, &'a Value>,
    /// Those that can be given to a machine.
    free: Vec<(&'a Key, &'a Value)>,
}

/// What is done next. Nobody is given an Agent that another was given.
pub(super) fn steps(seen: &Seen) -> Vec<Step> {
    let mut agents = Agents::of(&seen.agents);
    let of_one = |machine| of_machine(seen, machine, &mut agents);
    seen.machines
        .values()
        .map(|it| &**it)
        .flat_map(of_one)
        .collect()
}

fn of_machine(seen: &Seen, machine: &Value, agents: &mut Agents<'_>) -> Vec<Step> {
    let owner = owner(seen, machine);
    let ends = is_deleting(machine) || owner.is_some_and(is_deleting);
    if entry(machine, "annotations", "cluster.x-k8s.io/paused").is_some() {
        return Vec::new();
    }
    let agent = agents.bound.get(&key(machine)).copied();
    if ends {
        return let_go(seen, machine, owner, agent);
    }
    match agent {
        Some(agent) => mirror(machine, agent),
        // One that had an Agent is not given another.
        None if machine["status"]["agentRef"].is_object() => Vec::new(),
        None => bind(seen, machine, agents),
    }
}

fn owner<'a>(seen: &'a Seen, machine: &Value) -> Option<&'a Value> {
    let owners = machine["metadata"]["ownerReferences"].as_array();
    let owner = owners
        .into_iter()
        .flatten()
        .find(|it| it["kind"] == "Machine")?;
    let at = (key(machine).0, text(owner, "/name").to_owned());
    seen.owners.get(&at).map(|it| &**it)
}

/// The hosted cluster whose control plane is in this namespace.
fn cluster<'a>(seen: &'a Seen, control_plane: &str) -> Option<&'a Value> {
    let mut clusters = seen.clusters.values().map(|it| &**it);
    clusters.find(|cluster| {
        let (namespace, name) = key(cluster);
        format!("{namespace}-{}", name.replace('.', "-")) == control_plane
    })
}

fn bind(seen: &Seen, machine: &Value, agents: &mut Agents<'_>) -> Vec<Step> {
    let (namespace, name) = key(machine);
    let Some(cluster) = cluster(seen, &namespace) else {
        return Vec::new();
    };
    let home = text(cluster, "/spec/platform/agent/agentNamespace");
    let selector = &machine["spec"]["agentLabelSelector"];
    let Some((at, agent)) = agents.give(|(at, _), agent| at == home && selects(selector, agent))
    else {
        return unmet(machine);
    };
    let patch = json!({
        "metadata": {
            "labels": {REF: name},
            "annotations": {REF_NAMESPACE: namespace},
            "resourceVersion": agent["metadata"]["resourceVersion"],
        },
        "spec": {
            "clusterDeploymentName": {"name": key(cluster).1, "namespace": namespace},
            "machineConfigPool": "worker",
            "ignitionEndpointTokenReference": {"namespace": namespace, "name": "agent-user-data"},
        },
    });
    vec![Step::Merge(Kind::Agent, at.clone(), patch)]
}

fn is_free(agent: &Value) -> bool {
    entry(agent, "labels", REF).is_none()
        && agent["spec"]["approved"] == json!(true)
        && is(agent, "Validated", "True")
        && is(agent, "Connected", "True")
        && is(agent, "Bound", "False")
}

/// Nobody fits.
fn unmet(machine: &Value) -> Vec<Step> {
    let condition = json!({
        "type": "AgentReserved", "status": "False", "reason": "NoSuitableAgents",
        "message": "No suitable Agents found", "severity": "Info",
    });
    let status = json!({"ready": false, "conditions": [condition]});
    told(machine, &status)
}

/// What the AgentMachine says of its Agent.
fn mirror(machine: &Value, agent: &Value) -> Vec<Step> {
    let (namespace, name) = key(agent);
    let of = |kind: &str| {
        if is(agent, kind, "True") {
            "True"
        } else {
            "False"
        }
    };
    let conditions = [
        ("AgentReserved", "True"),
        ("AgentSpecSynced", of("SpecSynced")),
        ("AgentValidated", of("Validated")),
        ("AgentRequirementsMet", of("RequirementsMet")),
        ("Installed", of("Installed")),
    ];
    let ready = conditions.iter().all(|(_, status)| *status == "True");
    let conditions = conditions.map(|(kind, status)| json!({"type": kind, "status": status}));
    let hostname = match text(agent, "/spec/hostname") {
        "" => text(agent, "/status/inventory/hostname"),
        hostname => hostname,
    };
    let status = json!({
        "ready": ready,
        "agentRef": {"name": name, "namespace": namespace},
        "addresses": [{"type": "InternalDNS", "address": hostname}],
        "conditions": conditions,
    });
    let mut steps = told(machine, &status);
    let spec = json!({"spec": {"providerID": format!("agent://{name}")}});
    if !is_in(&spec, machine) {
        steps.push(Step::Merge(Kind::AgentMachine, key(machine), spec));
    }
    steps
}

fn told(machine: &Value, status: &Value) -> Vec<Step> {
    let patch = json!({"status": status});
    if is_in(&patch, machine) {
        return Vec::new();
    }
    vec![Step::MergeStatus(Kind::AgentMachine, key(machine), patch)]
}

/// Lets the Agent go, waits until it is free or gone, and lets Cluster API go on.
fn let_go(seen: &Seen, machine: &Value, owner: Option<&Value>, agent: Option<&Value>) -> Vec<Step> {
    // Draining comes before this hook; nobody drains here.
    if let Some(agent) = agent {
        let patch = json!({
            "metadata": {
                "labels": {REF: null},
                "annotations": {REF_NAMESPACE: null},
                "resourceVersion": agent["metadata"]["resourceVersion"],
            },
            "spec": {
                "clusterDeploymentName": null, "machineConfigPool": null,
                "ignitionEndpointTokenReference": null, "ignitionEndpointHTTPHeaders": null,
            },
        });
        return vec![Step::Merge(Kind::Agent, key(agent), patch)];
    }
    let had = &machine["status"]["agentRef"];
    let at = (
        text(had, "/namespace").to_owned(),
        text(had, "/name").to_owned(),
    );
    let held = seen
        .agents
        .get(&at)
        .is_some_and(|agent| !is_released(agent));
    if held {
        return Vec::new();
    }
    let mut steps = Vec::new();
    if let Some(owner) = owner.filter(|it| entry(it, "annotations", HOOK).is_some()) {
        let patch = json!({"metadata": {"annotations": {HOOK: null}}});
        steps.push(Step::Merge(Kind::Machine, key(owner), patch));
    }
    if finalizers(machine).any(|it| it == DEPROVISION) && is_deleting(machine) {
        let others: Vec<_> = finalizers(machine)
            .filter(|it| *it != DEPROVISION)
            .collect();
        let version = &machine["metadata"]["resourceVersion"];
        let patch = json!({"metadata": {"finalizers": others, "resourceVersion": version}});
        steps.push(Step::Merge(Kind::AgentMachine, key(machine), patch));
    }
    steps
}

/// Whether the installer has taken an Agent back, as far as it will.
fn is_released(agent: &Value) -> bool {
    let state = State::in_object(agent);
    state.is_none_or(|state| {
        state.is_unbound() || matches!(state, State::UnbindingPendingUserAction | State::Error)
    })
}

// === impl Agents ===

impl<'a> Agents<'a> {
    fn of(agents: &'a Objects) -> Self {
        let bound = agents.values().filter_map(|agent| {
            let name = entry(agent, "labels", REF)?;
            let namespace = entry(agent, "annotations", REF_NAMESPACE)?;
            Some(((namespace.to_owned(), name.to_owned()), &**agent))
        });
        let free = agents.iter().map(|(at, agent)| (at, &**agent));
        Self {
            bound: bound.collect(),
            free: free.filter(|(_, agent)| is_free(agent)).collect(),
        }
    }

    /// Takes the first free one that fits: nobody else gets it.
    fn give(&mut self, fits: impl Fn(&Key, &Value) -> bool) -> Option<(&'a Key, &'a Value)> {
        let place = self.free.iter().position(|(at, agent)| fits(at, agent))?;
        Some(self.free.remove(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn objects(all: impl IntoIterator<Item = Value>) -> Objects {
        let all = all.into_iter();
        all.map(|it| (key(&it), Arc::new(it))).collect()
    }

    fn agent(name: &str) -> Value {
        let condition = |kind, status| json!({"type": kind, "status": status});
        json!({
            "metadata": {"namespace": "agents", "name": name, "resourceVersion": "3"},
            "spec": {"approved": true},
            "status": {
                "debugInfo": {"state": "known-unbound"},
                "conditions": [
                    condition("Validated", "True"), condition("Connected", "True"),
                    condition("Bound", "False"),
                ],
            },
        })
    }

    fn machine(name: &str) -> Value {
        json!({
            "metadata": {
                "namespace": "ns-hosted", "name": name,
                "ownerReferences": [{"kind": "Machine", "name": name}],
                "finalizers": [DEPROVISION],
            },
        })
    }

    fn owner(name: &str, deleting: bool) -> Value {
        let since = deleting.then_some("2026-01-01T00:00:00Z");
        json!({"metadata": {
            "namespace": "ns-hosted", "name": name, "deletionTimestamp": since,
            "annotations": {HOOK: ""},
        }})
    }

    fn seen(agents: Vec<Value>, machines: Vec<Value>, owners: Vec<Value>) -> Seen {
        let cluster = json!({
            "metadata": {"namespace": "ns", "name": "hosted"},
            "spec": {"platform": {"agent": {"agentNamespace": "agents"}}},
        });
        Seen {
            machines: objects(machines),
            owners: objects(owners),
            agents: objects(agents),
            clusters: objects([cluster]),
        }
    }

    /// Which objects are changed.
    fn touched(seen: &Seen) -> Vec<(Kind, String)> {
        let touched = steps(seen).into_iter().map(|step| match step {
            Step::Merge(kind, at, _) | Step::MergeStatus(kind, at, _) | Step::Delete(kind, at) => {
                (kind, at.1)
            }
            Step::Create(kind, object) => (kind, key(&object).1),
        });
        touched.collect()
    }

    #[test]
    fn two_machines_are_given_two_agents() {
        let seen = seen(
            vec![agent("a"), agent("b")],
            vec![machine("one"), machine("two")],
            vec![],
        );
        let expected = ["a", "b"].map(|name| (Kind::Agent, name.to_owned()));
        assert_eq!(touched(&seen), expected);
    }

    #[test]
    fn only_an_agent_that_is_free_and_fits_is_given() {
        let mut machine = machine("one");
        machine["spec"] = json!({"agentLabelSelector": {"matchLabels": {"pool": "a"}}});
        let change = |pointer: &str, value: Value| {
            let mut agent = agent("a");
            agent["metadata"]["labels"] = json!({"pool": "a"});
            *agent.pointer_mut(pointer).unwrap() = value;
            touched(&seen(vec![agent], vec![machine.clone()], vec![]))[0].0
        };
        let same = change("/metadata/name", json!("a"));
        assert_eq!(same, Kind::Agent);
        for (pointer, value) in [
            ("/spec/approved", json!(false)),
            ("/metadata/labels", json!({})),
            ("/metadata/labels", json!({"pool": "a", REF: "other"})),
            ("/metadata/namespace", json!("elsewhere")),
            ("/status/conditions/0/status", json!("False")),
            ("/status/conditions/1/status", json!("False")),
            ("/status/conditions/2/status", json!("True")),
        ] {
            let changed = change(pointer, value);
            assert_eq!(
                changed,
                Kind::AgentMachine,
                "{pointer}: it says that none fits"
            );
        }
    }

    #[test]
    fn a_machine_that_ends_lets_its_agent_go_and_waits_until_it_is_free() {
        let mut bound = agent("a");
        bound["metadata"]["labels"] = json!({REF: "one"});
        bound["metadata"]["annotations"] = json!({REF_NAMESPACE: "ns-hosted"});
        let mut machine = machine("one");
        machine["status"] = json!({"agentRef": {"namespace": "agents", "name": "a"}});
        let at = |agent: Option<Value>| {
            let agents = agent.into_iter().collect();
            touched(&seen(
                agents,
                vec![machine.clone()],
                vec![owner("one", true)],
            ))
        };
        assert_eq!(at(Some(bound)), [(Kind::Agent, "a".to_owned())]);
        let state = |state: &str| {
            let mut agent = agent("a");
            agent["status"]["debugInfo"]["state"] = json!(state);
            Some(agent)
        };
        let released = [(Kind::Machine, "one".to_owned())];
        assert_eq!(at(state("reclaiming")), []);
        assert_eq!(at(state("known-unbound")), released);
        assert_eq!(at(state("unbinding-pending-user-action")), released);
        assert_eq!(at(None), released);
    }

    #[test]
    fn a_machine_that_is_paused_keeps_its_agent() {
        let mut machine = machine("one");
        machine["metadata"]["annotations"] = json!({"cluster.x-k8s.io/paused": "true"});
        let seen = seen(vec![agent("a")], vec![machine], vec![owner("one", true)]);
        assert_eq!(touched(&seen), []);
    }
}
