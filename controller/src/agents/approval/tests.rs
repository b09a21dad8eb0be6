//! What is set of Agents, as tables.

use super::*;
use crate::{
    agents::fixtures::{MAC, UUID, agent, bound, disk, in_state},
    kinds::Ours,
};
const HOST: Host<'_> = Host {
    name: "pool-n01",
    was_bound: false,
    proved: true,
};

fn labels_of(key: &str, value: &str) -> Labels {
    Labels::from([(key.into(), value.into())])
}

fn wish(labels: &Labels) -> Wish<'_> {
    Wish {
        template: "pool",
        node_pool: "np",
        labels,
        selector: None,
    }
}

fn decided(agent: &Agent, host: Host<'_>) -> Decision {
    let agent = Arc::new(agent.clone());
    decide(&agent, host, &wish(&labels_of("zone", "a")))
}

fn host() -> Agent {
    let mut agent = agent(UUID, "None", MAC);
    agent.meta.version = Version("7".into());
    agent.status.inventory.disks = vec![disk("/dev/disk/by-id/wwn-1", "0:0:0:0", true)];
    agent
}

fn change(agent: &Agent) -> Option<Value> {
    let version = &agent.meta.version;
    let change = decided(agent, HOST).change;
    change.map(|change| change.body(version))
}

/// As it is after `body` was applied.
fn applied(mut agent: Agent, body: &Value) -> Agent {
    let labels: Labels = serde_json::from_value(body["metadata"]["labels"].clone()).unwrap();
    let text = |field: &str| body["spec"][field].as_str().unwrap_or_default().to_owned();
    agent.meta.ours = Some(Ours {
        labels: labels.keys().cloned().collect(),
        approval: body["spec"]["approved"] == true,
    });
    agent.meta.labels.extend(labels);
    agent.meta.finalizers.push(AGENT_FINALIZER.into());
    agent.spec.hostname = text("hostname");
    agent.spec.installation_disk_id = text("installation_disk_id");
    agent.spec.approved = body["spec"]["approved"] == true;
    agent
}

#[test]
fn a_new_agent_gets_labels_name_disk_and_approval_in_one_write() {
    let expected = json!({
        "apiVersion": "agent-install.openshift.io/v1beta1",
        "kind": "Agent",
        "metadata": {
            "name": UUID, "namespace": "agents", "uid": format!("uid-{UUID}"),
            "resourceVersion": "7",
            "labels": {
                "zone": "a",
                "vmware.hcp.open-cluster-management.io/managed-by": "pool",
                "vmware.hcp.open-cluster-management.io/nodepool": "np",
            },
            "finalizers": ["vmware.hcp.open-cluster-management.io/agent-vm-cleanup"],
        },
        "spec": {
            "approved": true, "hostname": "pool-n01",
            "installation_disk_id": "/dev/disk/by-id/wwn-1",
        },
    });
    assert_eq!(change(&host()), Some(expected));
}

#[test]
fn what_was_applied_is_not_applied_again() {
    let applied = applied(host(), &change(&host()).unwrap());
    assert_eq!(decided(&applied, HOST), Decision::default());
}

#[test]
fn a_change_of_the_template_takes_old_labels_away_and_those_of_others_stay() {
    let mut agent = host();
    agent.meta.labels.insert("theirs".into(), "x".into());
    let body = change(&agent).unwrap();
    let agent = applied(agent, &body);
    let rack = labels_of("rack", "r");
    let change = decide(&agent.into(), HOST, &wish(&rack)).change.unwrap();
    assert_eq!(change.labels["rack"], "r");
    assert!(!change.labels.contains_key("zone") && !change.labels.contains_key("theirs"));
}

#[test]
fn what_a_user_has_set_stays() {
    let mut agent = host();
    agent.spec.hostname = "mine".into();
    agent.spec.installation_disk_path = "/dev/disk/by-path/p".into();
    assert_eq!(change(&agent).unwrap()["spec"], json!({"approved": true}));
    agent.spec.installation_disk_path.clear();
    agent.spec.installation_disk_id = "other".into();
    assert_eq!(change(&agent).unwrap()["spec"], json!({"approved": true}));
}

#[test]
fn an_approval_that_somebody_took_back_stays_taken_and_is_told() {
    let mut agent = applied(host(), &change(&host()).unwrap());
    agent.spec.approved = false;
    // Our own withdrawal is ours to take back.
    assert_eq!(change(&agent).unwrap()["spec"]["approved"], true);
    agent.meta.ours.as_mut().unwrap().approval = false;
    let decision = decided(&agent, HOST);
    assert_eq!(decision.change, None);
    assert_eq!(decision.problems, ["somebody took its approval back"]);
}

#[test]
fn who_does_not_prove_to_be_the_host_is_offered_to_nobody_and_that_is_told() {
    let unproved = Host {
        proved: false,
        ..HOST
    };
    let mut by_others = host();
    by_others.spec.approved = true;
    let mut withdrawn = applied(host(), &change(&host()).unwrap());
    withdrawn.spec.approved = false;
    for (why, agent) in [
        ("new", host()),
        ("approved by others", by_others),
        ("withdrawn by us", withdrawn),
    ] {
        let decision = decided(&agent, unproved);
        assert_eq!(
            (decision.change, &*decision.problems),
            (None, &[UNPROVED.to_owned()][..]),
            "{why}"
        );
    }
    // What was offered before stays so, and a node is kept like any other, but not approved for that.
    let offered = applied(host(), &change(&host()).unwrap());
    assert_eq!(decided(&offered, unproved), Decision::default());
    let change = decided(&bound(host()), unproved).change.unwrap();
    assert!(change.labels.contains_key(BINDING_LABEL) && !change.spec.contains_key("approved"));
}

#[test]
fn nothing_is_set_of_an_agent_that_told_nothing_yet_or_goes_or_was_given_back() {
    let silent = agent(UUID, "", "");
    let mut deleting = host();
    deleting.meta.deleting = true;
    for agent in [silent, deleting] {
        assert_eq!(change(&agent), None);
    }
    let was_bound = Host {
        was_bound: true,
        ..HOST
    };
    assert_eq!(decided(&host(), was_bound), Decision::default());
}

#[test]
fn the_companions_mark_of_a_bound_agent_is_set_with_the_first_binding() {
    let labels = |agent: &Agent| change(agent).unwrap()["metadata"]["labels"].clone();
    assert_eq!(labels(&host()).get(BINDING_LABEL), None);
    assert_eq!(labels(&bound(host()))[BINDING_LABEL], "np");
}

#[test]
fn in_test_mode_no_node_pool_is_named() {
    let labels = Labels::new();
    let wish = Wish {
        node_pool: "",
        ..wish(&labels)
    };
    let decision = decide(&bound(host()).into(), HOST, &wish);
    let labels = decision.change.unwrap().labels;
    assert!(!labels.contains_key(NODE_POOL_LABEL) && !labels.contains_key(BINDING_LABEL));
}

#[test]
fn once_the_installation_has_begun_nothing_is_chosen_any_more() {
    let agent = bound(in_state("installing-in-progress"));
    assert_eq!(change(&agent).unwrap()["spec"], json!({"approved": true}));
    let mut chosen = agent;
    chosen.spec.hostname = HOST.name.into();
    chosen.spec.installation_disk_id = "d".into();
    let expected = json!({
        "approved": true, "hostname": HOST.name, "installation_disk_id": "d",
    });
    assert_eq!(change(&chosen).unwrap()["spec"], expected);
}

#[test]
fn the_first_disk_that_can_be_installed_on_is_taken() {
    let chosen = |disks: &[Disk]| installation_disk(disks).map(|disk| disk.id.clone());
    let disks = [
        disk("tenth", "0:0:10:0", true),
        disk("second", "0:0:2:0", true),
        disk("cd", "0:0:0:0", false),
        disk("unknown", "", true),
    ];
    assert_eq!(chosen(&disks), Some("second".into()));
    assert_eq!(chosen(&disks[2..]), Some("unknown".into()));
    assert_eq!(chosen(&disks[2..3]), None);
}

#[test]
fn a_hostname_is_what_the_installer_accepts() {
    let long = "x".repeat(64);
    for (name, good) in [
        ("pool-n01", true),
        ("0a", true),
        ("a.b-c", true),
        ("Pool-n01", false),
        ("-a", false),
        ("a-", false),
        ("a..b", false),
        ("a_b", false),
        ("", false),
        ("localhost", false),
        ("localhost.localdomain", false),
        (&long, false),
    ] {
        assert_eq!(is_hostname(name), good, "{name}");
    }
}
