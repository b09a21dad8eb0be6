//! How fast a node pool gets machines whose Agents are registered, labelled and approved.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::TryStreamExt as _;
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::{WatchStreamExt as _, watcher};
use lab::Lab;
use lab::agents::{Agents, Cast, Pool};
use serde::Serialize;
use serde_json::{Value, json};

use super::make;
use super::report::{Check, Memory, finish, number, rounded};
use crate::args::Make;
use crate::commands::explain;

/// The name of the NodePool and of its template.
const NAME: &str = "bench";
/// How long the template without machines may take.
const CONNECT: Duration = Duration::from_mins(1);
/// How long a run may take.
const PATIENCE: Duration = Duration::from_mins(10);

#[derive(Debug, Serialize)]
struct Figures {
    vms: u32,
    delay_milliseconds: u64,
    /// Until all Agents were approved.
    seconds: f64,
    /// Until the first of them was.
    first_approved_seconds: f64,
    soap_calls: u64,
    calls_per_vm: f64,
    by_method: BTreeMap<String, u64>,
    logins: u64,
    status_writes: u64,
    /// Server-side applies of ours: those who are played write in another way.
    agent_writes: u64,
    agent_writes_per_vm: f64,
    peak_mb: Memory,
}

/// Measures one run; those who are played share the machine with it.
pub(super) async fn run(make: &Make) -> anyhow::Result<()> {
    ensure!(make.runs == 1, "a node pool is measured once");
    let lab = super::with_hub().node_pools().start().await?;
    let measured = measure(&lab, make).await;
    if measured.is_err() {
        explain(&lab, NAME).await;
    }
    let figures = measured?;
    let limit = if make.vms >= 100 { 1.2 } else { 3.0 };
    let checks = [
        Check::at_most("calls_per_vm", limit, figures.calls_per_vm),
        Check::at_most("logins", 1.0, number(figures.logins)),
        Check::at_most("agent_writes_per_vm", 2.0, figures.agent_writes_per_vm),
    ];
    finish(make.json.as_deref(), &figures, &checks)
}

async fn measure(lab: &Lab, make: &Make) -> anyhow::Result<Figures> {
    let pool = Pool::new(lab, NAME);
    pool.prepare(lab).await?;
    lab.proxy().delay(Duration::from_millis(make.delay));
    // Nobody binds: what is measured ends before.
    let cast = Cast {
        provider: false,
        ..Cast::default()
    };
    let _played = Agents::start(lab, cast).await?;
    connect(lab, &pool).await?;
    let status_writes = make::status_writes(lab).await?;
    let agent_writes = make::agent_writes(lab).await?;
    lab.proxy().reset();
    let began = Instant::now();
    scale(lab, make.vms).await?;
    let first = approved(lab, &pool, 1).await?.duration_since(began);
    let all = approved(lab, &pool, make.vms as usize)
        .await?
        .duration_since(began);
    let counts = lab.proxy().counts();
    let status_writes = make::status_writes(lab).await? - status_writes;
    let agent_writes = make::agent_writes(lab).await? - agent_writes;
    let machines = lab.vcenter().govc().machines().await?;
    let on = machines.iter().filter(|machine| machine.on).count();
    ensure!(on == make.vms as usize, "govc sees {on} machines on");
    let per_vm = |count: u64| rounded(number(count) / f64::from(make.vms));
    Ok(Figures {
        vms: make.vms,
        delay_milliseconds: make.delay,
        seconds: rounded(all.as_secs_f64()),
        first_approved_seconds: rounded(first.as_secs_f64()),
        soap_calls: counts.calls(),
        calls_per_vm: per_vm(counts.calls()),
        by_method: counts.by_method(),
        logins: counts.of("Login").calls,
        status_writes,
        agent_writes,
        agent_writes_per_vm: per_vm(agent_writes),
        peak_mb: Memory::peak(lab)?,
    })
}

/// Makes a pool without nodes, so that the run need not connect first.
async fn connect(lab: &Lab, pool: &Pool) -> anyhow::Result<()> {
    lab.apply(&pool.node_pool(0)).await?;
    lab.apply(&pool.template(lab)).await?;
    let connected = |template: Option<&Value>| {
        let list = template.and_then(|it| it["status"]["conditions"].as_array());
        let holds = |kind: &str| {
            let mut list = list.into_iter().flatten();
            list.any(|it| it["type"] == kind && it["status"] == "True")
        };
        holds("VSphereConnected") && holds("NodePoolFound")
    };
    Ok(lab.wait_for_template(NAME, CONNECT, connected).await?)
}

async fn scale(lab: &Lab, nodes: u32) -> anyhow::Result<()> {
    let pools = api(lab, "hypershift.openshift.io", "NodePool", lab.namespace())?;
    let patch = Patch::Merge(json!({"spec": {"replicas": nodes}}));
    pools.patch(NAME, &PatchParams::default(), &patch).await?;
    Ok(())
}

/// Waits until so many Agents are labelled and approved, and says when that was.
async fn approved(lab: &Lab, pool: &Pool, count: usize) -> anyhow::Result<Instant> {
    let agents = api(lab, "agent-install.openshift.io", "Agent", &pool.agents)?;
    let look = async {
        let mut done = BTreeSet::new();
        let changes = watcher(agents, watcher::Config::default()).applied_objects();
        let mut changes = std::pin::pin!(changes);
        while let Some(agent) = changes.try_next().await? {
            if is_approved(&agent) {
                done.insert(agent.name_any());
            }
            if done.len() >= count {
                return Ok(Instant::now());
            }
        }
        anyhow::bail!("the watch of Agents has ended")
    };
    let looked = tokio::time::timeout(PATIENCE, look).await;
    looked.with_context(|| format!("{count} approved Agents, not within {PATIENCE:?}"))?
}

fn is_approved(agent: &DynamicObject) -> bool {
    let labelled = agent.labels().get("pool").is_some_and(|pool| pool == NAME);
    labelled && agent.data["spec"]["approved"] == json!(true)
}

fn api(lab: &Lab, group: &str, kind: &str, namespace: &str) -> anyhow::Result<Api<DynamicObject>> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1beta1", kind));
    Ok(Api::namespaced_with(lab.client()?, namespace, &resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_counts_once_it_is_labelled_and_approved() {
        let agent = |pool: &str, approved: bool| {
            let object = json!({
                "metadata": {"name": "it", "labels": {"pool": pool}},
                "spec": {"approved": approved},
            });
            serde_json::from_value::<DynamicObject>(object).unwrap()
        };
        assert!(is_approved(&agent(NAME, true)));
        assert!(!is_approved(&agent(NAME, false)));
        assert!(!is_approved(&agent("other", true)));
    }
}
