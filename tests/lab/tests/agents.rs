//! The simulators around a node pool, with machines that are made by hand: nothing of ours runs.

#![expect(clippy::panic, reason = "what the tests share may fail them, too")]

use std::time::Duration;

use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use lab::agents::{Agents, Cast, DELETE_FIRST, Pool, State, Trouble, product_uuid};
use lab::{DATASTORE, ISO, Lab};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

/// A hub and a vCenter, and those who are played.
struct Stage {
    lab: Lab,
    pool: Pool,
    agents: Agents,
}

impl Stage {
    async fn start() -> Self {
        let lab = Lab::builder().without_driver().node_pools().start().await;
        let lab = lab.expect("a lab");
        let pool = Pool::new(&lab, "pool");
        pool.prepare(&lab).await.expect("a pool's surroundings");
        let agents = Agents::start(&lab, Cast::default()).await;
        let agents = agents.expect("the simulators start");
        Self { lab, pool, agents }
    }

    /// A machine that boots the image; it is no worker when it is small.
    async fn machine(&self, name: &str, memory: &str) -> String {
        let govc = self.lab.vcenter().govc();
        let make = [
            "vm.create",
            "-ds",
            DATASTORE,
            "-net",
            "VM Network",
            "-pool",
            "/DC0/host/DC0_C0/Resources",
            "-disk",
            "120GB",
            "-c",
            "2",
            "-m",
            memory,
            "-iso-datastore",
            DATASTORE,
            "-iso",
            ISO,
            name,
        ];
        govc.run(&make).await.expect("govc makes a machine");
        let machines = govc.machines().await.expect("govc lists machines");
        let found = machines.iter().find(|machine| machine.name == name);
        product_uuid(&found.expect("the machine is there").uuid)
    }

    fn api(&self, group: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1beta1", kind));
        let client = self.lab.client().expect("a hub");
        Api::namespaced_with(client, namespace, &resource)
    }

    fn all_agents(&self) -> Api<DynamicObject> {
        self.api("agent-install.openshift.io", "Agent", &self.pool.agents)
    }

    async fn state(&self, agent: &str, state: State) {
        let there = |it: Option<&DynamicObject>| {
            it.is_some_and(|it| State::in_object(&it.data) == Some(state))
        };
        let seen = lab::wait_for(self.all_agents(), agent, SOON, there).await;
        if let Err(error) = seen {
            let is = self.all_agents().get_opt(agent).await;
            panic!("{agent} is not {state:?}: {error}: {is:?}");
        }
    }

    async fn gone(&self, agent: &str) {
        let gone = |it: Option<&DynamicObject>| it.is_none();
        let seen = lab::wait_for(self.all_agents(), agent, SOON, gone).await;
        seen.expect("the agent goes");
    }

    /// What a controller would do.
    async fn approve(&self, agent: &str) {
        let patch = json!({
            "metadata": {"labels": {"pool": "pool"}}, "spec": {"approved": true},
        });
        self.kubectl(&[
            "-n",
            &self.pool.agents,
            "patch",
            "agent",
            agent,
            "--type=merge",
            "-p",
            &patch.to_string(),
        ])
        .await;
    }

    async fn kubectl(&self, arguments: &[&str]) -> String {
        self.lab.kubectl(arguments).await.expect("kubectl succeeds")
    }

    /// Waits until the NodePool says that it has so many nodes.
    async fn nodes(&self, count: u32) {
        let pools = self.api("hypershift.openshift.io", "NodePool", self.lab.namespace());
        let so = move |it: Option<&DynamicObject>| {
            it.is_some_and(|it| it.data["status"]["replicas"] == json!(count))
        };
        let seen = lab::wait_for(pools, "pool", SOON, so).await;
        seen.expect("the pool gets its nodes");
    }
}

#[tokio::test]
async fn a_machine_becomes_an_agent_a_node_and_a_free_agent_again() {
    let stage = Stage::start().await;
    let agent = stage.machine("one", "8192").await;
    stage.state(&agent, State::KnownUnbound).await;
    stage.lab.apply(&stage.pool.node_pool(1)).await.unwrap();
    stage.approve(&agent).await;
    stage.state(&agent, State::AddedToExistingCluster).await;
    stage.nodes(1).await;
    let found = stage.all_agents().get(&agent).await.unwrap();
    assert_eq!(found.data["status"]["progress"]["currentStage"], "Done");
    let bound = &found.data["spec"]["clusterDeploymentName"];
    assert_eq!(
        bound,
        &json!({"name": "hosted", "namespace": stage.pool.control_plane()})
    );

    stage
        .kubectl(&["scale", "nodepool", "pool", "--replicas=0"])
        .await;
    stage.state(&agent, State::KnownUnbound).await;
    stage.nodes(0).await;
    let free = stage.all_agents().get(&agent).await.unwrap();
    assert_eq!(free.data["spec"].get("clusterDeploymentName"), None);
    assert_eq!(free.data["spec"]["approved"], true);
}

#[tokio::test]
async fn the_deletion_of_a_pool_waits_for_its_machines_and_these_for_their_agents() {
    let stage = Stage::start().await;
    let agent = stage.machine("one", "8192").await;
    stage.lab.apply(&stage.pool.node_pool(1)).await.unwrap();
    stage.state(&agent, State::KnownUnbound).await;
    stage.approve(&agent).await;
    stage.nodes(1).await;
    stage.agents.orders().hold(State::Reclaiming);
    stage
        .kubectl(&["delete", "nodepool", "pool", "--wait=false"])
        .await;
    stage.state(&agent, State::Reclaiming).await;
    stage.kubectl(&["get", "nodepool", "pool"]).await;
    // An Agent that is deleted lets its Machine go at once, and its machine does not come back: it
    // boots from its disk.
    stage
        .kubectl(&["-n", &stage.pool.agents, "delete", "agent", &agent])
        .await;
    stage
        .kubectl(&["wait", "--for=delete", "nodepool/pool", "--timeout=60s"])
        .await;
    stage.gone(&agent).await;
}

#[tokio::test]
async fn each_trouble_shows_in_its_agent() {
    let stage = Stage::start().await;
    let orders = stage.agents.orders();
    orders.trouble("silent", Trouble::NeverRegisters);
    orders.trouble("other", Trouble::Contradicts);
    let silent = stage.machine("silent", "8192").await;
    let other = stage.machine("other", "8192").await;
    let small = stage.machine("small", "4096").await;
    stage.state(&small, State::InsufficientUnbound).await;
    stage.state(&other, State::KnownUnbound).await;
    let contradicts = stage.all_agents().get(&other).await.unwrap();
    let serial = &contradicts.data["status"]["inventory"]["systemVendor"]["serialNumber"];
    let machines = stage.lab.vcenter().govc().machines().await.unwrap();
    let told: Vec<_> = machines
        .iter()
        .map(|it| lab::agents::serial_number(&it.uuid))
        .collect();
    assert!(
        serial
            .as_str()
            .is_some_and(|it| it.starts_with("VMware-") && !told.contains(&it.to_owned()))
    );
    assert!(stage.all_agents().get_opt(&silent).await.unwrap().is_none());

    orders.mend("silent");
    stage.state(&silent, State::KnownUnbound).await;
    orders.trouble("silent", Trouble::Disconnected);
    stage.state(&silent, State::DisconnectedUnbound).await;
    orders.mend("silent");
    stage.state(&silent, State::KnownUnbound).await;
    stage
        .lab
        .vcenter()
        .govc()
        .run(&["vm.power", "-off", "silent"])
        .await
        .unwrap();
    stage.state(&silent, State::DisconnectedUnbound).await;
    // The machine is still on, and boots the image: it registers again.
    stage
        .kubectl(&["-n", &stage.pool.agents, "delete", "agent", &other])
        .await;
    stage.state(&other, State::KnownUnbound).await;
}

#[tokio::test]
async fn an_installation_that_fails_leaves_its_agent_in_error() {
    let stage = Stage::start().await;
    stage
        .agents
        .orders()
        .trouble_all(Trouble::FailsInstallation);
    let agent = stage.machine("one", "8192").await;
    stage.lab.apply(&stage.pool.node_pool(1)).await.unwrap();
    stage.state(&agent, State::KnownUnbound).await;
    stage.approve(&agent).await;
    stage.state(&agent, State::Error).await;
    let failed = stage.all_agents().get(&agent).await.unwrap();
    assert_eq!(failed.data["status"]["progress"]["currentStage"], "Failed");
}

#[tokio::test]
async fn the_machine_that_is_named_goes_first() {
    let stage = Stage::start().await;
    let mut agents = Vec::new();
    for name in ["one", "two"] {
        agents.push(stage.machine(name, "8192").await);
    }
    stage.lab.apply(&stage.pool.node_pool(2)).await.unwrap();
    for agent in &agents {
        stage.state(agent, State::KnownUnbound).await;
        stage.approve(agent).await;
    }
    stage.nodes(2).await;
    let first = stage.all_agents().get(&agents[0]).await.unwrap();
    let labels: Value = json!(first.metadata.labels);
    let machine = labels["agentMachineRef"].as_str().unwrap();
    let named = format!("{DELETE_FIRST}=yes");
    let namespace = stage.pool.control_plane();
    stage
        .kubectl(&["-n", &namespace, "annotate", "machine", machine, &named])
        .await;
    stage
        .kubectl(&["scale", "nodepool", "pool", "--replicas=1"])
        .await;
    stage.state(&agents[0], State::KnownUnbound).await;
    stage.state(&agents[1], State::AddedToExistingCluster).await;
}
