//! Files on the datastores of a vCenter: written, named, listed and removed as the driver does it for
//! ISOs, whatever happens to its calls.

use std::sync::Arc;

use contract::v1::{ConnectionOrigin, Fault, Reason, TrustKind};
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryFutureExt as _};
use lab::Lab;
use lab::proxy::{Action, Fault as Break};
use prost::bytes::Bytes;
use serde_json::json;
use vsphere_driver::inventory::Kind;
use vsphere_driver::iso::destination::Destination;
use vsphere_driver::secret::Secret;
use vsphere_driver::soap::{Client, MoRef, Server, Settings, Trust};
use vsphere_driver::vcenter::VCenter;
use vsphere_driver::vcenter::ledger::Ledger;
use vsphere_driver::vcenter::session::Session;
use vsphere_driver::vcenter::state::State;

use crate::zone::{PATIENCE, soon};

const OP: &str = "test";
const FOLDER: &str = "hcp-iso";
const PART: &str = "agent.part-1.iso";
const WHOLE: &str = "agent.iso";
const CHUNK: usize = 256 << 10;
const LENGTH: u64 = 8 * CHUNK as u64;

type Chunks = BoxStream<'static, Result<Bytes, Fault>>;

/// A vCenter, followed in this process.
struct Store {
    lab: Lab,
    vcenter: Arc<VCenter>,
}

fn chunks(count: usize) -> Chunks {
    let chunk = Bytes::from(vec![7; CHUNK]);
    stream::iter((0..count).map(move |_| Ok(chunk.clone()))).boxed()
}

fn content() -> Chunks {
    chunks(8)
}

fn small(text: &'static str) -> (u64, Chunks) {
    let bytes = Bytes::from_static(text.as_bytes());
    (bytes.len() as u64, stream::iter([Ok(bytes)]).boxed())
}

impl Store {
    async fn start(arguments: &[&str]) -> Self {
        let builder = Lab::builder().without_hub().without_driver();
        let arguments = arguments.iter().copied();
        let lab = builder.vcenter_arguments(arguments).start().await.unwrap();
        let server = Server::new("127.0.0.1", lab.proxy().address().port());
        let authority = std::fs::read_to_string(&lab.certificates().authority).unwrap();
        let trust = Trust::CaBundle(authority);
        let client = Client::new(&server, &trust, &Settings::new("tests/1")).unwrap();
        let password = lab.vcenter().password().to_owned();
        let password = Arc::new(move || Ok(Secret::new(password.clone())));
        let ledger = Arc::new(Ledger::new([0; 16]));
        let user = lab::vcenter::USERNAME.to_owned();
        let session = Session::new(Arc::new(client), user, password, ledger);
        let origin = ConnectionOrigin::Configured;
        let vcenter = VCenter::new("lab".into(), origin, TrustKind::CaBundle, session);
        vcenter.start();
        let read = vcenter.wait_until(PATIENCE, State::is_connected);
        assert!(read.await, "the inventory is read");
        Self { lab, vcenter }
    }

    fn datastore(&self) -> MoRef {
        self.vcenter.read(|state| {
            let mut datastores = state.inventory.of_kind(Kind::Datastore);
            datastores.next().unwrap().0.clone()
        })
    }

    fn destination(&self) -> Destination {
        Destination::of(&self.vcenter, &self.datastore(), FOLDER).unwrap()
    }

    /// A destination with a part of an ISO.
    async fn with_part(&self) -> Destination {
        let place = self.destination();
        place.prepare(OP).await.unwrap();
        place.write(OP, PART, LENGTH, content()).await.unwrap();
        place
    }

    fn breaks(&self, method: &str, action: Action) {
        self.lab.proxy().add(Break::next(method, action));
    }

    /// Has vCenter answer the next call of this method, or its task, with a fault.
    async fn fails(&self, method: &str, fault: &str) {
        let rule = json!({"method": method, "times": 1, "fault": {"type": fault}});
        self.lab.vcenter().add_fault(&rule).await.unwrap();
    }
}

/// Names and sizes of the files there.
async fn listed(place: &Destination) -> Vec<(String, u64)> {
    let files = place.list(OP).await.unwrap().into_iter();
    let mut files: Vec<_> = files
        .map(|file| (file.path, u64::try_from(file.size.unwrap()).unwrap()))
        .collect();
    files.sort();
    files
}

fn named(name: &str) -> Vec<(String, u64)> {
    vec![(name.to_owned(), LENGTH)]
}

#[tokio::test]
async fn a_file_is_written_gets_its_name_and_goes() {
    let store = Store::start(&[]).await;
    let place = store.destination();
    assert_eq!(listed(&place).await, [], "a folder that is missing");
    assert_eq!(place.read(OP, WHOLE, 100).await.unwrap(), None);
    for _ in 0..2 {
        place.prepare(OP).await.unwrap();
    }
    place.write(OP, PART, LENGTH, content()).await.unwrap();
    assert_eq!(listed(&place).await, named(PART));
    for _ in 0..2 {
        place.rename(OP, PART, WHOLE).await.unwrap();
    }
    assert_eq!(listed(&place).await, named(WHOLE));
    let path = format!("[{}] {FOLDER}/{WHOLE}", lab::DATASTORE);
    assert_eq!(place.path(WHOLE), path);
    for _ in 0..2 {
        place.remove(OP, WHOLE).await.unwrap();
    }
    assert_eq!(listed(&place).await, []);
}

#[tokio::test]
async fn a_small_file_is_read_back_and_a_large_one_is_not() {
    let store = Store::start(&[]).await;
    let place = store.destination();
    place.prepare(OP).await.unwrap();
    let (length, text) = small("{\"a b\": 1}");
    place.write(OP, "a b%.json", length, text).await.unwrap();
    let read = |most| place.read(OP, "a b%.json", most);
    assert_eq!(read(length).await.unwrap().unwrap(), b"{\"a b\": 1}");
    let refused = read(length - 1).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::VcenterBadReply, "{refused:?}");
}

#[tokio::test]
async fn no_file_is_renamed_over_another() {
    let store = Store::start(&[]).await;
    let place = store.with_part().await;
    let (length, text) = small("there before");
    place.write(OP, WHOLE, length, text).await.unwrap();
    let refused = place.rename(OP, PART, WHOLE).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::DatastoreFileExists);
    assert_eq!(refused.metadata["path"], place.path(WHOLE));
    let kept = place.read(OP, WHOLE, 100).await.unwrap().unwrap();
    assert_eq!(kept, b"there before");
    let missing = place.rename(OP, "other.iso", "new.iso").await.unwrap_err();
    assert_eq!(missing.reason(), Reason::IsoMissing, "{missing:?}");
    assert_eq!(missing.metadata["path"], place.path("other.iso"));
}

#[tokio::test]
async fn content_that_is_not_what_was_announced_is_told() {
    let store = Store::start(&[]).await;
    let place = store.destination();
    place.prepare(OP).await.unwrap();
    for count in [7, 9] {
        let short = place.write(OP, PART, LENGTH, chunks(count)).await;
        assert_eq!(short.unwrap_err().reason(), Reason::IsoTruncated, "{count}");
    }
    let own = Fault::new(Reason::IsoSourceStalled, "the source sent nothing");
    let broken = chunks(3).chain(stream::iter([Err(own.clone())])).boxed();
    let told = place.write(OP, PART, LENGTH, broken).await.unwrap_err();
    assert_eq!(told, own);
    let most = u64::MAX / 4;
    let full = place.write(OP, PART, most, content()).await.unwrap_err();
    assert_eq!(full.reason(), Reason::DatastoreFull, "{full:?}");
    assert_eq!(full.metadata["needed_bytes"], most.to_string());
}

#[tokio::test]
async fn each_answer_of_the_file_service_is_told_and_the_next_attempt_succeeds() {
    let store = Store::start(&[]).await;
    let place = store.destination();
    place.prepare(OP).await.unwrap();
    let status = |code| Action::Status { code };
    for (action, reason) in [
        (status(401), Reason::IsoTruncated),
        (status(403), Reason::VcenterPermissionDenied),
        (status(404), Reason::DatastoreFolderFailed),
        (status(500), Reason::DatastoreTransferUnreachable),
        (status(503), Reason::DatastoreTransferUnreachable),
        (status(507), Reason::DatastoreFull),
        (Action::DropBefore, Reason::DatastoreTransferUnreachable),
        (Action::DropAfter, Reason::DatastoreTransferUnreachable),
    ] {
        store.breaks("HTTP PUT", action.clone());
        let refused = place.write(OP, PART, LENGTH, content()).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.reason(), reason, "{action:?}: {refused:?}");
        let again = place.write(OP, PART, LENGTH, content()).await;
        assert_eq!(again, Ok(()), "{action:?}");
    }
    assert_eq!(listed(&place).await, named(PART));
}

#[tokio::test]
async fn a_session_that_has_ended_is_renewed_before_content_is_sent() {
    let store = Store::start(&[]).await;
    let place = store.destination();
    place.prepare(OP).await.unwrap();
    store.lab.vcenter().end_sessions().await.unwrap();
    place.write(OP, PART, LENGTH, content()).await.unwrap();
    assert_eq!(listed(&place).await, named(PART));
}

#[tokio::test]
async fn a_call_that_is_lost_is_made_good() {
    let store = Store::start(&[]).await;
    for action in [
        Action::reply("NotAuthenticated"),
        Action::DropBefore,
        Action::DropAfter,
        Action::Truncate,
        Action::Status { code: 503 },
    ] {
        for method in [
            "MakeDirectory",
            "SearchDatastore_Task",
            "MoveDatastoreFile_Task",
            "DeleteDatastoreFile_Task",
        ] {
            store.breaks(method, action.clone());
        }
        let place = store.with_part().await;
        let renamed = place.rename(OP, PART, WHOLE).await;
        assert_eq!(renamed, Ok(()), "{action:?}");
        assert_eq!(listed(&place).await, named(WHOLE), "{action:?}");
        let removed = place.remove(OP, WHOLE).await;
        assert_eq!(removed, Ok(()), "{action:?}");
        assert_eq!(listed(&place).await, [], "{action:?}");
        let left = store.lab.proxy().rules();
        assert!(left.iter().all(|rule| rule.acted > 0), "{left:?}");
        store.lab.proxy().clear();
    }
}

#[tokio::test]
async fn on_vsan_a_folder_whose_making_is_lost_is_made_once() {
    for action in [
        Action::reply("NotAuthenticated"),
        Action::DropAfter,
        Action::Truncate,
    ] {
        let store = Store::start(&["-vsan"]).await;
        store.breaks("CreateDirectory", action.clone());
        let place = store.with_part().await;
        assert_eq!(listed(&place).await, named(PART), "{action:?}");
        let again = store.destination();
        assert_eq!(listed(&again).await, named(PART), "{action:?}");
    }
}

#[tokio::test]
async fn what_vcenter_says_of_files_has_its_reason() {
    let store = Store::start(&[]).await;
    let place = store.with_part().await;
    for (method, fault, reason) in [
        (
            "MakeDirectory",
            "CannotCreateFile",
            Reason::DatastoreFolderFailed,
        ),
        ("MakeDirectory", "FileFault", Reason::DatastoreFolderFailed),
        (
            "MakeDirectory",
            "NoPermission",
            Reason::VcenterPermissionDenied,
        ),
        (
            "MoveDatastoreFile_Task",
            "NoDiskSpace",
            Reason::DatastoreFull,
        ),
        ("MoveDatastoreFile_Task", "FileLocked", Reason::IsoInUse),
        (
            "MoveDatastoreFile_Task",
            "InaccessibleDatastore",
            Reason::DatastoreUnavailable,
        ),
        ("DeleteDatastoreFile_Task", "FileLocked", Reason::IsoInUse),
        (
            "DeleteDatastoreFile_Task",
            "NoPermission",
            Reason::VcenterPermissionDenied,
        ),
    ] {
        store.fails(method, fault).await;
        let told = match method {
            "MakeDirectory" => place.prepare(OP).await,
            "MoveDatastoreFile_Task" => place.rename(OP, PART, WHOLE).await,
            _ => place.remove(OP, PART).await,
        };
        let told = told.unwrap_err();
        assert_eq!(told.reason(), reason, "{method} {fault}: {told:?}");
        for (key, value) in [
            ("datastore", "LocalDS_0"),
            ("path", FOLDER),
            ("folder", FOLDER),
        ] {
            let about_files = reason != Reason::VcenterPermissionDenied;
            if about_files && reason.row().metadata.contains(&key) {
                assert!(
                    told.metadata[key].contains(value),
                    "{method} {fault}: {told:?}"
                );
            }
        }
    }
    assert_eq!(listed(&place).await, named(PART));
}

#[tokio::test]
async fn on_vsan_the_folder_is_an_object_and_is_found_again() {
    let store = Store::start(&["-vsan"]).await;
    let place = store.destination();
    assert_eq!(listed(&place).await, []);
    assert_eq!(place.read(OP, WHOLE, 100).await.unwrap(), None);
    place.remove(OP, WHOLE).await.unwrap();
    place.prepare(OP).await.unwrap();
    place.write(OP, PART, LENGTH, content()).await.unwrap();
    place.rename(OP, PART, WHOLE).await.unwrap();
    let path = place.path(WHOLE);
    assert!(
        !path.contains(FOLDER) && path.ends_with("/agent.iso"),
        "{path}"
    );

    let again = store.destination();
    let prepared = again.prepare(OP).and_then(|()| again.prepare(OP));
    soon("the folder is found", prepared).await.unwrap();
    assert_eq!(listed(&again).await, named(WHOLE));
    assert_eq!(again.path(WHOLE), path);
    let counts = store.lab.proxy().counts();
    assert_eq!(counts.of("CreateDirectory").calls, 1);
    assert_eq!(counts.of("MakeDirectory").calls, 0);
}
