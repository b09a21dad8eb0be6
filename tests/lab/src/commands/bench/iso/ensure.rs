//! What is measured: the driver has the image on the datastore.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use contract::v1::delete_iso_request::Ref;
use contract::v1::iso_source::Source;
use contract::v1::isos_client::IsosClient;
use contract::v1::{
    DeleteIsoRequest, EnsureIsoRequest, IsoKey, IsoSource, IsoState, Owner, UrlSource,
};
use lab::images::Image;
use lab::{DATASTORE, Lab, VCENTER};

/// How long the driver may hold a reply.
const WAIT: Duration = Duration::from_mins(10);

/// Who wants it.
const OWNER: &str = "bench";

/// Asks until it is done, and returns the file.
pub(super) async fn transfer(
    lab: &Lab,
    image: &Image,
    sha256: &str,
    number: u32,
) -> anyhow::Result<String> {
    let mut client = IsosClient::new(lab.channel().await?);
    let request = request(lab, image, number)?;
    let iso = loop {
        let reply = client.ensure_iso(request.clone()).await?.into_inner();
        if reply.done {
            break reply.iso.context("the driver tells the ISO")?;
        }
    };
    let fault = iso.files.first().and_then(|file| file.fault.clone());
    let fault = iso.fault.clone().or(fault);
    ensure!(iso.state() == IsoState::Ready, "not ready: {fault:?}");
    ensure!(iso.sha256 == sha256, "the driver tells another digest");
    let file = iso.files.into_iter().next().context("it has one file")?;
    let place = format!("[{DATASTORE}] ");
    let path = file.path.strip_prefix(&place);
    Ok(path.context("it is on another datastore")?.to_owned())
}

/// Withdraws the wish and has the file removed: what goes behind its back, the driver brings again.
pub(super) async fn forget(lab: &Lab, file: &str, number: u32) -> anyhow::Result<()> {
    let mut client = IsosClient::new(lab.channel().await?);
    let wish = Ref::Key(IsoKey {
        owner_uid: OWNER.to_owned(),
        id: id(number),
        ..IsoKey::default()
    });
    for which in [wish, Ref::Path(format!("[{DATASTORE}] {file}"))] {
        let request = DeleteIsoRequest {
            vcenter: VCENTER.to_owned(),
            r#ref: Some(which),
            wait: prost_types::Duration::try_from(WAIT).ok(),
            ..DeleteIsoRequest::default()
        };
        let reply = client.delete_iso(request).await?.into_inner();
        ensure!(reply.done, "the driver keeps {file}");
    }
    Ok(())
}

fn id(number: u32) -> String {
    format!("run-{number}")
}

fn request(lab: &Lab, image: &Image, number: u32) -> anyhow::Result<EnsureIsoRequest> {
    let source = UrlSource {
        url: image.url().to_owned(),
        ca_bundle_pem: lab.images().authority()?,
        ..UrlSource::default()
    };
    Ok(EnsureIsoRequest {
        vcenter: VCENTER.to_owned(),
        owner: Some(Owner {
            name: OWNER.to_owned(),
            ..Owner::default()
        }),
        id: id(number),
        source: Some(IsoSource {
            source: Some(Source::Url(source)),
        }),
        datastores: vec![DATASTORE.to_owned()],
        file_label: "bench".to_owned(),
        wait: prost_types::Duration::try_from(WAIT).ok(),
        ..EnsureIsoRequest::default()
    })
}
