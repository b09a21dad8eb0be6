//! A template has its ISO brought to its datastore, and follows it.

use super::{Hub, counts, has};
use crate::{
    crd::VMwareNodePoolTemplateStatus as Status,
    driver::{Fault, IsoSource, IsoStand, IsoStep, Progress, Retry, UrlSource},
    fixtures::fault,
    hub::Availability,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Less than the time after which a driver is no longer heard.
const SHORT: Duration = Duration::from_secs(20);
const URL: &str = "https://images/byapikey/canary/a.iso";

fn by_url() -> Hub {
    Hub::new(&json!({"replicas": 2, "agentISO": {"type": "url", "url": URL}}))
}

fn by_infra_env(replicas: i32) -> Hub {
    let iso = json!({"type": "infraEnv", "infraEnv": {"name": "workers"}});
    Hub::new(&json!({"replicas": replicas, "agentISO": iso}))
}

fn infra_env(token: &str) -> Value {
    json!({
        "apiVersion": "agent-install.openshift.io/v1beta1", "kind": "InfraEnv",
        "metadata": {"name": "workers", "namespace": "clusters"},
        "status": {
            "isoDownloadURL": format!("https://images/canary/{token}"),
            "createdTime": token,
        },
    })
}

fn at(transferred: i64) -> IsoStand {
    IsoStand::Coming(Progress {
        step: IsoStep::Transferring,
        transferred,
        size: 100,
    })
}

fn message(status: &Status, type_: &str) -> String {
    let mut conditions = status.conditions.iter();
    let condition = conditions.find(|condition| condition.type_ == type_);
    condition.map(|it| it.message.clone()).unwrap_or_default()
}

fn says(type_: &'static str, part: &str) -> impl Fn(Option<&Status>) -> bool {
    let part = part.to_owned();
    move |status| status.is_some_and(|status| message(status, type_).contains(&part))
}

fn status(hub: &Hub) -> Status {
    hub.template().unwrap().status.unwrap()
}

/// URLs that were asked for, each once for as often as it was in a row.
fn urls(hub: &Hub) -> Vec<String> {
    let url = |source| match source {
        IsoSource::Url(source) => source.url.0.clone(),
        IsoSource::Path(path) => path,
    };
    let isos = hub.driver.isos().into_iter();
    let mut urls: Vec<_> = isos.map(|iso| url(iso.source)).collect();
    urls.dedup();
    urls
}

#[tokio::test(start_paused = true)]
async fn machines_wait_for_their_iso_and_boot_it_when_it_is_whole() {
    let mut hub = by_url();
    hub.driver.transfers(Some(at(42)));
    hub.until("on its way", has("ISOReady", "False", "Uploading"))
        .await;
    hub.until("told", says("ISOReady", "42 %, from https://images/***."))
        .await;
    hub.until("waiting", has("VMsCreated", "False", "WaitingForISO"))
        .await;
    assert_eq!(status(&hub).iso_uploaded, Some(false));
    hub.driver.transfers(Some(at(77)));
    hub.until("further", says("ISOReady", "77 %")).await;
    assert!(hub.driver.slots().is_empty());

    hub.driver.transfers(None);
    hub.until("two machines", counts(2, 2, 2)).await;
    hub.until("ready", has("ISOReady", "True", "ISOReady"))
        .await;
    let status = status(&hub);
    let path = status.iso_path.clone().unwrap();
    assert!(path.starts_with("[ds] hcp-iso/agent-"), "{path}");
    assert_eq!(status.iso_uploaded, Some(true));
    assert!(message(&status, "ISOReady").starts_with(&path));
    let told = serde_json::to_string(&status).unwrap();
    assert!(!told.contains("canary"), "{told}");
    let events: Vec<_> = hub.journal();
    assert!(!events.contains(&"event ISOError".to_owned()), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn an_iso_on_its_way_is_followed_without_looking_names_up() {
    let mut hub = by_url();
    hub.driver.transfers(Some(at(1)));
    hub.until("on its way", has("ISOReady", "False", "Uploading"))
        .await;
    hub.pass(SHORT).await;
    let calls = hub.driver.calls();
    let count = |call: &str| calls.iter().filter(|it| *it == call).count();
    assert_eq!(count("check"), 1);
    assert_eq!(count("iso"), 1);
    assert_eq!(count("watch ISOs"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_way_is_told_and_another_url_is_tried_at_once() {
    let mut hub = by_url();
    let expired = Fault {
        word: "ISOSourceExpired",
        ..fault(Retry::Slow)
    };
    hub.driver.transfers(Some(IsoStand::Failed(expired)));
    hub.until("told", has("ISOReady", "False", "ISOSourceExpired"))
        .await;
    hub.until("held", has("VMsCreated", "False", "ISOSourceExpired"))
        .await;
    assert!(hub.journal().contains(&"event ISOError".to_owned()));
    let asked = hub.driver.isos().len();
    hub.pass(SHORT).await;
    assert_eq!(hub.driver.isos().len(), asked, "only a change helps");

    hub.driver.transfers(None);
    hub.edit(|template| template["spec"]["agentISO"]["url"] = "https://images/b.iso".into());
    hub.until("two machines", counts(2, 2, 2)).await;
}

#[tokio::test(start_paused = true)]
async fn machines_that_are_made_after_a_rotation_boot_the_new_image_and_older_ones_keep_theirs() {
    let mut hub = by_infra_env(2);
    hub.shelve(infra_env("one"));
    hub.until("two machines", counts(2, 2, 2)).await;
    hub.until("up to date", has("VMsUpToDate", "True", "UpToDate"))
        .await;
    let before = status(&hub);

    hub.driver.transfers(Some(at(10)));
    hub.shelve(infra_env("other"));
    hub.until("on its way", has("ISOReady", "False", "Uploading"))
        .await;
    hub.until(
        "nothing is missing",
        has("VMsCreated", "True", "VMsReconciled"),
    )
    .await;
    hub.edit(|template| template["spec"]["replicas"] = 3.into());
    hub.until("waiting", has("VMsCreated", "False", "WaitingForISO"))
        .await;
    hub.pass(Duration::from_secs(30)).await;
    assert_eq!(hub.driver.slots(), [1, 2]);

    hub.driver.transfers(None);
    hub.until("three machines", counts(3, 3, 3)).await;
    assert_eq!(
        urls(&hub),
        ["https://images/canary/one", "https://images/canary/other"]
    );
    let booted = hub.driver.booted();
    assert_eq!(booted[0], booted[1]);
    assert_ne!(booted[0], booted[2]);
    let after = status(&hub);
    assert_ne!(after.iso_path, before.iso_path);
    assert_eq!(after.iso_path.as_ref(), booted.last());
    hub.until("still up to date", has("VMsUpToDate", "True", "UpToDate"))
        .await;
    assert!(!serde_json::to_string(&after).unwrap().contains("canary"));
}

#[tokio::test(start_paused = true)]
async fn an_infra_env_is_waited_for_and_taken_up_when_its_image_is_made() {
    let mut hub = by_infra_env(1);
    hub.until("being read", has("ISOReady", "Unknown", "InfraEnvSyncing"))
        .await;
    let mut other = infra_env("x");
    other["metadata"]["name"] = "other".into();
    hub.shelve(other);
    hub.until("none", has("ISOReady", "False", "InfraEnvNotFound"))
        .await;
    let mut unmade = infra_env("one");
    unmade["status"] = json!({"conditions": [
        {"type": "ImageCreated", "status": "False", "message": "no pull secret"},
    ]});
    hub.shelve(unmade);
    hub.until("unmade", has("ISOReady", "False", "InfraEnvNotReady"))
        .await;
    hub.until("why", says("ISOReady", "no pull secret")).await;
    assert_eq!(hub.driver.isos().len(), 0);
    hub.shelve(infra_env("one"));
    hub.until("one machine", counts(1, 1, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn an_infra_env_that_is_none_of_the_templates_business_is_not_looked_at() {
    let iso = json!({"type": "infraEnv", "infraEnv": {"name": "workers", "namespace": "others"}});
    let mut hub = Hub::new(&json!({"replicas": 1, "agentISO": iso}));
    let mut foreign = infra_env("one");
    foreign["metadata"]["namespace"] = "others".into();
    hub.shelve(foreign);
    hub.until("refused", has("ISOReady", "False", "InfraEnvNotPermitted"))
        .await;
    assert_eq!(hub.driver.isos(), []);
}

#[tokio::test(start_paused = true)]
async fn the_source_is_asked_with_what_the_secret_says() {
    let iso = json!({"type": "url", "url": URL, "requestSecret": {"name": "absent"}});
    let mut hub = Hub::new(&json!({"replicas": 1, "agentISO": iso}));
    hub.until("absent", has("ISOReady", "False", "RequestSecretNotFound"))
        .await;
    hub.edit(|template| template["spec"]["agentISO"]["requestSecret"]["name"] = "request".into());
    hub.until(
        "forbidden",
        has("ISOReady", "Unknown", "RequestSecretUnreadable"),
    )
    .await;
    // `canary`
    hub.request(&json!({"headers": "Y2FuYXJ5"}));
    hub.until(
        "no header",
        has("ISOReady", "False", "RequestSecretInvalid"),
    )
    .await;
    // `A: b`
    hub.request(&json!({"headers": "QTogYg=="}));
    hub.until(
        "for nobody",
        has("ISOReady", "False", "RequestSecretNotPermitted"),
    )
    .await;
    hub.request(&says_b());
    hub.until("one machine", counts(1, 1, 1)).await;
    let expected = UrlSource {
        url: URL.into(),
        headers: [("A".to_owned(), "b".into())].into(),
        ..UrlSource::default()
    };
    let asked = hub.driver.isos().pop().unwrap();
    assert_eq!(asked.source, IsoSource::Url(Box::new(expected)));
}

/// `A: b`, for `images`.
fn says_b() -> Value {
    json!({"headers": "QTogYg==", "hosts": "aW1hZ2Vz"})
}

/// A template whose ISO was fetched with what the Secret said.
async fn with_secret() -> Hub {
    let iso = json!({"type": "url", "url": URL, "requestSecret": {"name": "request"}});
    let mut hub = Hub::new(&json!({"replicas": 1, "agentISO": iso}));
    hub.request(&says_b());
    hub.until("one machine", counts(1, 1, 1)).await;
    hub
}

/// The headers that were asked with last.
fn headers(hub: &Hub) -> Vec<String> {
    match hub.driver.isos().pop().unwrap().source {
        IsoSource::Url(source) => source.headers.into_values().map(|value| value.0).collect(),
        IsoSource::Path(path) => panic!("{path}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_renewed_is_taken_at_once() {
    let mut hub = with_secret().await;
    assert_eq!(headers(&hub), ["b"]);
    // `A: c`
    hub.request(&json!({"headers": "QTogYw==", "hosts": "aW1hZ2Vz"}));
    hub.pass(Duration::from_secs(1)).await;
    assert_eq!(headers(&hub), ["c"]);
    hub.request(&json!({"headers": "QTogYw=="}));
    hub.until(
        "for nobody",
        has("ISOReady", "False", "RequestSecretNotPermitted"),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_cannot_be_read_for_a_while_takes_nothing_from_an_iso_that_is_whole() {
    let mut hub = with_secret().await;
    hub.forbid_request();
    hub.pass(Duration::from_mins(1)).await;
    hub.edit(|template| template["spec"]["replicas"] = 2.into());
    hub.until("two machines", counts(2, 2, 2)).await;
    let ready = super::verdict(&status(&hub), "ISOReady");
    assert_eq!(ready, Some(("True".into(), "ISOReady".into())));
}

#[tokio::test(start_paused = true)]
async fn an_infra_env_that_cannot_be_read_for_a_while_takes_nothing_from_an_iso_that_is_whole() {
    let mut hub = by_infra_env(1);
    hub.shelve(infra_env("one"));
    hub.until("one machine", counts(1, 1, 1)).await;
    hub.context
        .hub
        .turn_infra_envs(Availability::Unreadable("no".into()));
    hub.edit(|template| template["spec"]["replicas"] = 2.into());
    hub.until("two machines", counts(2, 2, 2)).await;
    let ready = super::verdict(&status(&hub), "ISOReady");
    assert_eq!(ready, Some(("True".into(), "ISOReady".into())));
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_was_started_anew_is_asked_again() {
    let mut hub = by_url();
    hub.until("two machines", counts(2, 2, 2)).await;
    let asked = hub.driver.isos().len();
    hub.driver.restart();
    hub.until("lost", has("Ready", "Unknown", "NotSeen")).await;
    hub.until("ready again", has("Ready", "True", "AllReady"))
        .await;
    assert!(hub.driver.isos().len() > asked);
}

#[tokio::test(start_paused = true)]
async fn an_iso_that_somebody_withdrew_is_asked_for_again() {
    let mut hub = by_url();
    hub.until("two machines", counts(2, 2, 2)).await;
    let asked = hub.driver.isos().len();
    hub.driver.withdraw("owner");
    hub.pass(Duration::from_secs(2)).await;
    assert_eq!(hub.driver.isos().len(), asked + 1);
}

#[tokio::test(start_paused = true)]
async fn a_content_that_changes_behind_its_url_is_followed_without_being_asked_for() {
    let mut hub = by_url();
    hub.until("ready", has("ISOReady", "True", "ISOReady"))
        .await;
    let asked = hub.driver.isos().len();
    hub.driver.transfers(Some(at(5)));
    hub.until("another", says("ISOReady", "5 %")).await;
    let other = IsoStand::Ready("[ds] hcp-iso/agent-other.iso".into());
    hub.driver.transfers(Some(other));
    hub.until("whole", says("ISOReady", "agent-other.iso, from"))
        .await;
    assert_eq!(hub.driver.isos().len(), asked);
}

#[tokio::test(start_paused = true)]
async fn nobody_watches_isos_where_none_is_fetched() {
    let mut hub = Hub::new(&json!({"replicas": 1}));
    hub.until("one machine", counts(1, 1, 1)).await;
    hub.pass(SHORT).await;
    assert!(!hub.driver.calls().contains(&"watch ISOs".to_owned()));
}

/// What the ISO's condition was told to be since so many statuses, each once for as often as it was in a row.
fn told_since(hub: &Hub, since: usize) -> Vec<String> {
    let statuses = hub.statuses().split_off(since);
    let verdicts = statuses.iter();
    let verdicts = verdicts.filter_map(|(_, status)| super::verdict(status, "ISOReady"));
    let mut told: Vec<_> = verdicts
        .map(|(holds, why)| format!("{holds} {why}"))
        .collect();
    told.dedup();
    told
}

/// What a driver says that has not looked for its files yet.
fn unlooked() -> IsoStand {
    IsoStand::Coming(Progress::default())
}

#[tokio::test(start_paused = true)]
async fn an_iso_that_is_whole_stays_ready_while_a_driver_that_was_started_anew_looks_for_it() {
    let mut hub = by_url();
    hub.until("two machines", counts(2, 2, 2)).await;
    let (written, asked) = (hub.statuses().len(), hub.driver.isos().len());
    hub.driver.restart();
    hub.driver.transfers(Some(unlooked()));
    hub.until("lost", has("Ready", "Unknown", "NotSeen")).await;
    hub.until("back", has("Ready", "True", "AllReady")).await;
    hub.pass(SHORT).await;
    hub.edit(|template| template["spec"]["replicas"] = 3.into());
    hub.until("three machines", counts(3, 3, 3)).await;
    assert!(hub.driver.isos().len() > asked);
    assert_eq!(told_since(&hub, written), ["True ISOReady"]);

    hub.driver.transfers(Some(at(1)));
    hub.until("another", says("ISOReady", "1 %")).await;
    hub.driver.transfers(Some(unlooked()));
    hub.until("awaited", says("ISOReady", "is awaited")).await;
    hub.driver.transfers(None);
    hub.until("ready", has("ISOReady", "True", "ISOReady"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_awaited_by_a_driver_that_goes_on_is_news() {
    let mut hub = by_url();
    hub.until("two machines", counts(2, 2, 2)).await;
    hub.driver.transfers(Some(unlooked()));
    hub.until("awaited", has("ISOReady", "False", "Uploading"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn another_image_is_not_taken_for_the_one_that_was_whole() {
    let mut hub = by_infra_env(1);
    hub.shelve(infra_env("one"));
    hub.until("one machine", counts(1, 1, 1)).await;
    hub.driver.restart();
    hub.driver.transfers(Some(unlooked()));
    hub.shelve(infra_env("other"));
    hub.until("awaited", has("ISOReady", "False", "Uploading"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn progress_is_written_at_most_once_a_second() {
    let mut hub = by_url();
    hub.driver.transfers(Some(at(0)));
    hub.until("on its way", has("ISOReady", "False", "Uploading"))
        .await;
    let written = hub.statuses().len();
    for tenth in 1..=100 {
        hub.driver.transfers(Some(at(tenth)));
        hub.pass(Duration::from_millis(100)).await;
    }
    let statuses = hub.statuses().split_off(written);
    let times: Vec<_> = statuses.iter().map(|(at, _)| *at).collect();
    let is_late = |pair: &[jiff::Timestamp]| pair[1].duration_since(pair[0]).as_secs() >= 1;
    assert!(times.windows(2).all(is_late), "{times:?}");
    assert!((5..=12).contains(&times.len()), "{times:?}");
    hub.until("all of it", says("ISOReady", "100 %")).await;
}

#[tokio::test(start_paused = true)]
async fn machines_that_could_not_be_made_before_a_rotation_boot_the_new_image() {
    let mut hub = by_infra_env(2);
    hub.shelve(infra_env("one"));
    hub.driver.refuse(Some(fault(Retry::Backoff)));
    hub.until("refused", has("VMsCreated", "False", "SomeFault"))
        .await;
    assert!(hub.driver.slots().is_empty());
    hub.shelve(infra_env("other"));
    hub.driver.refuse(None);
    hub.until("two machines", counts(2, 2, 2)).await;
    let path = status(&hub).iso_path.unwrap();
    assert_eq!(hub.driver.booted(), [path.clone(), path]);
    assert_eq!(urls(&hub).last().unwrap(), "https://images/canary/other");
}

#[tokio::test(start_paused = true)]
async fn machines_that_are_being_made_in_a_rotation_keep_their_image_and_do_not_drift() {
    let mut hub = by_infra_env(2);
    hub.shelve(infra_env("one"));
    hub.driver.make_slowly();
    hub.until("in the making", |_| true).await;
    while hub.driver.slots().len() < 2 {
        hub.pass(Duration::from_secs(1)).await;
    }
    let before = hub.driver.booted();
    hub.shelve(infra_env("other"));
    hub.edit(|template| template["spec"]["replicas"] = 3.into());
    while hub.driver.slots().len() < 3 {
        hub.pass(Duration::from_secs(1)).await;
    }
    hub.driver.finish();
    hub.until("three machines", counts(3, 3, 3)).await;
    let booted = hub.driver.booted();
    assert_eq!(booted[..2], before);
    assert_ne!(booted[2], before[0]);
    hub.until("up to date", has("VMsUpToDate", "True", "UpToDate"))
        .await;
}
