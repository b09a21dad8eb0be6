//! Machines of a node pool that do not get on are replaced, with limits.

use std::time::Duration;

use lab::Lab;
use lab::agents::{Cast, State, Trouble};
use lab::proxy::Outage;
use serde_json::{Value, json};

use crate::hub::{POOL, condition};
use crate::nodepool::NodePool;
use crate::zone::PATIENCE;

const CLOSE_CIRCUIT: &str = "vmware.hcp.open-cluster-management.io/close-circuit";
/// Long enough for all that goes well, on a machine that is busy.
const AMPLE: &str = "4m";

/// A node pool without nodes, whose template says this of machines that do not get on.
async fn pool(healing: Value) -> NodePool {
    let pool = NodePool::of(Lab::builder(), Cast::default(), 0).await;
    pool.hub
        .patch(&json!({"spec": {"selfHealing": healing}}))
        .await;
    pool
}

impl NodePool {
    async fn ask_for(&self, replicas: u32) {
        let replicas = format!("--replicas={replicas}");
        let scale = ["scale", "nodepool", POOL, &replicas];
        self.hub.kubectl(&scale).await;
    }

    /// From now on Agents have so much time to register.
    async fn deadline(&self, registration: &str) {
        let healing = json!({"selfHealing": {"registrationDeadline": registration}});
        self.hub.patch(&json!({"spec": healing})).await;
    }

    /// Waits until the template looks so.
    async fn until(&self, what: &str, so: impl Fn(&Value) -> bool) {
        let so = |template: Option<&Value>| template.is_some_and(&so);
        let waited = self.hub.lab.wait_for_template(POOL, PATIENCE, so).await;
        if let Err(error) = waited {
            let shown = ["get", "vmtemplate", POOL, "-o", "yaml"];
            panic!("{what}: {error}: {}", self.hub.kubectl_output(&shown).await);
        }
    }

    /// Waits until there is an event with this reason.
    async fn event(&self, reason: &str) {
        let selector = format!("reason={reason}");
        let list = ["get", "events", "--field-selector", &selector, "-o", "name"];
        let told = async {
            while self.hub.kubectl_output(&list).await.trim().is_empty() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap();
    }

    async fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.hub.machines().await;
        names.sort_by(|one, other| one.name.cmp(&other.name));
        names.into_iter().map(|machine| machine.name).collect()
    }
}

/// The machines that the status lists.
fn listed(template: &Value) -> impl Iterator<Item = &Value> {
    template["status"]["vmStatus"]
        .as_array()
        .into_iter()
        .flatten()
}

/// How many machines leave because they did not get on.
fn replaced(template: &Value) -> usize {
    let reason = |it: &Value| it["leavingReason"].as_str().map(ToOwned::to_owned);
    let reasons = listed(template).filter_map(reason);
    reasons.filter(|reason| reason.starts_with("Not")).count()
}

fn phases(template: &Value, phase: &str) -> usize {
    listed(template).filter(|it| it["phase"] == phase).count()
}

#[tokio::test]
async fn a_machine_whose_agent_never_registers_is_replaced_and_others_are_left_alone() {
    let pool = pool(json!({"registrationDeadline": AMPLE})).await;
    pool.played
        .orders()
        .trouble("pool-n01", Trouble::NeverRegisters);
    pool.ask_for(2).await;
    let one_waits =
        |it: &Value| it["status"]["joinedReplicas"] == 1 && phases(it, "WaitingForAgent") == 1;
    pool.until("one node, and one that waits", one_waits).await;
    // From here on only the one that waits can be late, and those that come for it.
    pool.deadline("10s").await;
    let replaced = |it: &Value| {
        let left = listed(it).all(|it| it["name"] != "pool-n01");
        left && listed(it).count() == 2 && it["status"]["joinedReplicas"] == 2
    };
    pool.until("two nodes without the first", replaced).await;
    let names = pool.names().await;
    assert_eq!((names.len(), &*names[0]), (2, "pool-n02"), "{names:?}");
    pool.event("NotRegistered").await;
    pool.hub.condition("SelfHealing", "True", "Healthy").await;
}

#[tokio::test]
async fn a_host_that_never_passes_validation_goes_with_its_agent() {
    let pool = pool(json!({"validationDeadline": "5s"})).await;
    pool.played
        .orders()
        .trouble("pool-n01", Trouble::Insufficient);
    pool.ask_for(1).await;
    pool.event("NotValidated").await;
    pool.all_in(1, State::AddedToExistingCluster).await;
    pool.phase(1, "Joined").await;
    // On a busy machine, one that came for it may have been late as well.
    let names = pool.names().await;
    assert_eq!(names.len(), 1);
    assert_ne!(names, ["pool-n01"]);
}

#[tokio::test]
async fn replacing_ends_when_it_does_not_help_until_somebody_says_so_or_one_gets_on() {
    let healing = json!({"registrationDeadline": "2s", "failureLimit": 2});
    let pool = pool(healing).await;
    pool.played.orders().trouble_all(Trouble::NeverRegisters);
    pool.ask_for(3).await;
    let open = |it: &Value| {
        assert!(replaced(it) <= 1, "one at a time: {it}");
        let found = condition(it, "SelfHealing");
        found.is_some_and(|it| it["reason"] == "CircuitOpen") && listed(it).count() == 3
    };
    pool.until("the circuit is open", open).await;
    pool.event("CircuitOpen").await;
    assert_eq!(pool.names().await.len(), 3);
    let last = |it: &Value| it["status"]["nextSlot"].as_i64().unwrap();
    pool.until("two were replaced", |it| last(it) == 6).await;

    let annotate = json!({"metadata": {"annotations": {CLOSE_CIRCUIT: "true"}}});
    pool.hub.patch(&annotate).await;
    pool.until("it opens again", |it| last(it) == 8 && open(it))
        .await;

    // Those that are there have been late for long: they get on before it closes.
    pool.deadline(AMPLE).await;
    pool.played.orders().mend_all();
    pool.until("three nodes", |it| it["status"]["joinedReplicas"] == 3)
        .await;
    pool.hub.condition("SelfHealing", "True", "Healthy").await;
    pool.until("none was replaced", |it| last(it) == 8).await;
}

#[tokio::test]
async fn nothing_is_replaced_during_an_outage_of_vcenter() {
    let deadline = Duration::from_secs(6);
    let pool = pool(json!({"registrationDeadline": AMPLE})).await;
    pool.played.orders().trouble_all(Trouble::NeverRegisters);
    pool.ask_for(1).await;
    pool.until("it waits", |it| phases(it, "WaitingForAgent") == 1)
        .await;
    pool.hub.lab.proxy().outage(Outage::Refused);
    let suspended = |it: &Value| it["status"]["selfHealing"]["suspendedSince"].is_string();
    pool.until("not judged", suspended).await;
    pool.deadline("6s").await;
    // The deadline would be over now; that nothing happens has no event to wait for.
    tokio::time::sleep(deadline * 2).await;
    assert_eq!(pool.names().await, ["pool-n01"]);
    pool.until("still there", |it| replaced(it) == 0 && suspended(it))
        .await;

    pool.hub.lab.proxy().outage(Outage::None);
    pool.event("NotRegistered").await;
    pool.until("replaced", |it| {
        listed(it).any(|it| it["name"] == "pool-n02")
    })
    .await;
}

#[tokio::test]
async fn a_host_that_a_cluster_has_is_told_of_when_it_is_late_and_left_to_it() {
    let pool = pool(json!({"installationDeadline": "2s"})).await;
    pool.played.orders().hold(State::InstallingInProgress);
    pool.ask_for(1).await;
    let late = "InstallationOverdue";
    pool.hub.condition("SelfHealing", "True", late).await;
    pool.hub.message("pool-n01", late).await;
    pool.played.orders().release(State::InstallingInProgress);
    pool.phase(1, "Joined").await;
    pool.hub.condition("SelfHealing", "True", "Healthy").await;
    assert_eq!(pool.names().await, ["pool-n01"]);
}

#[tokio::test]
async fn deadlines_that_outlast_the_automatic_repair_are_refused() {
    let pool = NodePool::of(Lab::builder(), Cast::default(), 0).await;
    for (healing, said) in [
        (
            json!({"installationDeadline": "10m"}),
            "spec.selfHealing must have deadlines of less than 20m together",
        ),
        (
            json!({"powerOnDeadline": "0s"}),
            "spec.selfHealing.powerOnDeadline must be a duration longer than 0",
        ),
    ] {
        let patch = json!({"spec": {"selfHealing": healing}}).to_string();
        let patch = ["patch", "vmtemplate", POOL, "--type=merge", "-p", &patch];
        let refused = pool.hub.kubectl_output(&patch).await;
        assert!(refused.contains(said), "{refused}");
    }
}
