//! A watch of ISOs tells what is wanted, what becomes of it, and what is withdrawn.

use lab::grpcurl::Stream;
use serde_json::{Value, json};

use super::{Store, state};
use crate::zone::PATIENCE;

const WATCH_ISOS: &str = "vsphere.driver.v1.Isos/WatchIsos";

impl Store {
    fn watch_isos(&self, request: &Value) -> Stream {
        let grpcurl = self.lab().grpcurl().unwrap();
        grpcurl.stream(WATCH_ISOS, request).unwrap()
    }
}

/// The first ISO of changes that is so.
fn changed(message: &Value, is_so: impl Fn(&Value) -> bool) -> Option<(Value, String)> {
    let changed = message["changes"]["changed"].as_array()?;
    let found = changed.iter().find(|iso| is_so(iso))?;
    let token = message["token"].as_str().unwrap_or_default();
    Some((found.clone(), token.to_owned()))
}

#[tokio::test]
async fn a_watch_tells_how_far_an_iso_is_and_when_it_is_withdrawn() {
    let store = Store::start().await;
    let mut watch = store.watch_isos(&json!({"vcenter": lab::VCENTER}));
    let end = |message: &Value| message.get("snapshotEnd").map(drop);
    watch
        .find("the end of a snapshot", PATIENCE, end)
        .await
        .unwrap();
    let image = store.image(1);
    store.ensure("demo", &image).await;
    let ready = |message: &Value| changed(message, |iso| state(iso) == "READY");
    let (iso, token) = watch.find("a ready ISO", PATIENCE, ready).await.unwrap();
    assert_eq!(iso["key"]["ownerUid"], "demo", "{iso}");
    assert!(!token.is_empty());

    store.withdraw("demo").await;
    let removed = |message: &Value| {
        message["changes"]["removed"][0]["key"]["ownerUid"]
            .as_str()
            .map(str::to_owned)
    };
    let gone = watch.find("a tombstone", PATIENCE, removed).await.unwrap();
    assert_eq!(gone, "demo");

    // Who comes back with a token is told what was missed, without a snapshot.
    let resume = json!({"vcenter": lab::VCENTER, "resumeToken": token});
    let mut watch = store.watch_isos(&resume);
    let first = |message: &Value| (message.get("bookmark").is_none()).then(|| message.clone());
    let missed = watch
        .find("what was missed", PATIENCE, first)
        .await
        .unwrap();
    assert_eq!(removed(&missed).as_deref(), Some("demo"), "{missed}");
}

#[tokio::test]
async fn an_iso_that_is_wanted_is_in_the_next_snapshot_of_its_hub_only() {
    let store = Store::start().await;
    store.ensure("demo", &store.image(1)).await;
    for (hub, is_there) in [("manual", true), ("other", false)] {
        let request = json!({"vcenter": lab::VCENTER, "hubId": hub});
        let mut watch = store.watch_isos(&request);
        let first = |message: &Value| {
            let is_begin = message.get("snapshotBegin").is_some();
            let is_told = is_begin || message.get("bookmark").is_some();
            (!is_told).then(|| message.get("changes").is_some())
        };
        let has_changes = watch.find("a snapshot", PATIENCE, first).await.unwrap();
        assert_eq!(has_changes, is_there, "{hub}");
    }
}
