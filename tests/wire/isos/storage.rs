//! Storage that hangs, is full, is out of service, or breaks at the wrong moment: what is there stays
//! known, and what goes on elsewhere is not disturbed.

use std::collections::BTreeSet;

use contract::v1::{IsoState, Reason};
use lab::images::{Content, Image, Trouble};
use lab::proxy::{Action, Fault};
use lab::{DATASTORE, Lab};
use serde_json::{Value, json};

use super::uploads::header;
use super::{AGAIN, FOLDER, SIZE, Store, fault, is_iso, path, state};
use crate::requests::{ISO, with};
use crate::zone::soon;

const OTHER: &str = "LocalDS_1";
const SEARCHES: &str = "SearchDatastore_Task";
const MOVES: &str = "MoveDatastoreFile_Task";
/// As many as the driver transfers at once.
const TURNS: u64 = 8;

impl Store {
    /// A driver whose vCenter has two datastores.
    async fn on_two_datastores() -> Self {
        Self::of(Lab::builder().vcenter_arguments(["-ds", "2"])).await
    }

    /// A wish for an image on these datastores.
    fn wish_on(&self, owner: &str, image: &Image, datastores: &[&str]) -> Value {
        with(
            self.wish(owner, image.url()),
            "/datastores",
            json!(datastores),
        )
    }

    /// Asks, and comes back at once or after so long.
    async fn ask_for(&self, wish: Value, wait: &str) -> Value {
        self.zone.call(ISO, &with(wish, "/wait", wait)).await
    }

    /// Has the tasks of this method wait on a datastore until vCenter forgets its faults.
    async fn hold(&self, method: &str, datastore: &str) {
        let rule = json!({"method": method, "name": datastore, "at": "held"});
        self.lab().vcenter().add_fault(&rule).await.unwrap();
    }

    async fn release(&self) {
        self.lab().vcenter().clear_faults().await.unwrap();
    }

    async fn set_datastore(&self, datastore: Value) {
        let vcenter = self.lab().vcenter();
        vcenter.set_datastore(&datastore).await.unwrap();
    }

    /// All that lies in the driver's folder of a datastore.
    async fn all_on(&self, datastore: &str) -> BTreeSet<String> {
        let govc = self.lab().vcenter().govc();
        let files = govc.files(datastore, FOLDER).await.unwrap();
        files.into_keys().collect()
    }

    /// Waits until a file is there.
    async fn until_there(&self, name: &str) {
        let there = async {
            while !self.all_on(DATASTORE).await.contains(name) {
                tokio::time::sleep(AGAIN).await;
            }
        };
        soon(name, there).await;
    }

    /// Waits until so many files were to get their names.
    async fn until_moves(&self, count: u64) {
        let proxy = self.lab().proxy();
        soon("a move", proxy.answered(MOVES, count)).await;
    }

    async fn restart(&mut self) {
        self.zone.lab.restart_driver().await.unwrap();
        self.zone.synced().await;
    }

    /// The state and the fault of each file of an ISO.
    fn files_of(iso: &Value) -> Vec<(&str, &str)> {
        let files = iso["files"].as_array().unwrap();
        let each = files.iter();
        each.map(|file| (state(file), crate::zone::reason(&file["fault"])))
            .collect()
    }
}

#[tokio::test]
async fn a_datastore_that_cannot_be_looked_into_keeps_no_other_waiting() {
    let store = Store::on_two_datastores().await;
    store.hold(SEARCHES, OTHER).await;
    let image = store.image(1);
    let there = store.wish_on("there", &image, &[OTHER]);
    store.ask_for(there.clone(), "0s").await;
    let here = store.wish_on("here", &store.image(2), &[DATASTORE]);
    assert_eq!(state(&store.ask(&here).await), "READY");
    store.release().await;
    store.until_ready(&there).await;
}

#[tokio::test]
async fn files_that_wait_for_their_names_keep_no_other_waiting() {
    let store = Store::on_two_datastores().await;
    let mut waiting = Vec::new();
    for seed in 1..=TURNS {
        let image = store.image(seed);
        image.always(Trouble::Stalled { after: SIZE / 2 });
        let wish = store.wish_on(&format!("owner-{seed}"), &image, &[OTHER]);
        store.ask_for(wish.clone(), "0s").await;
        soon("a transfer", image.until(|counts| counts.stalled > 0)).await;
        waiting.push((image, wish));
    }
    store.hold(MOVES, OTHER).await;
    for (image, _) in &waiting {
        image.calm();
    }
    store.until_moves(1).await;
    let here = store.wish_on("here", &store.image(100), &[DATASTORE]);
    assert_eq!(state(&store.ask(&here).await), "READY");
    store.release().await;
    for (_, wish) in waiting {
        store.until_ready(&wish).await;
    }
}

#[tokio::test]
async fn what_nobody_wants_any_more_while_it_gets_its_name_is_still_known() {
    let store = Store::start().await;
    store.hold(MOVES, DATASTORE).await;
    let (image, other) = (store.image(1), store.image(2));
    let wish = store.wish("demo", image.url());
    store.ask_for(wish.clone(), "0s").await;
    store.until_moves(1).await;
    store.withdraw("demo").await;
    // Another transfer looks into the folder, as soon as it may.
    let other = store.wish("other", other.url());
    store.ask_for(other.clone(), "2s").await;
    store.release().await;
    store.until_ready(&other).await;
    let iso = store.ask(&wish).await;
    assert_eq!((state(&iso), fault(&iso)), ("READY", ""), "{iso}");
    assert_eq!(image.counts().gets, 1, "it was not fetched again");
    assert_eq!(store.all_on(DATASTORE).await.len(), 4, "ISOs with records");
}

#[tokio::test]
async fn a_driver_that_is_killed_while_a_file_gets_its_name_knows_the_file_afterwards() {
    let mut store = Store::start().await;
    store.hold(MOVES, DATASTORE).await;
    let (image, other) = (store.image(1), store.image(2));
    let wish = store.wish("demo", image.url());
    store.ask_for(wish.clone(), "0s").await;
    store.until_moves(1).await;
    let lab = &mut store.zone.lab;
    lab.kill_driver_with_its_sessions().await.unwrap();
    store.restart().await;
    // What lies there is looked at before the file has its name.
    let looked = store.lab().proxy().counts().of(SEARCHES).answers;
    let other = store.wish("other", other.url());
    store.ask_for(other.clone(), "0s").await;
    store.until_moves(2).await;
    assert!(store.lab().proxy().counts().of(SEARCHES).answers > looked);
    store.release().await;
    let name = format!("iso-{}.iso", &image.content().sha256()[..16]);
    store.until_there(&name).await;
    let iso = store.ask(&wish).await;
    assert_eq!((state(&iso), fault(&iso)), ("READY", ""), "{iso}");
    assert!(path(&iso).ends_with(&name), "{iso}");
    assert_eq!(image.counts().gets, 1, "it was not fetched again");
}

#[tokio::test]
async fn a_name_that_somebody_else_took_stops_no_content() {
    let mut store = Store::start().await;
    let image = store.image(1);
    // So that there is a folder.
    store.ensure("first", &store.image(2)).await;
    let sha256 = image.content().sha256();
    let taken = format!("iso-{}.iso", &sha256[..16]);
    store.foreign_file(&taken).await;
    let iso = store.ensure("demo", &image).await;
    assert_eq!((state(&iso), fault(&iso)), ("READY", ""), "{iso}");
    let name = format!("iso-{}.iso", &sha256[..32]);
    assert!(path(&iso).ends_with(&name), "{iso}");
    store.holds(path(&iso), &image.content()).await;
    // The longer name is known again, and the other file is left alone.
    store.restart().await;
    let again = store.ensure("demo", &image).await;
    assert_eq!(path(&again), path(&iso));
    assert_eq!(image.counts().gets, 1);
    assert!(store.all_on(DATASTORE).await.contains(&taken));
}

#[tokio::test]
async fn the_record_of_a_file_is_never_written_over() {
    let mut store = Store::of(Lab::builder().isos("grace = \"1s\"\n")).await;
    let image = store.image(1);
    let content = image.content();
    let fetched = store.ensure("demo", &image).await;
    let name = path(&fetched).rsplit('/').next().unwrap();
    let record = format!("{FOLDER}/{name}.json");
    let govc = store.lab().vcenter().govc().clone();
    let before = govc.sha256(DATASTORE, &record).await.unwrap();
    let bytes: Vec<u8> = content.chunks().flatten().collect();
    // What says that it was uploaded breaks, and the driver starts anew.
    let breaks = Fault::next("HTTP PUT", Action::Status { code: 503 }).at(2);
    store.lab().proxy().add(breaks);
    let refused = store.upload(header(SIZE), &bytes).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused:?}");
    store.restart().await;
    assert_eq!(path(&store.ensure("demo", &image).await), path(&fetched));
    assert_eq!(image.counts().gets, 1);

    let iso = store.upload(header(SIZE), &bytes).await.unwrap().iso;
    assert_eq!(iso.unwrap().files[0].path, path(&fetched));
    assert_eq!(govc.sha256(DATASTORE, &record).await.unwrap(), before);
    // From now on it stays, whoever wants it, and is known by its source all the same.
    store.restart().await;
    assert_eq!(path(&store.ensure("demo", &image).await), path(&fetched));
    assert_eq!(image.counts().gets, 1);
    store.withdraw("demo").await;
    let [file] = &store.listed().await[..] else {
        panic!("one file");
    };
    assert_eq!(file["origin"], "ISO_ORIGIN_UPLOAD", "{file}");
    assert!(file["garbageAt"].is_null(), "{file}");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_stops_nothing() {
    let mut store = Store::start().await;
    let image = store.image(1);
    let iso = store.ensure("demo", &image).await;
    let odd = "odd-0123456789abcdef.iso";
    store.foreign_file(odd).await;
    store
        .foreign_file_of(&format!("{odd}.json"), &"x".repeat(20 << 10))
        .await;
    store.restart().await;
    let breaks = Fault::next("HTTP GET", Action::Status { code: 503 });
    store.lab().proxy().add(breaks);
    let again = store.ensure("demo", &image).await;
    assert_eq!((state(&again), path(&again)), ("READY", path(&iso)));
    assert_eq!(image.counts().gets, 1);
    assert!(store.all_on(DATASTORE).await.contains(odd));
}

#[tokio::test]
async fn one_of_two_datastores_that_is_out_of_service_has_its_reason_and_the_other_its_iso() {
    let store = Store::on_two_datastores().await;
    for (seed, service, reason, advice) in [
        (
            1,
            "maintenance",
            "DATASTORE_IN_MAINTENANCE",
            "End the maintenance",
        ),
        (2, "readOnly", "DATASTORE_READ_ONLY", "Mount it for writing"),
    ] {
        let mut out = json!({"name": OTHER});
        out[service] = true.into();
        store.set_datastore(out).await;
        let image = store.image(seed);
        let wish = store.wish_on(&format!("owner-{seed}"), &image, &[DATASTORE, OTHER]);
        let iso = store.ask(&wish).await;
        let files = Store::files_of(&iso);
        assert_eq!(files, [("READY", ""), ("FAILED", reason)], "{iso}");
        let told = iso["files"][1]["fault"]["message"].as_str().unwrap();
        assert!(told.contains(OTHER) && told.contains(advice), "{told}");
        let left = store.all_on(OTHER).await;
        assert!(!left.iter().any(|name| name.contains("part")), "{left:?}");

        store.set_datastore(json!({"name": OTHER})).await;
        let iso = store.until_ready(&wish).await;
        let files = Store::files_of(&iso);
        assert_eq!(files, [("READY", ""), ("READY", "")], "{iso}");
    }
}

#[tokio::test]
async fn an_upload_of_which_one_datastore_fails_is_whole_on_the_others() {
    let store = Store::on_two_datastores().await;
    let both = vec![DATASTORE.to_owned(), OTHER.to_owned()];
    for (seed, breaks, reason) in [
        (1, "full", Reason::DatastoreFull),
        (2, "readOnly", Reason::DatastoreReadOnly),
    ] {
        if breaks == "full" {
            let full = json!({"type": "NoDiskSpace"});
            let rule = json!({"method": MOVES, "name": OTHER, "fault": full});
            store.lab().vcenter().add_fault(&rule).await.unwrap();
        } else {
            let out = json!({"name": OTHER, "readOnly": true});
            store.set_datastore(out).await;
        }
        let content = Content::iso(SIZE, seed);
        let bytes: Vec<u8> = content.chunks().flatten().collect();
        let mut header = header(SIZE);
        header.datastores.clone_from(&both);
        let refused = store.upload(header.clone(), &bytes).await.unwrap_err();
        let told = contract::v1::Fault::of_status(&refused).unwrap();
        assert_eq!(told.reason(), reason, "{refused:?}");
        let which = told.metadata["datastore"].clone();
        assert!(which.ends_with(OTHER), "{told:?}");
        let there = format!(
            "[{DATASTORE}] {FOLDER}/mine-{}.iso",
            &content.sha256()[..16]
        );
        assert!(told.message.contains(&there), "{told:?}");
        store.holds(&there, &content).await;
        let left = store.all_on(OTHER).await;
        let is_of_it =
            |name: &&String| name.contains("part") || name.contains(&content.sha256()[..16]);
        assert_eq!(left.iter().find(is_of_it), None, "{left:?}");

        store.release().await;
        store.set_datastore(json!({"name": OTHER})).await;
        let iso = store.upload(header, &bytes).await.unwrap().iso.unwrap();
        assert_eq!(iso.state(), IsoState::Ready, "{iso:?}");
        let there = store.all_on(OTHER).await;
        assert!(there.iter().any(|name| is_iso(name)), "{there:?}");
    }
}
