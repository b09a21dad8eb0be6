//! What lies in our folder of a datastore: tidied up, and added to.
//!
//! One at a time for each datastore, so that two transfers never take each other's file for none.

mod notes;
mod tidy;

use super::{
    destination::Destination,
    digest::Digest,
    folder::{File, Folder},
    image::Stored,
    name::{self, Label},
    record::{Origin, Record},
    source::Content,
    store::Store,
};
use crate::vcenter::{VCenter, clock};
use contract::v1::{Fault, Reason};
use std::sync::Arc;
use tidy::Tidied;

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

/// Has the folder there, on a datastore that can be written to.
pub async fn prepare(store: &Store, place: &Destination, op: &str) -> Result<(), Fault> {
    // Two that look for it at once would make it twice.
    let _one_at_a_time = store.lock(place).await;
    place.prepare(op).await
}

/// Removes what a transfer left behind that is no more. What lies in the folder then.
pub async fn tidy(store: &Store, (vcenter, place): At<'_>, op: &str) -> Result<Folder, Fault> {
    let _one_at_a_time = store.lock(place).await;
    let tidied = tidy::tidy(store, (vcenter, place), op).await?;
    Ok(tidied.folder)
}

/// Gives a whole content its name, with its record. Where the same content is there already, that file is
/// given, and the part stays for the caller to remove. Not to be broken off: nobody would know how it ended.
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
    let _one_at_a_time = store.lock(place).await;
    let Tidied {
        folder,
        sizes,
        alone,
    } = tidy::tidy(store, (vcenter, place), op).await?;
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
    let record = Record::new(size_bytes, sha256, clock::now(), origin);
    // A record that is there already, for a file that is on its way, is not written over.
    let fits = |name: &String| {
        alone
            .get(name)
            .is_none_or(|there| there.says_the_same(&record))
    };
    let is_free = |name: &String| !folder.has(name) && fits(name);
    let Some(file) = name::whole(label, &sha256).find(is_free) else {
        return Err(all_taken(place, label, &sha256));
    };
    if !alone.contains_key(&file) {
        notes::write_record(place, &file, &record, op).await?;
    }
    if let Err(fault) = place.rename(op, part, &file).await {
        // Without its record a file that gets its name later would be taken for somebody else's.
        if is_refused(&fault) {
            notes::remove(place, &name::record(&file), op).await;
        }
        return Err(fault);
    }
    let stored = stored(place, &file, &record, false);
    vcenter.write(|state| {
        let folder = state.isos.folders.entry(place.datastore().clone());
        let files = &mut folder.or_default().files;
        files.insert(file, File::new(record));
    });
    Ok(stored)
}

fn all_taken(place: &Destination, label: &Label, sha256: &Digest) -> Fault {
    let name = name::whole(label, sha256).next().unwrap_or_default();
    let path = place.path(&name);
    let what = format!("`{path}` and its longer names are there, without records of ours");
    Fault::new(Reason::DatastoreFileExists, what).with("path", path)
}

/// Whether vCenter refused to give a file its name. Where the file was not as expected, an attempt before,
/// of which nobody knows, may still go on.
fn is_refused(fault: &Fault) -> bool {
    let is_odd = matches!(
        fault.reason(),
        Reason::DatastoreFileExists | Reason::IsoMissing | Reason::IsoInUse
    );
    !fault.vsphere_fault.is_empty() && !is_odd
}

/// The file of ours with this content, if there is one. From now on it counts as uploaded, and stays until
/// it is removed by hand.
pub async fn uploaded(
    store: &Store,
    (vcenter, place): At<'_>,
    sha256: &Digest,
    op: &str,
) -> Result<Option<Stored>, Fault> {
    let _one_at_a_time = store.lock(place).await;
    let Tidied { folder, .. } = tidy::tidy(store, (vcenter, place), op).await?;
    let Some((name, record)) = folder.with_content(sha256) else {
        return Ok(None);
    };
    if !folder.files.get(name).is_some_and(File::is_uploaded) {
        // Its record is the only one: whatever breaks here leaves it as it is.
        notes::mark(place, name, op).await?;
        vcenter.write(|state| {
            let folder = state.isos.folders.get_mut(place.datastore());
            if let Some(file) = folder.and_then(|folder| folder.files.get_mut(name)) {
                file.is_marked = true;
            }
        });
    }
    Ok(Some(stored(place, name, record, true)))
}

/// Removes a file of ours, then its record: without its file it means nothing. So does a mark, which goes
/// when the folder is tidied up the next time.
pub async fn remove_file(place: &Destination, file: &str, op: &str) -> Result<(), Fault> {
    place.remove(op, file).await?;
    notes::remove(place, &name::record(file), op).await;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_vcenter_itself_refused_is_sure_to_have_no_name() {
        let refused = |reason| Fault::new(reason, "x").because_of("NoDiskSpace");
        assert!(is_refused(&refused(Reason::DatastoreFull)));
        for unsure in [
            Fault::new(Reason::OutcomeUnknown, "x"),
            Fault::new(Reason::VcenterUnreachable, "x"),
            refused(Reason::DatastoreFileExists),
            refused(Reason::IsoMissing),
            refused(Reason::IsoInUse),
        ] {
            assert!(!is_refused(&unsure), "{unsure:?}");
        }
    }
}
