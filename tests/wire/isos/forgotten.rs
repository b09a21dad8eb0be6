//! What nobody remembers goes, too: of a driver that was killed, on datastores that nobody asks about.

use lab::{DATASTORE, Lab};
use serde_json::{Value, json};

use super::{FOLDER, Store, path, state};
use crate::requests::with;
use crate::zone::{reason, soon};

/// A datastore that nobody names after the driver was started anew.
const OTHER: &str = "LocalDS_1";
/// What vCenter is asked for a folder, for who mounts files, and to remove one.
const SEARCHES: &str = "SearchDatastore_Task";
const READS: &str = "RetrievePropertiesEx";
const REMOVES: &str = "DeleteDatastoreFile_Task";
const FILES: &str = "vsphere.driver.v1.Isos/ListIsoFiles";

impl Store {
    async fn with_two_datastores(isos: &str) -> Self {
        let builder = Lab::builder().vcenter_arguments(["-ds", "2"]);
        Self::of(builder.isos(isos)).await
    }

    /// Has an image on these datastores.
    async fn on(&self, datastores: &[&str], seed: u64) -> Value {
        let image = self.image(seed);
        let wish = self.wish("demo", image.url());
        let iso = self
            .ask(&with(wish, "/datastores", json!(datastores)))
            .await;
        assert_eq!(state(&iso), "READY", "{iso}");
        iso
    }

    /// Puts a file into the driver's folder on the other datastore, past the driver.
    async fn put(&self, name: &str) {
        let local = self.lab().folder().join(name);
        std::fs::write(&local, "not of the driver").unwrap();
        let (local, remote) = (local.display().to_string(), format!("{FOLDER}/{name}"));
        let upload = ["datastore.upload", "-ds", OTHER, &local, &remote];
        self.zone.govc(&upload).await;
    }

    /// Waits until nothing but these is in the driver's folder on the other datastore.
    async fn until_left(&self, expected: &[&str]) {
        let (govc, proxy) = (self.lab().vcenter().govc(), self.lab().proxy());
        let reached = async {
            loop {
                let removed = proxy.counts().of(REMOVES).answers;
                let files = govc.files(OTHER, FOLDER).await.unwrap();
                if files.keys().eq(expected) {
                    return;
                }
                proxy.answered(REMOVES, removed + 1).await;
            }
        };
        soon(&format!("{expected:?}"), reached).await;
    }
}

#[tokio::test]
async fn what_a_killed_driver_left_goes_where_nobody_asks_any_more_and_what_is_not_ours_stays() {
    const FOREIGN: &str = "foreign.iso";
    const WITHOUT_RECORD: &str = "agent-0123456789abcdef.iso";
    const PART: &str = "agent.part-0123456789ab.iso";
    let mut store = Store::with_two_datastores("grace = \"1s\"\n").await;
    let iso = store.on(&[OTHER], 1).await;
    store
        .zone
        .lab
        .kill_driver_with_its_sessions()
        .await
        .unwrap();
    for name in [FOREIGN, WITHOUT_RECORD, PART] {
        store.put(name).await;
    }
    let govc = store.lab().vcenter().govc();
    let files = govc.files(OTHER, FOLDER).await.unwrap();
    assert_eq!(
        files.len(),
        5,
        "an ISO, its record and three of others: {files:?}"
    );
    let name = path(&iso).rsplit('/').next().unwrap();
    assert!(files.contains_key(name), "{files:?}");

    store.zone.lab.restart_driver().await.unwrap();
    store.until_left(&[WITHOUT_RECORD, FOREIGN]).await;
}

#[tokio::test]
async fn while_all_isos_are_wanted_vcenter_is_not_asked_who_mounts_them() {
    let store = Store::of(Lab::builder().isos("grace = \"1s\"\n")).await;
    store.ensure("demo", &store.image(1)).await;
    let (searches, reads) = (store.zone.calls(SEARCHES), store.zone.calls(READS));
    let proxy = store.lab().proxy();
    soon("three looks", proxy.answered(SEARCHES, searches + 3)).await;
    assert_eq!(store.zone.calls(READS), reads);

    store.withdraw("demo").await;
    soon("a look at drives", proxy.answered(READS, reads + 1)).await;
}

#[tokio::test]
async fn a_datastore_that_cannot_be_looked_into_does_not_hide_the_others() {
    let store = Store::with_two_datastores("").await;
    store.on(&[DATASTORE, OTHER], 1).await;
    let fault = json!({"type": "InaccessibleDatastore", "fields": {"name": DATASTORE}});
    let rule = json!({"method": SEARCHES, "times": 1, "fault": fault});
    store.lab().vcenter().add_fault(&rule).await.unwrap();
    let listed = store
        .zone
        .call(FILES, &json!({"vcenter": lab::VCENTER}))
        .await;
    let faults = listed["faults"].as_array().unwrap();
    let [fault] = &faults[..] else {
        panic!("{listed}");
    };
    assert_eq!(reason(fault), "DATASTORE_UNAVAILABLE", "{listed}");
    let of = fault["metadata"]["datastore"].as_str().unwrap();
    assert!(of.ends_with(DATASTORE) || of.ends_with(OTHER), "{listed}");
    assert_eq!(listed["files"].as_array().unwrap().len(), 2, "{listed}");
    let again = store
        .zone
        .call(FILES, &json!({"vcenter": lab::VCENTER}))
        .await;
    assert_eq!(again["faults"], json!([]), "{again}");
}
