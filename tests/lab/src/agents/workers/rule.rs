//! Which Machines a NodePool has next: values in, steps out.

use serde_json::{Value, json};

use super::objects::{
    MACHINE_FINALIZER, POOL, POOL_FINALIZER, agent_machine, control_plane, machine, pool_name,
    scaled,
};
use crate::agents::hub::{Kind, Objects};
use crate::agents::json::{Key, entry, finalizers, is_deleting, is_in, key, text};
use crate::agents::pool::{DELETE_FIRST, SURGE};
use crate::agents::provider::{HOOK, Step};

/// What is seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) pools: Objects,
    pub(super) deployments: Objects,
    pub(super) sets: Objects,
    pub(super) machines: Objects,
    pub(super) agent_machines: Objects,
}

/// What is done next.
pub(super) fn steps(seen: &Seen, fresh: impl Fn() -> String) -> Vec<Step> {
    let mut steps = Vec::new();
    for pool in seen.pools.values() {
        let ours = text(pool, "/spec/platform/type") == "Agent";
        if ours && !is_paused(pool) {
            steps.extend(of_pool(seen, pool, &fresh));
        }
    }
    let ending = seen
        .machines
        .values()
        .filter(|machine| is_deleting(machine));
    steps.extend(ending.filter_map(|machine| end(seen, machine)));
    steps.extend(
        seen.machines
            .values()
            .filter_map(|machine| join(seen, machine)),
    );
    steps
}

/// A Machine whose infrastructure is ready has a node.
fn join(seen: &Seen, machine: &Value) -> Option<Step> {
    let infrastructure = seen.agent_machines.get(&key(machine))?;
    let hostname = text(infrastructure, "/status/addresses/0/address");
    let patch = json!({"status": {
        "phase": "Running",
        "infrastructureReady": true,
        "nodeRef": {"apiVersion": "v1", "kind": "Node", "name": hostname},
    }});
    let news = infrastructure["status"]["ready"] == json!(true) && !is_in(&patch, machine);
    news.then(|| Step::MergeStatus(Kind::Machine, key(machine), patch))
}

fn is_paused(pool: &Value) -> bool {
    !matches!(text(pool, "/spec/pausedUntil"), "" | "false")
}

fn of_pool(seen: &Seen, pool: &Value, fresh: &impl Fn() -> String) -> Vec<Step> {
    let (kind, all) = match text(pool, "/spec/management/upgradeType") {
        "Replace" => (Kind::MachineDeployment, &seen.deployments),
        _ => (Kind::MachineSet, &seen.sets),
    };
    let at = (control_plane(pool), key(pool).1);
    let scaled = all.get(&at).map(|it| &**it);
    let machines = machines_of(seen, pool);
    if is_deleting(pool) {
        return end_pool(pool, scaled.map(|_| (kind, at)), &machines);
    }
    let mut steps = Vec::new();
    if !finalizers(pool).any(|it| it == POOL_FINALIZER) {
        steps.push(Step::Merge(Kind::NodePool, key(pool), with_finalizer(pool)));
    }
    let Some(scaled) = scaled else {
        let replicas = asked(pool, None);
        let object = self::scaled(pool, word(kind), replicas);
        steps.push(Step::Create(kind, object));
        return steps;
    };
    let replicas = asked(pool, scaled["spec"]["replicas"].as_u64());
    if scaled["spec"]["replicas"] != json!(replicas) {
        steps.push(Step::Merge(
            kind,
            at.clone(),
            json!({"spec": {"replicas": replicas}}),
        ));
    }
    steps.extend(counted(
        seen,
        pool,
        &machines,
        replicas + surge(scaled),
        fresh,
    ));
    steps.extend(told(pool, (kind, at, scaled), &machines));
    steps
}

fn word(kind: Kind) -> &'static str {
    if kind == Kind::MachineDeployment {
        "MachineDeployment"
    } else {
        "MachineSet"
    }
}

/// How many machines a pool asks for; with autoscaling that is the autoscaler's, within its bounds.
fn asked(pool: &Value, now: Option<u64>) -> u64 {
    let bounds = &pool["spec"]["autoScaling"];
    match (bounds["min"].as_u64(), bounds["max"].as_u64()) {
        (Some(min), Some(max)) => now.unwrap_or(min).clamp(min, max.max(min)),
        _ => pool["spec"]["replicas"].as_u64().unwrap_or_default(),
    }
}

/// How many more there are for a while.
fn surge(scaled: &Value) -> u64 {
    let surge = entry(scaled, "annotations", SURGE);
    surge.and_then(|it| it.parse().ok()).unwrap_or_default()
}

fn machines_of<'a>(seen: &'a Seen, pool: &Value) -> Vec<&'a Value> {
    let name = pool_name(pool);
    let machines = seen.machines.values().map(|it| &**it);
    machines
        .filter(|it| entry(it, "annotations", POOL) == Some(&name))
        .collect()
}

/// As many Machines as asked for, each with what it is made of.
fn counted(
    seen: &Seen,
    pool: &Value,
    machines: &[&Value],
    wanted: u64,
    fresh: &impl Fn() -> String,
) -> Vec<Step> {
    let mut live: Vec<_> = machines
        .iter()
        .copied()
        .filter(|it| !is_deleting(it))
        .collect();
    let bare = live
        .iter()
        .filter(|it| !seen.agent_machines.contains_key(&key(it)));
    let made = bare.map(|it| Step::Create(Kind::AgentMachine, agent_machine(pool, it)));
    let mut steps: Vec<_> = made.collect();
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let missing = wanted.saturating_sub(live.len());
    steps.extend((0..missing).map(|_| Step::Create(Kind::Machine, machine(pool, &fresh()))));
    live.sort_by_key(|it| (reluctance(it), key(it)));
    let surplus = live.len().saturating_sub(wanted);
    let victims = live.into_iter().take(surplus);
    steps.extend(victims.map(|it| Step::Delete(Kind::Machine, key(it))));
    steps
}

/// Who is asked to go first: who was named, then who is no node yet.
fn reluctance(machine: &Value) -> u8 {
    if entry(machine, "annotations", DELETE_FIRST).is_some() {
        return 0;
    }
    if machine["status"]["nodeRef"].is_object() {
        2
    } else {
        1
    }
}

/// A Machine that ends: its hook, then its infrastructure, then itself.
fn end(seen: &Seen, machine: &Value) -> Option<Step> {
    if entry(machine, "annotations", HOOK).is_some()
        && seen.agent_machines.contains_key(&key(machine))
    {
        return None;
    }
    if let Some(infrastructure) = seen.agent_machines.get(&key(machine)) {
        let asked = is_deleting(infrastructure);
        return (!asked).then(|| Step::Delete(Kind::AgentMachine, key(machine)));
    }
    let others: Vec<_> = finalizers(machine)
        .filter(|it| *it != MACHINE_FINALIZER)
        .collect();
    let version = &machine["metadata"]["resourceVersion"];
    let patch = json!({"metadata": {"finalizers": others, "resourceVersion": version}});
    Some(Step::Merge(Kind::Machine, key(machine), patch))
}

/// A pool that ends: its machines first.
fn end_pool(pool: &Value, scaled: Option<(Kind, Key)>, machines: &[&Value]) -> Vec<Step> {
    let mut steps = Vec::new();
    let live = machines.iter().filter(|it| !is_deleting(it));
    steps.extend(live.map(|it| Step::Delete(Kind::Machine, key(it))));
    let last = scaled.is_none() && machines.is_empty();
    steps.extend(scaled.map(|(kind, at)| Step::Delete(kind, at)));
    if last && finalizers(pool).any(|it| it == POOL_FINALIZER) {
        let others: Vec<_> = finalizers(pool)
            .filter(|it| *it != POOL_FINALIZER)
            .collect();
        let version = &pool["metadata"]["resourceVersion"];
        let patch = json!({"metadata": {"finalizers": others, "resourceVersion": version}});
        steps.push(Step::Merge(Kind::NodePool, key(pool), patch));
    }
    steps
}

fn with_finalizer(pool: &Value) -> Value {
    let all: Vec<_> = finalizers(pool).chain([POOL_FINALIZER]).collect();
    let version = &pool["metadata"]["resourceVersion"];
    json!({"metadata": {"finalizers": all, "resourceVersion": version}})
}

/// What the objects say of their machines.
fn told(pool: &Value, (kind, at, scaled): (Kind, Key, &Value), machines: &[&Value]) -> Vec<Step> {
    let nodes = machines
        .iter()
        .filter(|it| it["status"]["nodeRef"].is_object());
    let nodes = nodes.count();
    let mut steps = Vec::new();
    let mut tell = |kind, at, object: &Value, status: Value| {
        let patch = json!({"status": status});
        if !is_in(&patch, object) {
            steps.push(Step::MergeStatus(kind, at, patch));
        }
    };
    tell(Kind::NodePool, key(pool), pool, json!({"replicas": nodes}));
    let counts =
        json!({"replicas": machines.len(), "readyReplicas": nodes, "availableReplicas": nodes});
    tell(kind, at, scaled, counts);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn objects(all: impl IntoIterator<Item = Value>) -> Objects {
        let all = all.into_iter();
        all.map(|it| (key(&it), Arc::new(it))).collect()
    }

    fn pool(more: &Value) -> Value {
        let mut spec = json!({
            "clusterName": "hosted", "platform": {"type": "Agent"},
            "management": {"upgradeType": "Replace"},
        });
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({
            "metadata": {"namespace": "ns", "name": "pool", "finalizers": [POOL_FINALIZER]},
            "spec": spec,
        })
    }

    fn seen(pool: &Value, replicas: u64, machines: Vec<Value>) -> Seen {
        let made = machines.iter().map(|it| agent_machine(pool, it));
        let made: Vec<_> = made.collect();
        Seen {
            pools: objects([pool.clone()]),
            deployments: objects([scaled(pool, "MachineDeployment", replicas)]),
            sets: Objects::new(),
            machines: objects(machines),
            agent_machines: objects(made),
        }
    }

    /// What is done with Machines and what they are made of.
    fn done(seen: &Seen) -> Vec<String> {
        let steps = steps(seen, || "new".to_owned()).into_iter();
        let word = |step| match step {
            Step::Create(kind, object) => format!("create {kind:?} {}", key(&object).1),
            Step::Delete(kind, at) => format!("delete {kind:?} {}", at.1),
            Step::Merge(kind, at, _) => format!("change {kind:?} {}", at.1),
            Step::MergeStatus(..) => String::new(),
        };
        steps.map(word).filter(|it| !it.is_empty()).collect()
    }

    #[test]
    fn a_pool_gets_what_hypershift_makes_of_it() {
        let mut bare = seen(&pool(&json!({"replicas": 2})), 0, vec![]);
        bare.deployments.clear();
        assert_eq!(done(&bare), ["create MachineDeployment pool"]);
        let in_place = json!({"replicas": 2, "management": {"upgradeType": "InPlace"}});
        let mut bare = seen(&pool(&in_place), 0, vec![]);
        bare.deployments.clear();
        assert_eq!(done(&bare), ["create MachineSet pool"]);
    }

    #[test]
    fn the_number_follows_the_pool_or_the_autoscaler() {
        let bounds = json!({"autoScaling": {"min": 1, "max": 3}});
        for (why, pool, now, then) in [
            ("fixed", pool(&json!({"replicas": 2})), Some(7), 2),
            ("new with autoscaling", pool(&bounds), None, 1),
            ("the autoscaler's", pool(&bounds), Some(2), 2),
            ("beyond its bounds", pool(&bounds), Some(7), 3),
        ] {
            assert_eq!(asked(&pool, now), then, "{why}");
        }
    }

    #[test]
    fn machines_are_made_and_each_with_what_it_is_made_of() {
        let pool = pool(&json!({"replicas": 2}));
        let mut seen = seen(&pool, 2, vec![machine(&pool, "a")]);
        seen.agent_machines.clear();
        let expected = ["create AgentMachine pool-a", "create Machine pool-new"];
        assert_eq!(done(&seen), expected);
    }

    #[test]
    fn those_that_were_named_go_first_and_nodes_last() {
        let pool = pool(&json!({"replicas": 1}));
        let (mut a, b, mut c) = (
            machine(&pool, "a"),
            machine(&pool, "b"),
            machine(&pool, "c"),
        );
        a["status"] = json!({"nodeRef": {}});
        c["metadata"]["annotations"][DELETE_FIRST] = json!("");
        let seen = seen(&pool, 1, vec![a, b, c]);
        assert_eq!(
            done(&seen),
            ["delete Machine pool-c", "delete Machine pool-b"]
        );
    }

    #[test]
    fn a_surge_asks_for_more_than_the_number() {
        let pool = pool(&json!({"replicas": 1}));
        let mut seen = seen(&pool, 1, vec![machine(&pool, "a")]);
        let mut deployment = scaled(&pool, "MachineDeployment", 1);
        deployment["metadata"]["annotations"][SURGE] = json!("1");
        seen.deployments = objects([deployment]);
        assert_eq!(done(&seen), ["create Machine pool-new"]);
    }

    #[test]
    fn a_machine_ends_by_its_hook_then_its_infrastructure_then_itself() {
        let pool = pool(&json!({"replicas": 0}));
        let mut ending = machine(&pool, "a");
        ending["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert!(done(&seen(&pool, 0, vec![ending.clone()])).is_empty());
        ending["metadata"]["annotations"]
            .as_object_mut()
            .unwrap()
            .remove(HOOK);
        let mut seen = seen(&pool, 0, vec![ending]);
        assert_eq!(done(&seen), ["delete AgentMachine pool-a"]);
        seen.agent_machines.clear();
        assert_eq!(done(&seen), ["change Machine pool-a"]);
    }

    #[test]
    fn a_pool_ends_after_its_machines_and_a_paused_one_does_nothing() {
        let mut ending = pool(&json!({"replicas": 1}));
        ending["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let with_one = seen(&ending, 1, vec![machine(&ending, "a")]);
        let expected = ["delete Machine pool-a", "delete MachineDeployment pool"];
        assert_eq!(done(&with_one), expected);
        let mut bare = seen(&ending, 1, vec![]);
        bare.deployments.clear();
        assert_eq!(done(&bare), ["change NodePool pool"]);
        let paused = pool(&json!({"replicas": 2, "pausedUntil": "true"}));
        assert!(done(&seen(&paused, 0, vec![])).is_empty());
    }
}
