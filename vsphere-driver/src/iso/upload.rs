//! Takes a content from a caller and writes it to several datastores at once.

use super::{
    catalog,
    destination::Destination,
    digest::Digest,
    image::Stored,
    inspect::{self, Inspector},
    name::Label,
    placing::{IN_FLIGHT, Placing, Verified},
    record::Origin,
    store::Store,
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
struct Sink<'a> {
    placing: Placing<'a>,
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
    let (mut senders, mut sinks) = (Vec::new(), Vec::new());
    let mut outcome = Vec::new();
    for (datastore, known) in join_all(looked).await {
        match known {
            Ok(Known::There(stored)) => outcome.push((datastore, Ok(stored))),
            Err(fault) => outcome.push((datastore, Err(fault))),
            Ok(Known::Missing(placing)) => {
                let (sender, chunks) = mpsc::channel(IN_FLIGHT);
                senders.push(sender);
                sinks.push(Sink { placing, chunks });
            }
        }
    }
    if sinks.is_empty() {
        return Ok(outcome);
    }
    let (read, written) = {
        // Only while bytes are on their way: who waits for a name keeps nobody else from its turn.
        let _turn = store.turns.turn().await;
        let writing = sinks.into_iter().map(|sink| write(sink, upload));
        join(read(store, upload, chunks, senders), join_all(writing)).await
    };
    let ending = written.into_iter().map(|(placing, written)| {
        // What is wrong with the content is told before what came of that.
        let written = read.clone().and_then(|sha256| written.map(|()| sha256));
        end(upload, placing, written)
    });
    outcome.extend(join_all(ending).await);
    read?;
    let at = |datastore: &MoRef| upload.datastores.iter().position(|it| it == datastore);
    outcome.sort_by_key(|(datastore, _)| at(datastore));
    Ok(outcome)
}

/// The files of an upload.
///
/// # Errors
/// That of a datastore that has none, with those of others, and with where the ISO is all the same.
pub fn whole_everywhere(outcome: Outcome) -> Result<Vec<(MoRef, Stored)>, Fault> {
    let (mut stored, mut faults) = (Vec::new(), Vec::new());
    for (datastore, result) in outcome {
        match result {
            Ok(file) => stored.push((datastore, file)),
            Err(fault) => faults.push(fault),
        }
    }
    let mut faults = faults.into_iter();
    let Some(mut fault) = faults.next() else {
        return Ok(stored);
    };
    for other in faults {
        fault.message = format!("{} {}", fault.message, other.message);
    }
    for (_, file) in stored {
        fault.message = format!("{} It is whole at `{}`.", fault.message, file.path);
    }
    Err(fault)
}

/// What a datastore has of an upload before it begins.
enum Known<'a> {
    /// The file: its content is known to be there.
    There(Stored),
    /// Nothing, as far as it is known.
    Missing(Placing<'a>),
}

async fn known<'a>(
    store: &'a Store,
    vcenter: &'a Arc<VCenter>,
    upload: &'a Upload,
    datastore: &MoRef,
) -> Result<Known<'a>, Fault> {
    let op = &*upload.operation_id;
    let place = Destination::of(vcenter, datastore, &store.settings.folder)?;
    catalog::prepare(store, &place, op).await?;
    if let Some(sha256) = upload.sha256
        && let Some(stored) = catalog::uploaded(store, (vcenter, &place), &sha256, op).await?
    {
        return Ok(Known::There(stored));
    }
    let placing = Placing::new(store, (vcenter, place), &upload.label, op);
    Ok(Known::Missing(placing))
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

async fn write<'a>(sink: Sink<'a>, upload: &Upload) -> (Placing<'a>, Result<(), Fault>) {
    let Sink {
        mut placing,
        chunks,
    } = sink;
    let written = placing.write(upload.size_bytes, chunks).await;
    (placing, written)
}

/// Gives what is whole its name on a datastore.
async fn end(
    upload: &Upload,
    placing: Placing<'_>,
    written: Result<Digest, Fault>,
) -> (MoRef, Result<Stored, Fault>) {
    let datastore = placing.place().datastore().clone();
    let verified = written.map(|sha256| Verified {
        size_bytes: upload.size_bytes,
        sha256,
        origin: Origin::Upload,
    });
    (datastore, placing.end(verified).await)
}

/// The fault of an upload that is not what its header announced.
pub fn incomplete(upload: &Upload, came: u64) -> Fault {
    let announced = upload.size_bytes;
    let what = format!("{came} bytes came of {announced} that were announced");
    Fault::new(Reason::IsoUploadIncomplete, what)
        .with("size_bytes", announced)
        .with("transferred_bytes", came)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(path: &str) -> Stored {
        Stored {
            file: "a.iso".into(),
            path: path.into(),
            size_bytes: 7,
            sha256: Digest::of(b"a"),
            stored_at: None,
            found: None,
        }
    }

    #[test]
    fn a_datastore_that_failed_is_told_with_where_the_iso_is() {
        let datastore = |id: &str| MoRef::new("Datastore", id);
        let good = || (datastore("1"), Ok(stored("[a] a.iso")));
        let failed = |id: &str, reason| {
            let fault = Fault::new(reason, "x").with("datastore", id);
            let message = format!("{id} failed.");
            let fault = Fault { message, ..fault };
            (datastore(id), Err(fault))
        };
        let all = whole_everywhere(vec![good()]).expect("none failed");
        assert_eq!(all, [(datastore("1"), stored("[a] a.iso"))]);
        let outcome = vec![
            good(),
            failed("2", Reason::DatastoreFull),
            failed("3", Reason::DatastoreReadOnly),
        ];
        let fault = whole_everywhere(outcome).expect_err("two failed");
        assert_eq!(fault.reason(), Reason::DatastoreFull);
        assert_eq!(fault.metadata["datastore"], "2");
        let told = "2 failed. 3 failed. It is whole at `[a] a.iso`.";
        assert_eq!(fault.message, told);
    }
}
