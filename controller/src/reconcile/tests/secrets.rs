//! Secrets that are kept while they are needed.

use super::{counts, has};
use crate::{
    crd::{FINALIZER, SECRET_FINALIZER},
    fixtures::hub::Hub,
};
use serde_json::json;

fn kept(hub: &Hub) -> bool {
    hub.secret_finalizers() == Some(json!([SECRET_FINALIZER]))
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_kept_before_the_first_machine_is_made() {
    let mut hub = Hub::new(&json!({"replicas": 1}));
    hub.until("one machine", counts(1, 1, 1)).await;
    assert!(kept(&hub));
    let journal = hub.journal();
    let kept = journal.iter().position(|line| line.starts_with("secret"));
    let made = journal.iter().position(|line| line.contains("made=1"));
    assert!(kept < made, "{journal:?}");
}

#[tokio::test(start_paused = true)]
async fn a_template_whose_secret_was_deleted_first_still_removes_its_machines_by_it() {
    let mut hub = Hub::new(&json!({"replicas": 2}));
    hub.until("two machines", counts(2, 2, 2)).await;
    hub.delete_secret();
    assert!(kept(&hub), "it waits");
    hub.delete();
    hub.until("gone", |status| status.is_none()).await;
    assert!(hub.driver.slots().is_empty());
    assert_eq!(hub.secret_finalizers(), None, "then it is gone, too");
}

#[tokio::test(start_paused = true)]
async fn a_secret_stays_kept_until_the_last_template_that_needs_it_has_gone() {
    let mut hub = Hub::new(&json!({"replicas": 1}));
    hub.other(|_| ());
    hub.until("ready", has("Ready", "True", "AllReady")).await;
    hub.delete();
    hub.until("gone", |status| status.is_none()).await;
    assert!(kept(&hub));
}

#[tokio::test(start_paused = true)]
async fn of_templates_that_go_at_once_the_last_to_look_lets_the_secret_go() {
    let mut hub = Hub::new(&json!({"replicas": 1}));
    hub.other(|other| {
        other["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        other["metadata"]["finalizers"] = json!([FINALIZER]);
        other["status"]["finished"] = true.into();
    });
    hub.until("ready", has("Ready", "True", "AllReady")).await;
    hub.delete();
    hub.until("gone", |status| status.is_none()).await;
    let journal = hub.journal();
    let place = |what: &str| journal.iter().position(|line| line.ends_with(what));
    // Whoever looks later sees what was written here.
    assert!(
        place("finished").unwrap() < place("secret []").unwrap(),
        "{journal:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_secret_of_before_is_let_go_once_the_new_one_leads_to_the_machines() {
    let mut hub = Hub::new(&json!({"replicas": 1}));
    hub.until("ready", has("Ready", "True", "AllReady")).await;
    let recorded = |hub: &Hub| hub.template().unwrap().status.unwrap().secret_in_use;
    assert_eq!(recorded(&hub), "vsphere-credentials");
    hub.edit(|template| template["spec"]["vSphereCredentials"] = json!({"name": "other"}));
    hub.until("recorded", |status| {
        status.is_some_and(|status| status.secret_in_use == "other")
    })
    .await;
    let let_go = hub.journal().iter().any(|line| line == "secret []");
    assert!(let_go, "{:?}", hub.journal());
}
