//! A node pool: up, down, by its autoscaler, and to nothing, with those who are played around it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use lab::Lab;
use lab::agents::{Agents, Cast, Pool, product_uuid};
use lab::vcenter::Machine;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::image::Discovery;
use super::look::{PATIENCE, few, machines_on, names, nothing_left};
use crate::commands::steps::Steps;

/// The name of the NodePool and of its template.
pub(super) const NAME: &str = "workers";
/// What the autoscaler asks for then.
const MORE: u32 = 4;
/// The time between two looks with kubectl.
const LOOK: Duration = Duration::from_millis(500);
/// The annotation that lets the number of machines fall by more than half at once.
const ALLOW: &str = "vmware.hcp.open-cluster-management.io/allow-scale-down=true";

/// A pool that is looked at.
struct Shown<'a> {
    lab: &'a Lab,
    pool: Pool,
    discovery: Discovery,
}

/// All steps of it.
pub(super) async fn run(lab: &Lab, many: u32, steps: &mut Steps) -> anyhow::Result<()> {
    let pool = Pool::new(lab, NAME);
    let mut made = None;
    steps
        .step(
            "node pool: InfraEnv has an image",
            prepared(lab, &pool, &mut made),
        )
        .await?;
    let discovery = made.context("the image was made")?;
    let it = Shown {
        lab,
        pool,
        discovery,
    };
    let mut played = None;
    steps
        .step(
            "node pool: surroundings are there",
            it.surrounded(&mut played),
        )
        .await?;
    steps.step("node pool: 0 nodes", it.applied()).await?;
    it.grows(many, steps).await?;
    it.shrinks(many, steps).await?;
    steps
        .step(
            "node pool: the autoscaler asks for more",
            it.autoscaled(MORE),
        )
        .await?;
    steps
        .step(
            "node pool: nodes have joined by the autoscaler",
            it.joined(MORE),
        )
        .await?;
    steps.step("node pool: deleted", it.deleted()).await?;
    steps
        .step("node pool: no machine and no Agent is left", it.empty())
        .await?;
    steps
        .step("node pool: template deleted", it.template_deleted())
        .await?;
    steps
        .step("node pool: nothing is left", nothing_left(lab))
        .await
}

async fn prepared(lab: &Lab, pool: &Pool, made: &mut Option<Discovery>) -> anyhow::Result<String> {
    pool.prepare(lab).await?;
    let discovery = Discovery::made(lab, pool.infra_env(), 2).await?;
    let evidence = discovery.evidence();
    *made = Some(discovery);
    Ok(evidence)
}

// === impl Shown ===

impl Shown<'_> {
    async fn grows(&self, many: u32, steps: &mut Steps) -> anyhow::Result<()> {
        let grown = format!("node pool: 0 → {many}, machines are on");
        steps.step(&grown, self.scaled_up(many)).await?;
        steps
            .step(
                "node pool: the image is on the datastore",
                self.discovery.is_stored(self.lab),
            )
            .await?;
        steps
            .step("node pool: Agents registered", self.registered(many))
            .await?;
        steps
            .step(
                "node pool: Agents labelled and approved",
                self.approved(many),
            )
            .await?;
        steps
            .step("node pool: Agents bound, nodes joined", self.joined(many))
            .await?;
        steps
            .step("node pool: nodes are in the status", self.in_status(many))
            .await
    }

    async fn shrinks(&self, many: u32, steps: &mut Steps) -> anyhow::Result<()> {
        let (few, mut kept) = (few(many), BTreeSet::new());
        let shrunk = format!("node pool: {many} → {few}, the provider lets Agents go");
        steps
            .step(&shrunk, self.let_go(many, few, &mut kept))
            .await?;
        steps
            .step(
                "node pool: the released leave, the bound stay",
                self.left(&kept),
            )
            .await?;
        steps
            .step("node pool: status after scaling down", self.in_status(few))
            .await
    }

    async fn surrounded(&self, played: &mut Option<Agents>) -> anyhow::Result<String> {
        *played = Some(Agents::start(self.lab, Cast::default()).await?);
        Ok(format!(
            "hosted cluster {}, Agents in {}, Machines in {}",
            self.pool.cluster,
            self.pool.agents,
            self.pool.control_plane()
        ))
    }

    async fn applied(&self) -> anyhow::Result<String> {
        self.lab.apply(&self.pool.node_pool(0)).await?;
        let template = self.pool.template(self.lab);
        let template = self.discovery.booted_by(self.lab, template)?;
        self.lab.apply(&template).await?;
        self.condition("NodePoolFound", "True").await?;
        nothing_left(self.lab).await
    }

    async fn scale(&self, kind: &str, count: u32) -> anyhow::Result<()> {
        let namespace = match kind {
            "nodepool" => self.pool.namespace.clone(),
            _ => self.pool.control_plane(),
        };
        let replicas = format!("--replicas={count}");
        let place = ["--namespace", &namespace];
        let scale = ["scale", kind, NAME, &replicas];
        self.lab.kubectl(&[&place[..], &scale[..]].concat()).await?;
        Ok(())
    }

    async fn scaled_up(&self, count: u32) -> anyhow::Result<String> {
        self.scale("nodepool", count).await?;
        machines_on(self.lab, count).await
    }

    /// Each machine has its Agent: named as Linux prints the machine's UUID.
    async fn registered(&self, count: u32) -> anyhow::Result<String> {
        let machines = self.machines().await?;
        let expected: BTreeSet<_> = machines.iter().map(|it| product_uuid(&it.uuid)).collect();
        let agents = self
            .agents_until("an Agent for each machine", |agents| {
                agents.keys().cloned().collect::<BTreeSet<_>>() == expected
            })
            .await?;
        ensure!(agents.len() == count as usize, "{} Agents", agents.len());
        Ok(format!("kubectl: {count} Agents, named by govc's UUIDs"))
    }

    /// Each Agent is labelled, named and approved, as the machine that it is of.
    async fn approved(&self, count: u32) -> anyhow::Result<String> {
        let machines = self.machines().await?;
        let names: BTreeMap<_, _> = machines
            .iter()
            .map(|it| (product_uuid(&it.uuid), it.name.clone()))
            .collect();
        let done = |agents: &BTreeMap<String, Value>| {
            agents.len() == count as usize
                && agents.iter().all(|(name, agent)| {
                    let hostname = agent["spec"]["hostname"].as_str();
                    agent["metadata"]["labels"]["pool"] == NAME
                        && agent["spec"]["approved"] == json!(true)
                        && hostname == names.get(name).map(String::as_str)
                })
        };
        self.agents_until("all Agents labelled, named and approved", done)
            .await?;
        Ok(format!(
            "kubectl: {count} with pool={NAME}, approved, and the machine's name as hostname"
        ))
    }

    async fn joined(&self, count: u32) -> anyhow::Result<String> {
        self.agents_until("nodes that have joined", |agents| {
            let joined = agents.values().filter(|agent| is_joined(agent));
            joined.count() == count as usize
        })
        .await?;
        let nodes = self.pool_replicas().await?;
        Ok(format!(
            "kubectl: {count} Agents bound and added to the cluster; the NodePool has {nodes} nodes"
        ))
    }

    async fn in_status(&self, count: u32) -> anyhow::Result<String> {
        let so = |template: Option<&Value>| {
            let status = template.map_or(&Value::Null, |it| &it["status"]);
            let listed = status["vmStatus"].as_array();
            // Machines that are gone stay listed until their Agents are.
            let all = listed.is_some_and(|listed| {
                listed.len() == count as usize && listed.iter().all(|it| it["phase"] == "Joined")
            });
            status["joinedReplicas"] == count && all
        };
        self.lab.wait_for_template(NAME, PATIENCE, so).await?;
        let columns = "custom-columns=JOINED:.status.joinedReplicas,VMS:.status.vmStatus[*].name";
        let show = ["get", "vmtemplate", NAME, "--no-headers", "-o", columns];
        let shown = self.lab.kubectl(&show).await?;
        let words: Vec<_> = shown.split_whitespace().collect();
        Ok(format!("kubectl: {}", words.join(" joined: ")))
    }

    /// Where the number falls by more than half, it is held until that is allowed.
    async fn let_go(
        &self,
        many: u32,
        few: u32,
        kept: &mut BTreeSet<String>,
    ) -> anyhow::Result<String> {
        self.scale("nodepool", few).await?;
        self.agents_until("all but a few Agents let go", |agents| {
            let bound = agents.values().filter(|agent| is_bound(agent));
            bound.count() == few as usize
        })
        .await?;
        let agents = self.agents().await?;
        let bound = agents.iter().filter(|(_, agent)| is_bound(agent));
        *kept = bound.map(|(name, _)| name.clone()).collect();
        if 2 * few >= many {
            return Ok("kubectl: a fall by half, which is not held".to_owned());
        }
        self.condition("ScaleDownHeld", "True").await?;
        self.lab
            .kubectl(&["annotate", "--overwrite", "vmtemplate", NAME, ALLOW])
            .await?;
        Ok(format!(
            "kubectl: ScaleDownHeld, a fall by more than half; allowed by the annotation {ALLOW}"
        ))
    }

    /// What is left are the machines of the Agents that stayed bound, and these alone.
    async fn left(&self, kept: &BTreeSet<String>) -> anyhow::Result<String> {
        let only_kept = |machines: &[Machine]| {
            let uuids = machines.iter().map(|it| product_uuid(&it.uuid));
            uuids.collect::<BTreeSet<_>>() == *kept && machines.iter().all(|it| it.on)
        };
        let what = "the machines of bound Agents alone";
        let machines = self
            .lab
            .wait_for_machines(what, PATIENCE, only_kept)
            .await?;
        let agents = self
            .agents_until("the Agents of these alone", |agents| {
                agents.keys().cloned().collect::<BTreeSet<_>>() == *kept
            })
            .await?;
        ensure!(
            agents.values().all(is_joined),
            "one of them is no node any more"
        );
        Ok(format!(
            "govc: {}; kubectl: all of them are still nodes",
            names(&machines)
        ))
    }

    /// As its autoscaler does: by the number of the `MachineDeployment`.
    async fn autoscaled(&self, count: u32) -> anyhow::Result<String> {
        let bounds = json!({"spec": {"replicas": null, "autoScaling": {"min": 1, "max": 10}}});
        let bounds = bounds.to_string();
        self.lab
            .kubectl(&["patch", "nodepool", NAME, "--type=merge", "-p", &bounds])
            .await?;
        self.scale("machinedeployment", count).await?;
        machines_on(self.lab, count).await
    }

    async fn deleted(&self) -> anyhow::Result<String> {
        self.lab
            .kubectl(&["delete", "nodepool", NAME, "--wait=false"])
            .await?;
        let timeout = format!("--timeout={}s", PATIENCE.as_secs());
        let pool = format!("nodepool/{NAME}");
        self.lab
            .kubectl(&["wait", "--for=delete", &pool, &timeout])
            .await?;
        Ok("kubectl: the NodePool is gone, after all of its Machines".to_owned())
    }

    async fn empty(&self) -> anyhow::Result<String> {
        let none = |machines: &[Machine]| machines.is_empty();
        self.lab
            .wait_for_machines("no machine", PATIENCE, none)
            .await?;
        self.agents_until("no Agent", BTreeMap::is_empty).await?;
        Ok("govc: no machine; kubectl: no Agent".to_owned())
    }

    async fn template_deleted(&self) -> anyhow::Result<String> {
        self.lab
            .kubectl(&["delete", "vmtemplate", NAME, "--wait=false"])
            .await?;
        let gone = |template: Option<&Value>| template.is_none();
        self.lab.wait_for_template(NAME, PATIENCE, gone).await?;
        Ok("kubectl: the template is gone, and so is its finalizer".to_owned())
    }

    async fn condition(&self, kind: &str, status: &str) -> anyhow::Result<()> {
        let so = |template: Option<&Value>| {
            let list = template.and_then(|it| it["status"]["conditions"].as_array());
            let mut list = list.into_iter().flatten();
            list.any(|it| it["type"] == kind && it["status"] == status)
        };
        let waited = self.lab.wait_for_template(NAME, PATIENCE, so).await;
        waited.with_context(|| format!("waiting for {kind}={status}"))
    }

    async fn machines(&self) -> anyhow::Result<Vec<Machine>> {
        Ok(self.lab.vcenter().govc().machines().await?)
    }

    async fn pool_replicas(&self) -> anyhow::Result<String> {
        let path = "jsonpath={.status.replicas}";
        Ok(self
            .lab
            .kubectl(&["get", "nodepool", NAME, "-o", path])
            .await?)
    }

    /// All Agents by name, as kubectl shows them.
    async fn agents(&self) -> anyhow::Result<BTreeMap<String, Value>> {
        let get = [
            "--namespace",
            &self.pool.agents,
            "get",
            "agents",
            "-o",
            "json",
        ];
        let mut list: Value = serde_json::from_str(&self.lab.kubectl(&get).await?)?;
        let items = list["items"].as_array_mut().map(std::mem::take);
        let named = |agent: Value| {
            let name = agent["metadata"]["name"].as_str().unwrap_or_default();
            (name.to_owned(), agent)
        };
        Ok(items.unwrap_or_default().into_iter().map(named).collect())
    }

    async fn agents_until(
        &self,
        what: &str,
        reached: impl Fn(&BTreeMap<String, Value>) -> bool,
    ) -> anyhow::Result<BTreeMap<String, Value>> {
        let end = Instant::now() + PATIENCE;
        loop {
            let agents = self.agents().await?;
            if reached(&agents) {
                return Ok(agents);
            }
            ensure!(Instant::now() < end, "waited for {what}: {}", told(&agents));
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn is_bound(agent: &Value) -> bool {
    agent["spec"]["clusterDeploymentName"].is_object()
}

fn is_joined(agent: &Value) -> bool {
    let state = &agent["status"]["debugInfo"]["state"];
    is_bound(agent) && state == "added-to-existing-cluster"
}

fn told(agents: &BTreeMap<String, Value>) -> String {
    let states = agents.values().map(|agent| {
        let state = agent["status"]["debugInfo"]["state"].as_str();
        let approved = agent["spec"]["approved"].as_bool().unwrap_or_default();
        format!("{} (approved: {approved})", state.unwrap_or("no state"))
    });
    let states: Vec<_> = states.collect();
    format!("{} Agents: {}", states.len(), states.join(", "))
}
