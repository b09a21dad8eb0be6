//! Brings a content from its source to a datastore: written under another name, verified, moved into place.

mod read;

use super::{
    catalog::{self, Whole},
    destination::Destination,
    digest::Digest,
    folder::Folder,
    image::{Errand, Stage, Stored},
    inspect,
    record::{Fetched, Origin, Wanted},
    source::Content,
    store::{Part, Store},
};
use crate::vcenter::VCenter;
use contract::v1::{Fault, Reason};
use futures::StreamExt as _;
use read::Broken;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

/// Chunks that wait for a slow datastore.
const IN_FLIGHT: usize = 4;
/// Progress is told no more often than this.
const PROGRESS: Duration = Duration::from_secs(1);

/// Tells how far a transfer came.
pub type Reached<'a> = &'a (dyn Fn(Stage) + Sync);

/// Has a content on a datastore: found there, or brought there. Nothing if it is not there and its source
/// could not be asked. Of what fails or is not wanted any more nothing is left behind.
pub async fn carry(
    store: &Store,
    vcenter: &Arc<VCenter>,
    errand: &Errand,
    reached: Reached<'_>,
) -> Result<Option<Stored>, Fault> {
    let op = &*errand.caller.operation_id;
    let place = Destination::of(vcenter, &errand.datastore, &store.settings.folder)?;
    let folder = catalog::see(store, (vcenter, &place), op).await?;
    if let Some(stored) = known(errand, &folder, &place) {
        return Ok(Some(stored));
    }
    let Some(content) = &errand.content else {
        return Ok(None);
    };
    let part = store.part(&errand.label);
    let bring = bring(store, (vcenter, &place), (errand, content), &part, reached);
    let brought = tokio::select! {
        brought = bring => brought,
        () = errand.stop.cancelled() => Err(withdrawn()),
    };
    let is_left = brought
        .as_ref()
        .map_or(true, |stored| stored.found.is_some());
    if is_left && let Err(fault) = place.remove(op, part.name()).await {
        // It is removed when the folder is looked at the next time.
        tracing::warn!(error = fault.message, "Part of an ISO not removed");
    }
    brought.map(Some)
}

/// The file that is what is wanted, if it is there.
fn known(errand: &Errand, folder: &Folder, place: &Destination) -> Option<Stored> {
    let wanted = Wanted {
        sha256: errand.source.sha256(),
        address: errand.source.address(),
        revision: &errand.revision,
        content: errand.content.as_ref(),
    };
    let mut files = folder.files.iter();
    let (name, file) = files.find(|(_, file)| file.record.is_what(&wanted))?;
    Some(catalog::stored(place, name, &file.record, true))
}

async fn bring(
    store: &Store,
    (vcenter, place): (&Arc<VCenter>, &Destination),
    (errand, content): (&Errand, &Content),
    part: &Part,
    reached: Reached<'_>,
) -> Result<Stored, Fault> {
    let op = &*errand.caller.operation_id;
    let _turn = store.turn().await;
    place.prepare(op).await?;
    reached(Stage::Transferring(0));
    let sha256 = write(store, place, (errand, content), part, reached).await?;
    reached(Stage::Verifying(content.length));
    if let Some(expected) = errand.source.sha256()
        && expected != sha256
    {
        return Err(inspect::other_digest(&expected, &sha256));
    }
    let Content {
        length,
        etag,
        last_modified,
    } = content.clone();
    let origin = Origin::Url(Fetched {
        source: errand.source.masked().to_owned(),
        address: errand.source.address(),
        revision: errand.revision.clone(),
        etag,
        last_modified,
    });
    let whole = Whole {
        part: part.name(),
        label: &errand.label,
        size_bytes: length,
        sha256,
        origin,
    };
    catalog::commit(store, (vcenter, place), whole, op).await
}

/// Writes the content under the name of the part.
async fn write(
    store: &Store,
    place: &Destination,
    (errand, content): (&Errand, &Content),
    part: &Part,
    reached: Reached<'_>,
) -> Result<Digest, Fault> {
    let op = &*errand.caller.operation_id;
    let (out, chunks) = mpsc::channel(IN_FLIGHT);
    let chunks = futures::stream::unfold(chunks, |mut chunks| async move {
        chunks.recv().await.map(|chunk| (chunk, chunks))
    });
    let origin = read::Origin {
        fetcher: &store.fetcher,
        source: &errand.source,
        content,
    };
    let told = Mutex::new((Instant::now(), 0));
    let seen = |bytes: u64| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        store.metrics.bytes.inc_by(bytes - told.1);
        told.1 = bytes;
        if told.0.elapsed() >= PROGRESS {
            told.0 = Instant::now();
            reached(Stage::Transferring(bytes));
        }
    };
    let reading = async {
        let read = read::read(origin, &out, &seen).await;
        if let Err(Broken::Source(fault)) = &read {
            // The datastore must not take what came for the whole. It may have gone away before.
            let _ = out.send(Err(Fault::clone(fault))).await;
        }
        drop(out);
        read
    };
    let writing = place.write(op, part.name(), content.length, chunks.boxed());
    match tokio::join!(reading, writing) {
        (Err(Broken::Source(fault)), _) => Err(*fault),
        (_, Err(fault)) => Err(fault),
        (Ok(sha256), Ok(())) => Ok(sha256),
        (Err(Broken::Destination), Ok(())) => {
            let what = format!("`{}` took less than the whole", place.path(part.name()));
            Err(Fault::new(Reason::IsoTruncated, what).with("size_bytes", content.length))
        }
    }
}

fn withdrawn() -> Fault {
    Fault::new(Reason::IsoUnknown, "nobody wants this ISO any more")
}
