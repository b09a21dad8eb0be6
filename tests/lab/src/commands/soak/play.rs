//! Plays a round: asks for a change, strikes, waits until all is well again, and looks.

mod image;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use lab::Lab;
use lab::agents::{Agents, Cast, IMAGE, InfraEnv, Pool};
use lab::proxy::Outage;
use serde::Serialize;
use serde_json::{Value, json};

use super::NAME;
use super::plan::{Blow, BlowKind, Change, Round};
use super::watchman::{Sighting, Watchman};
use crate::commands::crash::eyes::{self, Census};
use crate::commands::crash::invariants::{Invariant, Judge};
use crate::commands::crash::rounded;
use crate::commands::crash::world::{Strangers, World};
use crate::commands::isos::{Figures, Library, Watch};

/// How long what is asked for is waited for at most.
const PATIENCE: Duration = Duration::from_mins(2);
/// How soon after the last blow all must be as asked for: those who are played take a part of it.
const CONVERGED: Duration = Duration::from_secs(30);
/// The time between the two halves of a wavering.
const WAVER: Duration = Duration::from_millis(300);

/// The name of the template that boots the same image.
const TWIN: &str = "soak-twin";

/// What a person set on the template.
const LABEL: (&str, &str) = ("example.org/team", "blue");
/// What a person set on an Agent.
const AGENT_LABEL: (&str, &str) = ("example.org/rack", "7");

/// A round that was played.
#[derive(Debug, Serialize)]
pub(super) struct Played {
    pub(super) round: Round,
    pub(super) nodes: u32,
    most_vms: usize,
    converged_s: f64,
}

/// A lab in which a pool is played.
pub(super) struct Player {
    lab: Lab,
    pool: Pool,
    watchman: Watchman,
    strangers: Strangers,
    copied: bool,
    /// Agents that a person has labelled.
    labelled: BTreeSet<String>,
    nodes: u32,
    owner: Option<String>,
    /// UID of the template in test mode, while there is one.
    twin: Option<String>,
    watch: Watch,
    /// The InfraEnv of that one.
    own: InfraEnv,
    library: Library,
    _played: Agents,
}

// === impl Player ===

impl Player {
    pub(super) async fn start(lab: Lab) -> anyhow::Result<Self> {
        let strangers = Strangers::make(&lab, NAME).await?;
        let pool = Pool::new(&lab, NAME);
        pool.prepare(&lab).await?;
        let played = Agents::start(&lab, Cast::default()).await?;
        let watch = Watch::start(&lab).await?;
        // A template without a node pool may only take one of its own namespace.
        let own = InfraEnv::new(&lab, TWIN);
        let infra_envs = vec![pool.infra_env(), own.clone()];
        let library = Library::open(&lab, infra_envs, &watch).await?;
        // Whoever boots the image that both share registers where the pool looks for its Agents.
        let nobodys = format!("{IMAGE}=");
        lab.kubectl(&["annotate", "infraenv", TWIN, &nobodys])
            .await?;
        library.tell(&lab).await?;
        lab.apply(&pool.node_pool(0)).await?;
        let template = pool.template(&lab);
        let mut template = pool.infra_env().followed_by(&lab, template)?;
        template["metadata"]["labels"] = json!({LABEL.0: LABEL.1});
        lab.apply(&template).await?;
        let agents = api(&lab, "agent-install.openshift.io", "Agent", &pool.agents)?;
        let watchman = Watchman::start(agents, lab.vcenter().govc().clone());
        let owner = lab.templates()?.get(NAME).await?.uid();
        Ok(Self {
            lab,
            pool,
            watchman,
            strangers,
            copied: false,
            labelled: BTreeSet::new(),
            nodes: 0,
            owner,
            twin: None,
            watch,
            own,
            library,
            _played: played,
        })
    }

    pub(super) fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Plays a round. What does not hold is told to `judge`.
    ///
    /// # Errors
    /// When what was asked for never happened.
    pub(super) async fn play(&mut self, round: Round, judge: &mut Judge) -> anyhow::Result<Played> {
        self.lab.proxy().reset();
        self.lab.rpcs()?.reset();
        let before = self.nodes + u32::from(self.twin.is_some());
        let census = Census::start(self.lab.vcenter().govc().clone());
        self.ask(round.change).await?;
        for blow in &round.blows {
            self.strike(*blow).await?;
        }
        let began = Instant::now();
        self.converged().await?;
        let took = began.elapsed();
        judge.must(Invariant::I8, took <= CONVERGED, || {
            format!("converged after {} s", took.as_secs())
        });
        let counted = census.end();
        judge.must(Invariant::I4, counted.is_some(), || {
            "nobody could count".to_owned()
        });
        let most = counted
            .unwrap_or_default()
            .saturating_sub(self.strangers.count());
        // A machine that was let go and the one in its place are there together for a while.
        let moving = usize::from(matches!(round.change, Change::Replace | Change::Waver));
        let after = self.nodes + u32::from(self.twin.is_some());
        let allowed = usize::try_from(before.max(after))? + moving;
        judge.must(Invariant::I4, most <= allowed, || {
            format!("{most} machines where {allowed} are enough")
        });
        self.judged(judge).await?;
        if !self.copied && self.nodes > 0 {
            self.strangers.copy_one(&self.lab).await?;
            self.copied = true;
        }
        self.label_agents().await?;
        Ok(Played {
            round,
            nodes: self.nodes,
            most_vms: most,
            converged_s: rounded(took.as_secs_f64()),
        })
    }

    /// Stops both services, and judges what can only be judged then.
    pub(super) async fn end(&mut self, judge: &mut Judge) -> anyhow::Result<()> {
        self.watch.told(judge).await;
        eyes::end(&mut self.lab, judge).await
    }

    async fn ask(&mut self, change: Change) -> anyhow::Result<()> {
        match change {
            Change::Scale(nodes) => {
                self.nodes = nodes;
                self.scale(nodes).await
            }
            Change::Replace => {
                let machines = api(
                    &self.lab,
                    "cluster.x-k8s.io",
                    "Machine",
                    &self.pool.control_plane(),
                )?;
                let all = machines.list(&ListParams::default()).await?;
                let victim = all.into_iter().map(|it| it.name_any()).min();
                let victim = victim.context("there is no Machine to replace")?;
                machines.delete(&victim, &DeleteParams::default()).await?;
                Ok(())
            }
            Change::Waver => {
                self.scale(self.nodes - 1).await?;
                tokio::time::sleep(WAVER).await;
                self.scale(self.nodes).await
            }
            Change::Rotate(rotation) => self.rotate(rotation).await,
            Change::Twin => self.twin_comes_or_goes().await,
        }
    }

    async fn kill_driver(&mut self) -> anyhow::Result<()> {
        self.lab.kill_driver_with_its_sessions().await?;
        Ok(self.lab.restart_driver().await?)
    }

    async fn scale(&self, nodes: u32) -> anyhow::Result<()> {
        let replicas = format!("--replicas={nodes}");
        let scale = ["scale", "nodepool", NAME, &replicas];
        self.lab.kubectl(&scale).await?;
        Ok(())
    }

    async fn strike(&mut self, blow: Blow) -> anyhow::Result<()> {
        tokio::time::sleep(blow.after).await;
        match blow.kind {
            BlowKind::KillDriver => self.kill_driver().await?,
            BlowKind::KillController => {
                self.lab.kill_controller()?;
                self.lab.restart_controller().await?;
            }
            BlowKind::Refused(length) => self.outage(Outage::Refused, length).await,
            BlowKind::Silent(length) => self.outage(Outage::Silent, length).await,
        }
        Ok(())
    }

    async fn outage(&self, outage: Outage, length: Duration) {
        self.lab.proxy().outage(outage);
        tokio::time::sleep(length).await;
        self.lab.proxy().outage(Outage::None);
    }

    /// Waits until Cluster API, vCenter and the status agree on the number.
    async fn converged(&self) -> anyhow::Result<()> {
        let nodes = self.nodes;
        let pools = api(
            &self.lab,
            "hypershift.openshift.io",
            "NodePool",
            self.lab.namespace(),
        )?;
        let has = move |pool: Option<&DynamicObject>| {
            pool.is_some_and(|it| it.data["status"]["replicas"] == json!(nodes))
        };
        lab::wait_for(pools, NAME, PATIENCE, has)
            .await
            .context("waiting for the nodes")?;
        let twins = usize::from(self.twin.is_some());
        let count = usize::try_from(nodes)? + twins + self.strangers.count();
        self.lab
            .wait_for_machines("as many machines as nodes", PATIENCE, |machines| {
                machines.len() == count
            })
            .await?;
        let so = |template: Option<&Value>| {
            template.is_some_and(|it| says_so(it, nodes) && self.library.is_booted_by(it))
        };
        self.lab.wait_for_template(NAME, PATIENCE, so).await?;
        let so = |template: Option<&Value>| match template {
            Some(twin) => {
                self.twin.is_some()
                    && twin["status"]["readyReplicas"] == 1
                    && self.library.is_booted_by(twin)
            }
            None => self.twin.is_none(),
        };
        self.lab.wait_for_template(TWIN, PATIENCE, so).await?;
        Ok(())
    }

    /// Looks at the world right after the status claimed that all is well.
    async fn judged(&mut self, judge: &mut Judge) -> anyhow::Result<()> {
        self.watch.told(judge).await;
        let (owner, twin) = (self.owner.as_deref(), self.twin.as_deref());
        let owners: Vec<_> = owner.into_iter().chain(twin).collect();
        let world = World::look(self.lab.vcenter().govc(), &self.strangers).await?;
        judge.none_of(Invariant::I1, "orphans", &world.orphans(&owners));
        judge.none_of(Invariant::I2, "made twice", &world.duplicates());
        let (running, claimed) = (world.running(owner), usize::try_from(self.nodes)?);
        judge.must(Invariant::I10, running == claimed, || {
            format!("the status says {claimed}, and {running} are on")
        });
        let (running, claimed) = (
            world.running(twin),
            owners.len() - usize::from(owner.is_some()),
        );
        judge.must(Invariant::I10, running == claimed, || {
            format!("the twin's status says {claimed}, and {running} are on")
        });
        self.nobody_was_taken(judge).await;
        eyes::touched(&self.lab, &self.strangers, &world, judge);
        self.kept_what_people_set(judge).await?;
        eyes::sessions(&self.lab, 1, judge).await?;
        eyes::calm(&self.lab, judge)
    }

    /// What was seen of all ISOs.
    pub(super) fn isos(&self) -> Figures {
        self.watch.figures()
    }

    /// No machine whose Agent is bound was removed: also where the round came to no end.
    pub(super) async fn nobody_was_taken(&mut self, judge: &mut Judge) {
        let Some(Sighting { taken, deleted }) = self.watchman.seen().await else {
            return judge.violated(Invariant::I5, "nobody could look");
        };
        let taken: Vec<_> = taken.into_iter().collect();
        judge.none_of(Invariant::I5, "bound Agents whose machine is gone", &taken);
        let deleted: Vec<_> = deleted.into_iter().collect();
        judge.none_of(Invariant::I5, "bound Agents that were deleted", &deleted);
    }

    /// Labels all Agents, as a person would: again in each round, as those before may all be gone.
    async fn label_agents(&mut self) -> anyhow::Result<()> {
        let agents = self.agents()?;
        let label = Patch::Merge(json!({"metadata": {"labels": {AGENT_LABEL.0: AGENT_LABEL.1}}}));
        self.labelled.clear();
        for agent in agents.list(&ListParams::default()).await? {
            let name = agent.name_any();
            let done = agents.patch(&name, &PatchParams::default(), &label).await;
            match done {
                Ok(_) => drop(self.labelled.insert(name)),
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(error) => return Err(error).with_context(|| format!("labelling {name}")),
            }
        }
        Ok(())
    }

    async fn kept_what_people_set(&self, judge: &mut Judge) -> anyhow::Result<()> {
        let template = self.lab.templates()?.get(NAME).await?;
        let label = template.labels().get(LABEL.0).map(String::as_str);
        judge.must(Invariant::I6, label == Some(LABEL.1), || {
            format!("the template's label is {label:?}")
        });
        for agent in self.agents()?.list(&ListParams::default()).await? {
            let labels = agent.labels();
            let theirs = labels.contains_key("infraenvs.agent-install.openshift.io");
            let expected = self.labelled.contains(&agent.name_any());
            let person = !expected
                || labels
                    .get(AGENT_LABEL.0)
                    .is_some_and(|it| it == AGENT_LABEL.1);
            judge.must(Invariant::I6, theirs && person, || {
                format!("labels of {}: {labels:?}", agent.name_any())
            });
        }
        Ok(())
    }

    fn agents(&self) -> anyhow::Result<Api<DynamicObject>> {
        let (group, namespace) = ("agent-install.openshift.io", &self.pool.agents);
        api(&self.lab, group, "Agent", namespace)
    }
}

/// Whether the status says, of what is asked for now, that so many nodes have joined.
fn says_so(template: &Value, nodes: u32) -> bool {
    let status = &template["status"];
    let listed = status["vmStatus"].as_array().map_or(0, Vec::len);
    status["observedGeneration"] == template["metadata"]["generation"]
        && status["readyReplicas"].as_u64().unwrap_or_default() == u64::from(nodes)
        && status["joinedReplicas"].as_u64().unwrap_or_default() == u64::from(nodes)
        && listed == nodes as usize
}

fn api(lab: &Lab, group: &str, kind: &str, namespace: &str) -> anyhow::Result<Api<DynamicObject>> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1beta1", kind));
    Ok(Api::namespaced_with(lab.client()?, namespace, &resource))
}
