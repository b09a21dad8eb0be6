//! Takes a content from a caller and writes it to several datastores at once.

use super::{
    catalog::{self, Whole},
    destination::Destination,
    digest::Digest,
    image::Stored,
    inspect::{self, Inspector},
    name::Label,
    record::Origin,
    store::{Part, Store},
};
use crate::{soap::MoRef, vcenter::VCenter};
use bytes::Bytes;
use contract::v1::{Fault, Reason};
use futures::{
    StreamExt as _,
    future::{join, join_all},
    stream::BoxStream,
};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Chunks that wait for a slow datastore.
const IN_FLIGHT: usize = 4;

/// What is uploaded and where it goes.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its size in bytes.
    pub size_bytes: u64,
    /// The SHA-256 that it must have.
    pub sha256: Option<Digest>,
    /// Begins the name of the file.
    pub label: Label,
    /// Where to have it.
    pub datastores: Vec<MoRef>,
    /// The `operationID` of its calls.
    pub operation_id: String,
}

/// What became of each datastore, in the order of the request.
pub type Outcome = Vec<(MoRef, Result<Stored, Fault>)>;

/// One datastore, and the bytes on their way to it.
struct Sink {
    place: Destination,
    part: Part,
    chunks: mpsc::Receiver<Result<Bytes, Fault>>,
}

/// Takes the content. Datastores that have it, by its SHA-256, need no chunk of it; of what fails
/// nothing is left.
///
/// # Errors
/// The content is not what was announced, or no ISO.
pub async fn take(
    store: &Store,
    vcenter: &Arc<VCenter>,
    upload: &Upload,
    chunks: BoxStream<'static, Result<Bytes, Fault>>,
) -> Result<Outcome, Fault> {
    let looked = upload.datastores.iter().map(|datastore| async move {
        let known = known(store, vcenter, upload, datastore).await;
        (datastore.clone(), known)
    });
    let looked = join_all(looked).await;
    let (mut senders, mut sinks) = (Vec::new(), Vec::new());
    let mut outcome = Vec::new();
    for (datastore, known) in looked {
        match known {
            Ok((_, Some(stored))) => outcome.push((datastore, Ok(stored))),
            Err(fault) => outcome.push((datastore, Err(fault))),
            Ok((place, None)) => {
                let (sender, chunks) = mpsc::channel(IN_FLIGHT);
                let part = store.part(&upload.label);
                senders.push(sender);
                sinks.push(Sink {
                    place,
                    part,
                    chunks,
                });
            }
        }
    }
    if sinks.is_empty() {
        return Ok(outcome);
    }
    let _turn = store.turn().await;
    let writing = sinks.into_iter().map(|sink| write(sink, upload));
    let (read, written) = join(read(store, upload, chunks, senders), join_all(writing)).await;
    for (place, part, result) in written {
        let stored = match (&read, result) {
            (Ok(sha256), Ok(())) => {
                commit(store, (vcenter, &place), (upload, *sha256), &part).await
            }
            (Err(fault), _) => Err(fault.clone()),
            (_, Err(fault)) => Err(fault),
        };
        if stored
            .as_ref()
            .map_or(true, |stored| stored.found.is_some())
        {
            remove(&place, &part, upload).await;
        }
        outcome.push((place.datastore().clone(), stored));
    }
    read?;
    let at = |datastore: &MoRef| upload.datastores.iter().position(|it| it == datastore);
    outcome.sort_by_key(|(datastore, _)| at(datastore));
    Ok(outcome)
}

/// The datastore, with the file if its content is known to be there.
async fn known(
    store: &Store,
    vcenter: &Arc<VCenter>,
    upload: &Upload,
    datastore: &MoRef,
) -> Result<(Destination, Option<Stored>), Fault> {
    let op = &*upload.operation_id;
    let place = Destination::of(vcenter, datastore, &store.settings.folder)?;
    place.prepare(op).await?;
    let known = match upload.sha256 {
        Some(sha256) => catalog::uploaded(store, (vcenter, &place), &sha256, op).await?,
        None => None,
    };
    Ok((place, known))
}

/// Sends the content to all datastores that still take it.
async fn read(
    store: &Store,
    upload: &Upload,
    mut chunks: BoxStream<'static, Result<Bytes, Fault>>,
    mut sinks: Vec<mpsc::Sender<Result<Bytes, Fault>>>,
) -> Result<Digest, Fault> {
    let mut inspector = Inspector::new(upload.size_bytes);
    let mut see = async || {
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            let seen = inspector.seen().saturating_add(chunk.len() as u64);
            if seen > upload.size_bytes {
                return Err(incomplete(upload, seen));
            }
            inspector.see(&chunk)?;
            store.metrics.bytes.inc_by(chunk.len() as u64);
            let sends = sinks.iter().map(|sink| sink.send(Ok(chunk.clone())));
            let sent = join_all(sends).await;
            let mut sent = sent.into_iter();
            // One that failed is told of at the end; the others go on.
            sinks.retain(|_| sent.next().is_some_and(|sent| sent.is_ok()));
            if sinks.is_empty() {
                break;
            }
        }
        Ok(())
    };
    let seen = see().await.and_then(|()| {
        // All datastores failed: each has its fault.
        if inspector.seen() < upload.size_bytes && !sinks.is_empty() {
            return Err(incomplete(upload, inspector.seen()));
        }
        let sha256 = inspector.end()?;
        let expected = upload.sha256.filter(|expected| *expected != sha256);
        expected.map_or(Ok(sha256), |expected| {
            Err(inspect::other_digest(&expected, &sha256))
        })
    });
    if let Err(fault) = &seen {
        // No datastore may take what came for the whole. It may have gone away before.
        join_all(sinks.iter().map(|sink| sink.send(Err(fault.clone())))).await;
    }
    seen
}

async fn write(sink: Sink, upload: &Upload) -> (Destination, Part, Result<(), Fault>) {
    let Sink {
        place,
        part,
        chunks,
    } = sink;
    let chunks = futures::stream::unfold(chunks, |mut chunks| async move {
        chunks.recv().await.map(|chunk| (chunk, chunks))
    });
    let (op, size) = (&*upload.operation_id, upload.size_bytes);
    let written = place.write(op, part.name(), size, chunks.boxed()).await;
    (place, part, written)
}

async fn commit(
    store: &Store,
    at: catalog::At<'_>,
    (upload, sha256): (&Upload, Digest),
    part: &Part,
) -> Result<Stored, Fault> {
    let op = &*upload.operation_id;
    let whole = Whole {
        part: part.name(),
        label: &upload.label,
        size_bytes: upload.size_bytes,
        sha256,
        origin: Origin::Upload,
    };
    let stored = catalog::commit(store, at, whole, op).await?;
    if stored.found.is_some() {
        // It was fetched before; from now on it stays until it is removed by hand.
        catalog::uploaded(store, at, &sha256, op).await?;
    }
    Ok(stored)
}

async fn remove(place: &Destination, part: &Part, upload: &Upload) {
    if let Err(fault) = place.remove(&upload.operation_id, part.name()).await {
        // It is removed when the folder is looked at the next time.
        tracing::warn!(error = fault.message, "Part of an upload not removed");
    }
}

/// The fault of an upload that is not what its header announced.
pub fn incomplete(upload: &Upload, came: u64) -> Fault {
    let announced = upload.size_bytes;
    let what = format!("{came} bytes came of {announced} that were announced");
    Fault::new(Reason::IsoUploadIncomplete, what)
        .with("size_bytes", announced)
        .with("transferred_bytes", came)
}
