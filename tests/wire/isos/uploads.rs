//! People without a URL send their ISO through the driver.

use std::path::{Path, PathBuf};

use contract::v1::isos_client::IsosClient;
use contract::v1::{
    Fault, IsoState, Owner, Reason, UploadIsoHeader, UploadIsoRequest, UploadIsoResponse,
    upload_iso_request::Part,
};
use lab::images::Content;
use lab::services::{Binaries, Profile};
use lab::{DATASTORE, Lab};
use serde_json::json;
use tokio::process::Command;
use tonic::{Code, Status};

use super::{AGAIN, SIZE, Store, fault, state};
use crate::zone::soon;

const GET_ISO: &str = "vsphere.driver.v1.Isos/GetIso";
const LIST_ISO_FILES: &str = "vsphere.driver.v1.Isos/ListIsoFiles";

impl Store {
    /// The file of a content.
    fn file(&self, name: &str, content: &Content) -> PathBuf {
        let path = self.lab().folder().join(name);
        let bytes: Vec<_> = content.chunks().flatten().collect();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// What the command line prints.
    async fn upload_by_hand(&self, file: &Path) -> String {
        let program = Binaries::find(Profile::Debug).await.unwrap().driver;
        let certificates = self.lab().certificates();
        let mut command = Command::new(program);
        command.arg("upload-iso").arg(file);
        let address = format!("https://{}", self.lab().driver().unwrap().address());
        command.args(["--address", &address, "--vcenter", lab::VCENTER]);
        command.args(["--datastore", DATASTORE]);
        for (flag, path) in [
            ("--ca", &certificates.authority),
            ("--certificate", &certificates.person.certificate),
            ("--key", &certificates.person.key),
        ] {
            command.arg(flag).arg(path);
        }
        let ended = soon("an upload", command.output()).await.unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{said}");
        String::from_utf8(ended.stdout).unwrap()
    }

    /// Sends a header and these bytes.
    pub(super) async fn upload(
        &self,
        header: UploadIsoHeader,
        bytes: &[u8],
    ) -> Result<UploadIsoResponse, Status> {
        let channel = self.lab().channel().await.unwrap();
        let chunks = bytes.chunks(1 << 20);
        let chunks = chunks.map(|chunk| Part::Chunk(chunk.to_vec().into()));
        let parts: Vec<_> = [Part::Header(Box::new(header))]
            .into_iter()
            .chain(chunks)
            .collect();
        let messages = parts
            .into_iter()
            .map(|part| UploadIsoRequest { part: Some(part) });
        let mut client = IsosClient::new(channel);
        let sent = client.upload_iso(tokio_stream::iter(messages));
        Ok(soon("an answer", sent).await?.into_inner())
    }

    async fn until_empty(&self) {
        let empty = async {
            while !self.files().await.is_empty() {
                tokio::time::sleep(AGAIN).await;
            }
        };
        soon("an empty folder", empty).await;
    }
}

pub(super) fn header(size_bytes: u64) -> UploadIsoHeader {
    UploadIsoHeader {
        vcenter: lab::VCENTER.to_owned(),
        owner: Some(Owner {
            name: "demo".to_owned(),
            ..Owner::default()
        }),
        size_bytes: size_bytes.try_into().unwrap(),
        datastores: vec![DATASTORE.to_owned()],
        file_label: "mine.iso".to_owned(),
        ..UploadIsoHeader::default()
    }
}

fn reason(status: &Status) -> (Code, Reason) {
    let fault = Fault::of_status(status).unwrap_or_default();
    (status.code(), fault.reason())
}

#[tokio::test]
async fn an_iso_that_is_sent_from_the_command_line_is_whole_and_stays() {
    let builder = Lab::builder().isos("grace = \"1s\"\n");
    let store = Store::of(builder).await;
    let content = Content::iso(SIZE, 1);
    let file = store.file("agent.x86_64.iso", &content);
    let path = store.upload_by_hand(&file).await.trim().to_owned();
    let begin = format!("[{DATASTORE}] hcp-iso/agent.x86_64-");
    assert!(path.starts_with(&begin), "{path}");
    store.holds(&path, &content).await;
    // What is there already is confirmed, and nothing is sent.
    assert_eq!(store.upload_by_hand(&file).await.trim(), path);
    assert_eq!(store.isos().await.len(), 1);
}

#[tokio::test]
async fn an_upload_tells_where_the_iso_is_and_is_confirmed_without_its_bytes() {
    let store = Store::start().await;
    let content = Content::iso(SIZE, 2);
    let bytes: Vec<u8> = content.chunks().flatten().collect();
    let reply = store.upload(header(SIZE), &bytes).await.unwrap();
    let iso = reply.iso.unwrap();
    assert_eq!((iso.state(), &*iso.source), (IsoState::Ready, "mine"));
    assert_eq!(iso.sha256, content.sha256());
    store.holds(&iso.files[0].path, &content).await;
    let again = UploadIsoHeader {
        sha256: content.sha256(),
        id: "again".to_owned(),
        ..header(SIZE)
    };
    let confirmed = store.upload(again, &[]).await.unwrap().iso.unwrap();
    assert_eq!(confirmed.files[0].path, iso.files[0].path);
    assert_eq!(confirmed.files[0].wanted_by_count, 2);
}

#[tokio::test]
async fn an_upload_that_is_not_what_it_announced_leaves_nothing() {
    let store = Store::start().await;
    let bytes: Vec<u8> = Content::iso(SIZE, 3).chunks().flatten().collect();
    let noise: Vec<u8> = Content::noise(SIZE, 3).chunks().flatten().collect();
    let other = UploadIsoHeader {
        sha256: "ab".repeat(32),
        ..header(SIZE)
    };
    let half = bytes.len() / 2;
    for (header, bytes, expected) in [
        (
            header(SIZE),
            &bytes[..half],
            (Code::Aborted, Reason::IsoUploadIncomplete),
        ),
        (
            header(SIZE / 2),
            &bytes[..],
            (Code::Aborted, Reason::IsoUploadIncomplete),
        ),
        (
            header(SIZE),
            &noise[..],
            (Code::FailedPrecondition, Reason::IsoInvalid),
        ),
        (
            other,
            &bytes[..],
            (Code::FailedPrecondition, Reason::IsoDigestMismatch),
        ),
    ] {
        let refused = store.upload(header, bytes).await.unwrap_err();
        assert_eq!(reason(&refused), expected, "{refused:?}");
        store.until_empty().await;
    }
}

#[tokio::test]
async fn an_upload_that_somebody_removed_is_told_as_missing_until_it_is_sent_again() {
    let store = Store::start().await;
    let bytes: Vec<u8> = Content::iso(SIZE, 4).chunks().flatten().collect();
    let iso = store.upload(header(SIZE), &bytes).await.unwrap().iso;
    let iso = iso.unwrap();
    let (_, file) = iso.files[0].path.split_once(' ').unwrap();
    store
        .zone
        .govc(&["datastore.rm", "-ds", DATASTORE, file])
        .await;
    // Whoever looks into the folder sees it.
    let files = json!({"vcenter": lab::VCENTER, "datastores": [DATASTORE]});
    store.zone.call(LIST_ISO_FILES, &files).await;
    let owner = iso.key.unwrap().owner_uid;
    let key = json!({"vcenter": lab::VCENTER, "key": {"ownerUid": owner}});
    let told = store.zone.call(GET_ISO, &key).await;
    let told = &told["iso"];
    assert_eq!(
        (state(told), fault(told)),
        ("FAILED", "ISO_MISSING"),
        "{told}"
    );

    let again = store.upload(header(SIZE), &bytes).await.unwrap().iso;
    assert_eq!(again.unwrap().state(), IsoState::Ready);
}
