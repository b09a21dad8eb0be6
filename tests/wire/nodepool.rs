//! A node pool with all that stands around it: its hosted cluster, the installer, the provider, and
//! those who make Machines of it.

use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::{WatchStreamExt as _, watcher};
use lab::agents::{Agents, Cast, Pool, State, Trouble};
use lab::{Builder, Lab};
use serde_json::Value;

use crate::hub::{Hub, POOL};
use crate::zone::PATIENCE;

/// A hub whose template follows a node pool.
#[derive(Debug)]
pub(crate) struct NodePool {
    pub(crate) hub: Hub,
    pub(crate) pool: Pool,
    /// Those who are played, and what they are told.
    pub(crate) played: Agents,
}

// === impl NodePool ===

impl NodePool {
    /// A pool with so many nodes asked for, and its template.
    pub(crate) async fn start(nodes: u32) -> Self {
        Self::of(Lab::builder(), Cast::default(), nodes).await
    }

    /// The same with other parts, or with fewer of those who are played.
    pub(crate) async fn of(builder: Builder, cast: Cast, nodes: u32) -> Self {
        let hub = Hub::of(builder.node_pools()).await;
        let pool = Pool::new(&hub.lab, POOL);
        pool.prepare(&hub.lab).await.unwrap();
        let played = Agents::start(&hub.lab, cast).await.unwrap();
        hub.lab.apply(&pool.node_pool(nodes)).await.unwrap();
        hub.lab.apply(&pool.template(&hub.lab)).await.unwrap();
        Self { hub, pool, played }
    }

    /// Waits until this is what all Agents together are like, and returns them.
    pub(crate) async fn agents(
        &self,
        what: &str,
        reached: impl Fn(&[DynamicObject]) -> bool,
    ) -> Vec<DynamicObject> {
        let api = self.agent_api();
        let look = async {
            let changes = watcher(api.clone(), watcher::Config::default()).touched_objects();
            // What is there now counts as a change, and that there is none, too.
            let first = futures::stream::once(async { Ok(()) });
            let mut changes = std::pin::pin!(first.chain(changes.map_ok(drop)));
            while changes.try_next().await?.is_some() {
                let agents = api.list(&ListParams::default()).await;
                let agents = agents.unwrap().items;
                if reached(&agents) {
                    return Ok(agents);
                }
            }
            Err(watcher::Error::NoResourceVersion)
        };
        match tokio::time::timeout(PATIENCE, look).await {
            Ok(agents) => agents.unwrap(),
            Err(elapsed) => panic!(
                "{what}, {elapsed}: {:?}",
                api.list(&ListParams::default()).await
            ),
        }
    }

    /// Waits until so many Agents, and no others, are in this state.
    pub(crate) async fn all_in(&self, count: usize, state: State) -> Vec<DynamicObject> {
        let what = format!("{count} Agents in {}", state.word());
        let so = |agents: &[DynamicObject]| {
            let there = agents.iter();
            let there = there.filter(|it| State::in_object(&it.data) == Some(state));
            agents.len() == count && there.count() == count
        };
        self.agents(&what, so).await
    }

    /// Waits until the status says of so many machines, and of no others, that they are here.
    pub(crate) async fn phase(&self, count: usize, phase: &str) {
        let so = |template: Option<&Value>| {
            let listed = template.and_then(|it| it["status"]["vmStatus"].as_array());
            listed.is_some_and(|listed| {
                listed.len() == count && listed.iter().all(|it| it["phase"] == phase)
            })
        };
        let waited = self.hub.lab.wait_for_template(POOL, PATIENCE, so).await;
        waited.unwrap();
    }

    /// Agents of this pool.
    pub(crate) fn agent_api(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("agent-install.openshift.io", "v1beta1", "Agent");
        let kind = ApiResource::from_gvk(&kind);
        let client = self.hub.lab.client().unwrap();
        Api::namespaced_with(client, &self.pool.agents, &kind)
    }
}

#[tokio::test]
async fn machines_of_a_node_pool_become_nodes() {
    let pool = NodePool::start(2).await;
    let joined = pool.all_in(2, State::AddedToExistingCluster).await;
    pool.phase(2, "Joined").await;
    let mut hostnames: Vec<_> = joined
        .iter()
        .map(|it| it.data["spec"]["hostname"].as_str())
        .collect();
    hostnames.sort_unstable();
    assert_eq!(hostnames, [Some("pool-n01"), Some("pool-n02")]);
}

#[tokio::test]
async fn a_machine_that_never_registers_waits_for_its_agent_and_others_do_not_wait_for_it() {
    let pool = NodePool::of(Lab::builder(), Cast::default(), 0).await;
    pool.played
        .orders()
        .trouble("pool-n01", Trouble::NeverRegisters);
    pool.hub
        .kubectl(&["scale", "nodepool", POOL, "--replicas=2"])
        .await;
    pool.all_in(1, State::AddedToExistingCluster).await;
    pool.played.orders().mend("pool-n01");
    pool.all_in(2, State::AddedToExistingCluster).await;
    pool.phase(2, "Joined").await;
}
