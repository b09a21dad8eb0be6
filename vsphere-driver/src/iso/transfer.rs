//! Brings a content from its source to a datastore: written under another name, verified, moved into place.

mod read;

use super::{
    catalog,
    destination::Destination,
    digest::Digest,
    folder::Folder,
    image::{Errand, Stage, Stored},
    inspect,
    placing::{IN_FLIGHT, Placing, Verified},
    record::{Fetched, Origin, Wanted},
    source::Content,
    store::Store,
};
use crate::vcenter::VCenter;
use contract::v1::{Fault, Reason};
use read::Broken;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

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
    let at = (vcenter, &place);
    let folder = while_wanted(errand, catalog::tidy(store, at, op)).await?;
    if let Some(stored) = known(errand, &folder, &place) {
        return Ok(Some(stored));
    }
    let Some(content) = &errand.content else {
        return Ok(None);
    };
    let mut placing = Placing::new(store, (vcenter, place), &errand.label, op);
    let bring = bring(store, &mut placing, (errand, content), reached);
    let brought = while_wanted(errand, bring).await;
    // From here on it is not broken off: whoever does not wait for a name does not know whose it is.
    placing.end(brought).await.map(Some)
}

/// Does it for as long as the content is wanted there.
async fn while_wanted<T>(
    errand: &Errand,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::select! {
        biased;
        () = errand.stop.cancelled() => Err(withdrawn()),
        done = work => done,
    }
}

/// The file that is what is wanted, if it is there.
fn known(errand: &Errand, folder: &Folder, place: &Destination) -> Option<Stored> {
    let wanted = Wanted::from_source(&errand.source, &errand.revision, errand.content.as_ref());
    let mut files = folder.files.iter();
    let (name, file) = files.find(|(_, file)| file.record.is_what(&wanted))?;
    Some(catalog::stored(place, name, &file.record, true))
}

/// Writes the content and verifies it.
async fn bring(
    store: &Store,
    placing: &mut Placing<'_>,
    (errand, content): (&Errand, &Content),
    reached: Reached<'_>,
) -> Result<Verified, Fault> {
    placing.prepare().await?;
    // Only while bytes are on their way: who waits for a name keeps nobody else from its turn.
    let _turn = store.turns.turn().await;
    reached(Stage::Transferring(0));
    let sha256 = write(store, placing, (errand, content), reached).await?;
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
    Ok(Verified {
        size_bytes: length,
        sha256,
        origin,
    })
}

/// Writes the content under the name of the part.
async fn write(
    store: &Store,
    placing: &mut Placing<'_>,
    (errand, content): (&Errand, &Content),
    reached: Reached<'_>,
) -> Result<Digest, Fault> {
    let (out, chunks) = mpsc::channel(IN_FLIGHT);
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
    let path = placing.path();
    let writing = placing.write(content.length, chunks);
    match tokio::join!(reading, writing) {
        (Err(Broken::Source(fault)), _) => Err(*fault),
        (_, Err(fault)) => Err(fault),
        (Ok(sha256), Ok(())) => Ok(sha256),
        (Err(Broken::Destination), Ok(())) => {
            let what = format!("`{path}` took less than the whole");
            Err(Fault::new(Reason::IsoTruncated, what).with("size_bytes", content.length))
        }
    }
}

fn withdrawn() -> Fault {
    Fault::new(Reason::IsoUnknown, "nobody wants this content any more")
}
