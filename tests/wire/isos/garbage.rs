//! What nobody wants any more goes, and nothing else.

use lab::{DATASTORE, Lab};
use serde_json::{Value, json};

use super::{FOLDER, Store, path, state};
use crate::requests::{DELETE, keys, with};
use crate::zone::{Zone, soon};

const DELETE_ISO: &str = "vsphere.driver.v1.Isos/DeleteIso";
const FILES: &str = "vsphere.driver.v1.Isos/ListIsoFiles";
const REMOVES: &str = "DeleteDatastoreFile_Task";
const FAILED_PRECONDITION: u64 = 9;
const PERMISSION_DENIED: u64 = 7;

impl Store {
    /// A driver that has garbage removed so soon.
    async fn with_grace(grace: &str) -> Self {
        let builder = Lab::builder().isos(&format!("grace = \"{grace}\"\n"));
        let zone = Zone::of(builder).await;
        Self { zone }
    }

    pub(super) async fn withdraw(&self, owner: &str) {
        let key = json!({"vcenter": lab::VCENTER, "key": {"ownerUid": owner}});
        let gone = self.zone.call(DELETE_ISO, &key).await;
        assert_eq!(gone["done"], true, "{gone}");
    }

    /// The files as the driver lists them, by their paths.
    pub(super) async fn listed(&self) -> Vec<Value> {
        let on = json!({"vcenter": lab::VCENTER, "datastores": [DATASTORE]});
        let listed = self.zone.call(FILES, &on).await;
        listed["files"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until these are the ISOs on the datastore, and no record is without its ISO.
    async fn until_isos(&self, expected: &[&str]) {
        let mut expected: Vec<_> = expected
            .iter()
            .map(|path| path.rsplit('/').next().unwrap_or_default().to_owned())
            .collect();
        expected.sort();
        let proxy = self.lab().proxy();
        let reached = async {
            loop {
                let removed = proxy.counts().of(REMOVES).answers;
                let files = self.files().await;
                let records = files.keys().filter_map(|name| name.strip_suffix(".json"));
                let alone = records.filter(|name| !files.contains_key(*name)).count();
                if self.isos().await == expected && alone == 0 {
                    return;
                }
                proxy.answered(REMOVES, removed + 1).await;
            }
        };
        soon(&format!("{expected:?}"), reached).await;
    }
}

#[tokio::test]
async fn what_nobody_wants_goes_after_its_grace_and_what_a_machine_mounts_stays() {
    let store = Store::with_grace("1s").await;
    let mounted = store.ensure("mounted", &store.image(1)).await;
    let unused = store.ensure("unused", &store.image(2)).await;
    let wanted = store.ensure("wanted", &store.image(3)).await;
    store.machine("demo", path(&mounted)).await;
    store.foreign_file("foreign.iso").await;
    let foreign = format!("[{DATASTORE}] {FOLDER}/foreign.iso");

    store.withdraw("mounted").await;
    store.withdraw("unused").await;
    let left = [path(&mounted), path(&wanted), &foreign];
    store.until_isos(&left).await;
    assert!(!left.contains(&path(&unused)));

    store.zone.call(DELETE, &keys("demo", [1])).await;
    store.until_isos(&[path(&wanted), &foreign]).await;
    assert_eq!(
        state(&store.ensure("wanted", &store.image(3)).await),
        "READY"
    );
}

#[tokio::test]
async fn a_list_says_who_wants_and_who_mounts_a_file_and_when_it_goes() {
    let store = Store::start().await;
    let iso = store.ensure("demo", &store.image(1)).await;
    store.machine("demo", path(&iso)).await;
    let listed = store.listed().await;
    let [file] = &listed[..] else {
        panic!("{listed:?}");
    };
    assert_eq!(file["path"], path(&iso), "{file}");
    assert_eq!(file["wantedBy"][0]["ownerUid"], "demo", "{file}");
    assert_eq!(file["mountedBy"], json!(["demo-n01"]), "{file}");
    assert!(file["garbageAt"].is_null(), "{file}");

    store.withdraw("demo").await;
    store.zone.call(DELETE, &keys("demo", [1])).await;
    let listed = store.listed().await;
    assert_eq!(listed[0]["wantedByCount"], 0, "{listed:?}");
    assert!(listed[0]["garbageAt"].is_string(), "{listed:?}");
    assert_eq!(store.isos().await.len(), 1, "it has a day");
}

#[tokio::test]
async fn a_file_is_removed_by_its_path_when_it_is_ours_and_nobody_needs_it() {
    let store = Store::start().await;
    let iso = store.ensure("demo", &store.image(1)).await;
    store.machine("demo", path(&iso)).await;
    store.foreign_file("foreign.iso").await;
    let by_path = |path: &str| json!({"vcenter": lab::VCENTER, "path": path});
    let refused = |path: &str| {
        let request = by_path(path);
        let store = &store;
        async move { store.zone.refused(DELETE_ISO, &request).await }
    };
    let foreign = format!("[{DATASTORE}] {FOLDER}/foreign.iso");
    let is = refused(&foreign).await;
    assert_eq!(is.is(), (PERMISSION_DENIED, "ISO_NOT_OURS"), "{is:?}");
    let is = refused(path(&iso)).await;
    let needed = [
        (FAILED_PRECONDITION, "ISO_WANTED"),
        (FAILED_PRECONDITION, "ISO_IN_USE"),
    ];
    assert!(needed.contains(&is.is()), "{is:?}");
    store.withdraw("demo").await;
    let is = refused(path(&iso)).await;
    assert_eq!(is.is(), (FAILED_PRECONDITION, "ISO_IN_USE"), "{is:?}");

    store.zone.call(DELETE, &keys("demo", [1])).await;
    let begun = store.zone.call(DELETE_ISO, &by_path(path(&iso))).await;
    assert_eq!(state(&begun["files"][0]), "DELETING", "{begun}");
    assert_eq!(begun["done"], false, "{begun}");
    for _ in 0..2 {
        let held = with(by_path(path(&iso)), "/wait", "60s");
        let gone = store.zone.call(DELETE_ISO, &held).await;
        assert_eq!(state(&gone["files"][0]), "GONE", "{gone}");
        assert_eq!(gone["done"], true, "{gone}");
    }
    assert_eq!(store.isos().await, ["foreign.iso"]);
}
