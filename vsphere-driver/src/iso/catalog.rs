//! What lies in our folder of a datastore: seen anew, and added to.
//!
//! One at a time for each vCenter, so that two transfers never take each other's file for none.

use super::{
    destination::Destination,
    digest::Digest,
    folder::{File, Folder},
    image::Stored,
    name::{self, Kind, Label},
    record::{self, Origin, Record},
    source::Content,
    store::Store,
};
use crate::{
    soap::datastore::FoundFile,
    vcenter::{VCenter, clock},
};
use bytes::Bytes;
use contract::v1::{Fault, Reason};
use futures::StreamExt as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::time::Instant;

/// A content that is all there, under the name of a part.
#[derive(Debug)]
pub struct Whole<'a> {
    /// The part.
    pub part: &'a str,
    /// Begins the name of the file.
    pub label: &'a Label,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// How it came there.
    pub origin: Origin,
}

/// Where to look: a folder of a vCenter.
pub type At<'a> = (&'a Arc<VCenter>, &'a Destination);

/// Looks into the folder. What a transfer left behind that is no more is removed.
pub async fn see(store: &Store, at: At<'_>, op: &str) -> Result<Folder, Fault> {
    let _one_at_a_time = store.lock(at.0).await;
    see_alone(store, at, op).await.map(|(folder, _)| folder)
}

/// Gives a whole content its name, with its record. Where the same content is there already, that file is
/// given, and the part stays for the caller to remove.
pub async fn commit(
    store: &Store,
    (vcenter, place): At<'_>,
    whole: Whole<'_>,
    op: &str,
) -> Result<Stored, Fault> {
    let Whole {
        part,
        label,
        size_bytes,
        sha256,
        origin,
    } = whole;
    let _one_at_a_time = store.lock(vcenter).await;
    let (folder, sizes) = see_alone(store, (vcenter, place), op).await?;
    let written = sizes.get(part).copied().unwrap_or_default();
    if written != size_bytes {
        let what = format!("`{}` has {written} of {size_bytes} bytes", place.path(part));
        return Err(Fault::new(Reason::IsoTruncated, what)
            .with("size_bytes", size_bytes)
            .with("transferred_bytes", written));
    }
    if let Some((name, record)) = folder.with_content(&sha256) {
        return Ok(stored(place, name, record, true));
    }
    let file = name::whole(label, &sha256);
    if folder.has(&file) {
        let path = place.path(&file);
        let what = format!("`{path}` is there, without a record of ours");
        return Err(Fault::new(Reason::DatastoreFileExists, what).with("path", path));
    }
    let record = Record::new(size_bytes, sha256, clock::now(), origin);
    write_record(place, &file, &record, op).await?;
    // Where this fails, the record stays: the file may get its name all the same, and would be taken
    // for that of somebody else without it. If it does not, the next look removes the record.
    place.rename(op, part, &file).await?;
    let stored = stored(place, &file, &record, false);
    vcenter.write(|state| {
        let folder = state.isos.folders.entry(place.datastore().clone());
        let files = &mut folder.or_default().files;
        files.insert(
            file,
            File {
                record,
                unused_since: None,
            },
        );
    });
    Ok(stored)
}

/// The file of ours with this content, if there is one. From now on it counts as uploaded, and stays until
/// it is removed by hand.
pub async fn uploaded(
    store: &Store,
    (vcenter, place): At<'_>,
    sha256: &Digest,
    op: &str,
) -> Result<Option<Stored>, Fault> {
    let _one_at_a_time = store.lock(vcenter).await;
    let (folder, _) = see_alone(store, (vcenter, place), op).await?;
    let Some((name, record)) = folder.with_content(sha256) else {
        return Ok(None);
    };
    let mut record = record.clone();
    if record.origin != Origin::Upload {
        record.origin = Origin::Upload;
        write_record(place, name, &record, op).await?;
        vcenter.write(|state| {
            let folder = state.isos.folders.get_mut(place.datastore());
            if let Some(file) = folder.and_then(|folder| folder.files.get_mut(name)) {
                file.record = record.clone();
            }
        });
    }
    Ok(Some(stored(place, name, &record, true)))
}

/// Removes a file of ours, then its record: without its file it means nothing.
pub async fn remove_file(place: &Destination, file: &str, op: &str) -> Result<(), Fault> {
    place.remove(op, file).await?;
    remove(place, &name::record(file), op).await;
    Ok(())
}

/// A file of ours, as those who want it know it.
pub fn stored(place: &Destination, name: &str, record: &Record, was_there: bool) -> Stored {
    let found = || match &record.origin {
        Origin::Url(fetched) => Content {
            length: record.size_bytes,
            etag: fetched.etag.clone(),
            last_modified: fetched.last_modified.clone(),
        },
        Origin::Upload => Content {
            length: record.size_bytes,
            etag: None,
            last_modified: None,
        },
    };
    Stored {
        file: name.to_owned(),
        path: place.path(name),
        size_bytes: record.size_bytes,
        sha256: record.sha256,
        stored_at: record.stored_at(),
        found: was_there.then(found),
    }
}

async fn see_alone(
    store: &Store,
    (vcenter, place): At<'_>,
    op: &str,
) -> Result<(Folder, BTreeMap<String, u64>), Fault> {
    let listed = place.list(op).await?;
    let size = |file: &FoundFile| file.size.and_then(|size| u64::try_from(size).ok());
    let sizes: BTreeMap<_, _> = listed
        .iter()
        .filter_map(|file| Some((file.path.clone(), size(file)?)))
        .collect();
    let names: BTreeSet<_> = listed.into_iter().map(|file| file.path).collect();
    let known = vcenter.read(|state| state.isos.folders.get(place.datastore()).cloned());
    let known = known.unwrap_or_default();
    let (mut files, mut others) = (BTreeMap::new(), BTreeSet::new());
    for name in &names {
        match name::kind(name) {
            Kind::Whole => match record_of(place, (name, &sizes), &names, &known, op).await? {
                Some(record) => {
                    files.insert(name.clone(), record);
                }
                None => {
                    others.insert(name.clone());
                }
            },
            Kind::Part if !store.is_written(name) => remove(place, name, op).await,
            Kind::RecordOf(file) if !names.contains(&file) => remove(place, name, op).await,
            Kind::Part | Kind::RecordOf(_) => {}
            Kind::Other => {
                others.insert(name.clone());
            }
        }
    }
    let when = (clock::now(), Instant::now());
    let folder = vcenter.write(|state| {
        let datastore = place.datastore();
        state.isos.saw(datastore, (files, others), when)
    });
    Ok((folder, sizes))
}

/// The record of a whole file; nothing for a file of somebody else.
async fn record_of(
    place: &Destination,
    (name, sizes): (&str, &BTreeMap<String, u64>),
    names: &BTreeSet<String>,
    known: &Folder,
    op: &str,
) -> Result<Option<Record>, Fault> {
    let file = name::record(name);
    if !names.contains(&file) {
        return Ok(None);
    }
    let is_its = |record: &Record| sizes.get(name) == Some(&record.size_bytes);
    if let Some(file) = known.files.get(name).filter(|file| is_its(&file.record)) {
        return Ok(Some(file.record.clone()));
    }
    let bytes = place.read(op, &file, record::MAX_BYTES).await?;
    let record = bytes.and_then(|bytes| Record::parse(&bytes));
    Ok(record.filter(is_its))
}

async fn write_record(
    place: &Destination,
    file: &str,
    record: &Record,
    op: &str,
) -> Result<(), Fault> {
    let bytes = Bytes::from(record.to_bytes());
    let length = bytes.len() as u64;
    let chunks = futures::stream::once(std::future::ready(Ok(bytes)));
    place
        .write(op, &name::record(file), length, chunks.boxed())
        .await
}

/// Removes what nobody needs. What stays is removed when the folder is looked at the next time.
async fn remove(place: &Destination, name: &str, op: &str) {
    match place.remove(op, name).await {
        Ok(()) => tracing::info!(path = place.path(name), "Leftover of an ISO removed"),
        Err(fault) => {
            let path = place.path(name);
            tracing::warn!(
                path,
                error = fault.message,
                "Leftover of an ISO not removed"
            );
        }
    }
}
