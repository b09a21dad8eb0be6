//! ISOs come from their sources to datastores: once for all who want them, whole, and under a name
//! that is made of what they hold.

mod crashes;
mod forgotten;
mod garbage;
mod plans;
mod rotation;
mod sources;
mod storage;
mod uploads;
mod watches;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use contract::v1::isos_client::IsosClient;
use contract::v1::{
    EnsureIsoRequest, EnsureIsoResponse, IsoSource, IsoState, UrlSource, iso_source,
};
use futures::future::join_all;
use lab::images::{Content, Image, Trouble};
use lab::{DATASTORE, Lab};
use serde_json::{Value, json};

use crate::requests::{ENSURE, ISO, machines, with};
use crate::zone::{PATIENCE, Zone, reason, soon, states, word};

/// Where the driver keeps what it fetched.
const FOLDER: &str = "hcp-iso";
/// Large enough for a transfer to be broken in many places, and quickly there.
const SIZE: u64 = 6 << 20;
/// Before the driver is asked again.
const AGAIN: Duration = Duration::from_millis(100);

/// A driver that may fetch from the lab's image service.
struct Store {
    zone: Zone,
}

impl Store {
    async fn start() -> Self {
        Self::of(Lab::builder()).await
    }

    async fn of(builder: lab::Builder) -> Self {
        let zone = Zone::of(builder).await;
        Self { zone }
    }

    fn lab(&self) -> &Lab {
        &self.zone.lab
    }

    /// An image that is served; each seed is another one.
    fn image(&self, seed: u64) -> Image {
        let content = Content::iso(SIZE, seed);
        self.lab().images().publish(content).unwrap()
    }

    /// A wish for what is at a URL.
    fn wish(&self, owner: &str, url: &str) -> Value {
        let authority = self.lab().images().authority().unwrap();
        json!({
            "vcenter": lab::VCENTER,
            "owner": {"name": owner},
            "datastores": [DATASTORE],
            "source": {"url": {"url": url, "caBundlePem": authority}},
            "wait": "90s",
        })
    }

    /// Asks for what is at a URL, and has the ISO when it is there or is known not to come.
    async fn ensure(&self, owner: &str, image: &Image) -> Value {
        self.ask(&self.wish(owner, image.url())).await
    }

    async fn ask(&self, wish: &Value) -> Value {
        let reply = self.zone.call(ISO, wish).await;
        assert_eq!(reply["done"], true, "{reply}");
        reply["iso"].clone()
    }

    /// Asks until it is there, as whoever has met a fault that passes.
    async fn until_ready(&self, wish: &Value) -> Value {
        let ready = async {
            loop {
                let iso = self.ask(wish).await;
                if state(&iso) == "READY" {
                    return iso;
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        soon("an ISO that is ready", ready).await
    }

    /// What lies in the driver's folder, past the driver.
    async fn files(&self) -> BTreeMap<String, u64> {
        let govc = self.lab().vcenter().govc();
        govc.files(DATASTORE, FOLDER).await.unwrap()
    }

    /// The ISOs there that a machine could boot: those that are no parts.
    async fn isos(&self) -> Vec<String> {
        let files = self.files().await.into_keys();
        files.filter(|name| is_iso(name)).collect()
    }

    /// The file holds this content, as vCenter gives it out.
    async fn holds(&self, path: &str, content: &Content) {
        let file = path.strip_prefix(&format!("[{DATASTORE}] ")).unwrap();
        let govc = self.lab().vcenter().govc();
        let sha256 = govc.sha256(DATASTORE, file).await.unwrap();
        assert_eq!(sha256, content.sha256(), "{path}");
    }

    /// A file that somebody else put into the driver's folder.
    async fn foreign_file(&self, name: &str) {
        self.foreign_file_of(name, "not of the driver").await;
    }

    async fn foreign_file_of(&self, name: &str, text: &str) {
        let local = self.lab().folder().join(name);
        std::fs::write(&local, text).unwrap();
        let (local, remote) = (local.display().to_string(), format!("{FOLDER}/{name}"));
        let upload = ["datastore.upload", "-ds", DATASTORE, &local, &remote];
        self.zone.govc(&upload).await;
    }

    /// A machine that has this ISO in its drive.
    async fn machine(&self, owner: &str, path: &str) {
        let cdrom = json!({"isoPath": path});
        let request = with(machines(owner, [1]), "/spec/cdrom", cdrom);
        let made = self.zone.call(ENSURE, &request).await;
        assert_eq!(states(&made), ["RUNNING"], "{made}");
    }
}

/// A file that looks whole to whoever browses the folder.
pub(crate) fn is_iso(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|it| it == "iso") && !name.contains(".part-")
}

/// The state of an ISO or of a file, without its prefix.
fn state(iso: &Value) -> &str {
    word(&iso["state"], "ISO_STATE_")
}

/// The path of an ISO that is on one datastore.
fn path(iso: &Value) -> &str {
    iso["files"][0]["path"].as_str().unwrap()
}

/// The fault of an ISO or of its first file, without the prefix.
fn fault(iso: &Value) -> &str {
    match reason(&iso["fault"]) {
        "" => reason(&iso["files"][0]["fault"]),
        reason => reason,
    }
}

#[tokio::test]
async fn an_iso_lies_whole_under_a_name_of_its_content_and_a_machine_boots_it() {
    let store = Store::start().await;
    let image = store.image(1);
    let wish = with(store.wish("demo", image.url()), "/fileLabel", "agent.iso");
    let iso = store.ask(&wish).await;
    assert_eq!(state(&iso), "READY", "{iso}");
    let sha256 = image.content().sha256();
    assert_eq!(iso["sha256"], sha256.as_str(), "{iso}");
    assert_eq!(iso["sizeBytes"], SIZE.to_string(), "{iso}");
    let expected = format!("[{DATASTORE}] {FOLDER}/agent-{}.iso", &sha256[..16]);
    assert_eq!(path(&iso), expected, "{iso}");
    assert!(iso["source"].as_str().unwrap().contains("***"), "{iso}");
    store.holds(path(&iso), &image.content()).await;
    assert_eq!(store.isos().await.len(), 1);
    store.machine("demo", path(&iso)).await;

    let again = store.ask(&wish).await;
    assert_eq!(path(&again), expected, "{again}");
    assert_eq!(image.counts().gets, 1);
}

#[tokio::test]
async fn fifty_who_want_the_same_iso_at_once_cause_one_transfer() {
    let store = Store::start().await;
    let image = store.image(1);
    image.always(Trouble::Stalled { after: SIZE / 2 });
    let channel = store.lab().channel().await.unwrap();
    let wishes = (1..=50).map(|number| {
        let mut client = IsosClient::new(channel.clone());
        let request = request(&store, &format!("owner-{number}"), image.url());
        async move { client.ensure_iso(request).await.unwrap().into_inner() }
    });
    let (replies, ()) = tokio::join!(join_all(wishes), async {
        soon("a transfer", image.until(|counts| counts.stalled > 0)).await;
        let request = request(&store, "last", image.url());
        let now = EnsureIsoRequest {
            wait: None,
            ..request
        };
        let mut client = IsosClient::new(channel.clone());
        let reply = client.ensure_iso(now).await.unwrap().into_inner();
        assert!(!reply.done, "{reply:?}");
        image.calm();
    });
    let files: Vec<_> = replies.iter().map(ready).collect();
    assert!(files.iter().all(|file| *file == files[0]), "{files:?}");
    assert_eq!(image.counts().gets, 1, "{:?}", image.counts());
    assert_eq!(image.counts().bytes, SIZE);
    assert_eq!(store.isos().await.len(), 1);
}

fn request(store: &Store, owner: &str, url: &str) -> EnsureIsoRequest {
    let source = UrlSource {
        url: url.to_owned(),
        ca_bundle_pem: store.lab().images().authority().unwrap(),
        ..UrlSource::default()
    };
    EnsureIsoRequest {
        vcenter: lab::VCENTER.to_owned(),
        owner: Some(contract::v1::Owner {
            name: owner.to_owned(),
            ..contract::v1::Owner::default()
        }),
        source: Some(IsoSource {
            source: Some(iso_source::Source::Url(source)),
        }),
        datastores: vec![DATASTORE.to_owned()],
        wait: prost_types::Duration::try_from(PATIENCE).ok(),
        ..EnsureIsoRequest::default()
    }
}

fn ready(reply: &EnsureIsoResponse) -> &str {
    let iso = reply.iso.as_ref().unwrap();
    assert!(reply.done, "{reply:?}");
    assert_eq!(iso.state(), IsoState::Ready, "{reply:?}");
    &iso.files[0].path
}

#[tokio::test]
async fn the_same_content_from_another_url_is_the_same_file() {
    let store = Store::start().await;
    let (one, other) = (store.image(1), store.image(1));
    let one = store.ensure("one", &one).await;
    let other = store.ensure("other", &other).await;
    assert_eq!(path(&one), path(&other));
    assert_eq!(store.isos().await.len(), 1);
    assert_eq!(store.files().await.len(), 2, "an ISO and its record");
}

#[tokio::test]
async fn several_datastores_have_the_same_file() {
    let builder = Lab::builder().vcenter_arguments(["-ds", "2"]);
    let zone = Zone::of(builder).await;
    let store = Store { zone };
    let image = store.image(1);
    let both = json!([DATASTORE, "LocalDS_1"]);
    let iso = store
        .ask(&with(store.wish("demo", image.url()), "/datastores", both))
        .await;
    assert_eq!(state(&iso), "READY", "{iso}");
    let govc = store.lab().vcenter().govc();
    for datastore in [DATASTORE, "LocalDS_1"] {
        let files = govc.files(datastore, FOLDER).await.unwrap();
        let names: Vec<_> = files.keys().filter(|name| is_iso(name)).collect();
        let [name] = names[..] else {
            panic!("{datastore}: {files:?}");
        };
        let sha256 = govc.sha256(datastore, &format!("{FOLDER}/{name}")).await;
        assert_eq!(sha256.unwrap(), image.content().sha256(), "{datastore}");
    }
}

#[tokio::test]
async fn a_rotated_iso_is_a_new_file_and_the_old_one_stays_for_who_mounts_it() {
    let store = Store::start().await;
    let image = store.image(1);
    let wish = store.wish("demo", image.url());
    let old = store
        .ask(&with(wish.clone(), "/source/url/revision", "1"))
        .await;
    store.machine("old", path(&old)).await;

    // Under the same URL, and the caller knows it.
    image.change(Content::iso(SIZE, 2));
    let new = store.ask(&with(wish, "/source/url/revision", "2")).await;
    assert_eq!(state(&new), "READY", "{new}");
    assert_eq!(new["sourceRevision"], "2", "{new}");
    assert_ne!(path(&new), path(&old));
    store.holds(path(&new), &Content::iso(SIZE, 2)).await;
    store.holds(path(&old), &Content::iso(SIZE, 1)).await;

    // Under another URL.
    let newest = store.ensure("demo", &store.image(3)).await;
    assert_eq!(state(&newest), "READY", "{newest}");
    assert_eq!(store.isos().await.len(), 3);
}

#[tokio::test]
async fn a_plan_asks_the_source_and_fetches_nothing() {
    let store = Store::start().await;
    let image = store.image(1);
    let plan = with(store.wish("demo", image.url()), "/validateOnly", true);
    let planned = store.zone.call(ISO, &plan).await;
    let verbs = &planned["iso"]["files"][0]["verbs"];
    assert_eq!(*verbs, json!(["VERB_TRANSFER_ISO"]), "{planned}");
    assert_eq!(image.counts().bytes, 0);
    assert_eq!(store.files().await.len(), 0);
}
