//! How fast a node pool gets its nodes: from the wish for machines to Agents that are registered, labelled
//! and approved, and to nodes that have joined.

mod stages;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use lab::Lab;
use lab::agents::{Agents, Cast, Pace, Pool};
use serde::Serialize;
use serde_json::{Value, json};

use self::stages::Reached;
use super::report::{Check, Memory, finish, number, rounded};
use super::writes::Writes;
use crate::args::Make;
use crate::commands::explain;

/// The name of the NodePool and of its template.
const NAME: &str = "bench";
/// How long the template without machines may take.
const CONNECT: Duration = Duration::from_mins(1);
/// How long a run may take.
const PATIENCE: Duration = Duration::from_mins(10);
/// How fast those who are played go: they share the machine, and the faster they look, the less of it is
/// left to what is measured.
const PACE: Pace = Pace {
    step: Duration::from_millis(100),
    silence: Duration::from_secs(5),
    look: Duration::from_millis(500),
};

/// How many writes each machine may cost the hub: an apply or two of its Agent, its events, and its part of
/// the statuses.
const HUB_WRITES: f64 = 4.0;

#[derive(Debug, Serialize)]
struct Figures {
    vms: u32,
    delay_milliseconds: u64,
    seconds: Seconds,
    soap_calls: u64,
    calls_per_vm: f64,
    by_method: BTreeMap<String, u64>,
    logins: u64,
    /// What the controller wrote: those who are played write in another way.
    hub_writes: Writes,
    hub_writes_per_vm: f64,
    peak_mb: Memory,
}

/// Since the wish.
#[derive(Debug, Serialize)]
struct Seconds {
    /// Until the first Agent was approved.
    first_approved: f64,
    /// Until there was an Agent of each machine.
    registered: f64,
    /// Until all of them were labelled and approved.
    approved: f64,
    /// Until all of them were nodes.
    joined: f64,
    /// Until the status said so.
    in_status: f64,
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
        Check::at_most("hub_writes_per_vm", HUB_WRITES, figures.hub_writes_per_vm),
    ];
    finish(make.json.as_deref(), &figures, &checks)
}

async fn measure(lab: &Lab, make: &Make) -> anyhow::Result<Figures> {
    let pool = Pool::new(lab, NAME);
    pool.prepare(lab).await?;
    lab.proxy().delay(Duration::from_millis(make.delay));
    let cast = Cast {
        pace: PACE,
        ..Cast::default()
    };
    let _played = Agents::start(lab, cast).await?;
    connect(lab, &pool).await?;
    let before = Writes::read(lab).await?;
    lab.proxy().reset();
    let began = Instant::now();
    scale(lab, make.vms).await?;
    let agents = api(lab, "agent-install.openshift.io", "Agent", &pool.agents)?;
    let (reached, in_status) = tokio::try_join!(
        stages::follow(agents, make.vms as usize, PATIENCE),
        joined(lab, make.vms),
    )?;
    let counts = lab.proxy().counts();
    let hub_writes = Writes::read(lab).await?.since(&before);
    let machines = lab.vcenter().govc().machines().await?;
    let on = machines.iter().filter(|machine| machine.on).count();
    ensure!(on == make.vms as usize, "govc sees {on} machines on");
    let per_vm = |count: u64| rounded(number(count) / f64::from(make.vms));
    Ok(Figures {
        vms: make.vms,
        delay_milliseconds: make.delay,
        seconds: Seconds::since(began, &reached, in_status),
        soap_calls: counts.calls(),
        calls_per_vm: per_vm(counts.calls()),
        by_method: counts.by_method(),
        logins: counts.of("Login").calls,
        hub_writes_per_vm: per_vm(hub_writes.sum()),
        hub_writes,
        peak_mb: Memory::peak(lab)?,
    })
}

/// Waits until the status says that so many nodes have joined, and says when that was.
async fn joined(lab: &Lab, count: u32) -> anyhow::Result<Instant> {
    let says_so = |template: Option<&Value>| {
        template.is_some_and(|it| it["status"]["joinedReplicas"] == json!(count))
    };
    lab.wait_for_template(NAME, PATIENCE, says_so).await?;
    Ok(Instant::now())
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

fn api(lab: &Lab, group: &str, kind: &str, namespace: &str) -> anyhow::Result<Api<DynamicObject>> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1beta1", kind));
    Ok(Api::namespaced_with(lab.client()?, namespace, &resource))
}

// === impl Seconds ===

impl Seconds {
    fn since(began: Instant, reached: &Reached, in_status: Instant) -> Self {
        let until = |moment: Instant| rounded(moment.duration_since(began).as_secs_f64());
        Self {
            first_approved: until(reached.first_approved),
            registered: until(reached.registered),
            approved: until(reached.approved),
            joined: until(reached.joined),
            in_status: until(in_status),
        }
    }
}
