//! Looks into the folder and removes what a transfer left behind that is no more.

use super::{
    At,
    notes::{self, Patience},
};
use crate::{
    iso::{
        destination::Destination,
        folder::{File, Folder},
        name::{self, Kind},
        record::Record,
        store::Store,
    },
    soap::datastore::FoundFile,
    vcenter::clock,
};
use contract::v1::Fault;
use prost_types::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::Instant;

/// How long a record without its file is kept: vCenter may give the file its name after nobody has waited
/// for that any more.
const AWAITED: Duration = Duration::from_hours(1);

/// What lies in the folder.
#[derive(Debug)]
pub(super) struct Tidied {
    /// Files of ours, and names of all others.
    pub(super) folder: Folder,
    /// Sizes of all that was found, in bytes.
    pub(super) sizes: BTreeMap<String, u64>,
    /// Records of files that are not there, and may come.
    pub(super) alone: BTreeMap<String, Record>,
}

/// What was found, and what was known before.
struct Found<'a> {
    place: &'a Destination,
    op: &'a str,
    sizes: BTreeMap<String, u64>,
    names: BTreeSet<String>,
    known: Folder,
    patience: Patience,
}

/// Looks into the folder, alone.
pub(super) async fn tidy(
    store: &Store,
    (vcenter, place): At<'_>,
    op: &str,
) -> Result<Tidied, Fault> {
    let listed = place.list(op).await?;
    let known = vcenter.read(|state| state.isos.folders.get(place.datastore()).cloned());
    let mut found = Found::of((place, op), listed, known.unwrap_or_default());
    let (mut files, mut others, mut alone) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
    for name in found.names.clone() {
        match name::kind(&name) {
            Kind::Whole => match found.record(&name).await {
                Some(record) => {
                    let is_marked = found.names.contains(&name::mark(&name));
                    let file = File::new(record);
                    files.insert(name, File { is_marked, ..file });
                }
                None => {
                    others.insert(name);
                }
            },
            Kind::Part if !store.parts.is_written(&name) => found.remove(&name).await,
            Kind::RecordOf(file) if !found.names.contains(&file) => {
                match found.awaited(&file).await {
                    Some(record) => {
                        alone.insert(file, record);
                    }
                    None => found.remove(&name).await,
                }
            }
            Kind::MarkOf(file) if !found.names.contains(&file) => found.remove(&name).await,
            Kind::Part | Kind::RecordOf(_) | Kind::MarkOf(_) => {}
            Kind::Other => {
                others.insert(name);
            }
        }
    }
    let when = (clock::now(), Instant::now());
    let folder = vcenter.write(|state| {
        let datastore = place.datastore();
        state.isos.saw(datastore, (files, others), when)
    });
    Ok(Tidied {
        folder,
        sizes: found.sizes,
        alone,
    })
}

/// Whether a file whose record is as old as that may still get its name.
fn is_awaited(stored_at: &Timestamp, now: &Timestamp) -> bool {
    let age = now.seconds.saturating_sub(stored_at.seconds);
    u64::try_from(age).unwrap_or_default() < AWAITED.as_secs()
}

// === impl Found ===

impl<'a> Found<'a> {
    fn of((place, op): (&'a Destination, &'a str), listed: Vec<FoundFile>, known: Folder) -> Self {
        let sizes = listed
            .iter()
            .filter_map(|file| Some((file.path.clone(), file.size_bytes()?)))
            .collect();
        Self {
            place,
            op,
            sizes,
            names: listed.into_iter().map(|file| file.path).collect(),
            known,
            patience: Patience::default(),
        }
    }

    /// The record of a whole file; nothing for a file of somebody else.
    async fn record(&mut self, name: &str) -> Option<Record> {
        if !self.names.contains(&name::record(name)) {
            return None;
        }
        let size = self.sizes.get(name).copied();
        if let Some(record) = self.known.record(name, size) {
            return Some(record.clone());
        }
        let record = self.read(name).await;
        record.filter(|record| record.is_as_large(size))
    }

    /// The record of a file that is not there, while the file may come.
    async fn awaited(&mut self, file: &str) -> Option<Record> {
        let record = self.read(file).await?;
        let is_young = record
            .stored_at()
            .is_some_and(|at| is_awaited(&at, &clock::now()));
        is_young.then_some(record)
    }

    async fn read(&mut self, file: &str) -> Option<Record> {
        let size = self.sizes.get(&name::record(file)).copied();
        let file = (file, size.unwrap_or_default());
        notes::read_record(self.place, file, &mut self.patience, self.op).await
    }

    async fn remove(&self, name: &str) {
        notes::remove(self.place, name, self.op).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_awaited_for_an_hour_by_whatever_clock() {
        let at = |seconds| Timestamp { seconds, nanos: 0 };
        for (now, awaited) in [(1_000, true), (4_599, true), (4_600, false), (0, true)] {
            assert_eq!(is_awaited(&at(1_000), &at(now)), awaited, "{now}");
        }
    }
}
