//! What lies in our folder of one datastore, as it was last seen.

use super::{
    digest::Digest,
    garbage::{self, Use},
    mounts::Drives,
    record::{Origin, Record},
    wishes::Isos,
};
use crate::soap::MoRef;
use prost_types::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::Instant;

/// Our folder on one datastore.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folder {
    /// When it was seen.
    pub listed_at: Option<Timestamp>,
    /// Whole files with a record, by name.
    pub files: BTreeMap<String, File>,
    /// Names of everything else.
    pub others: BTreeSet<String>,
    /// What lies in the drives of machines of any owner, as last looked for.
    pub drives: Drives,
}

/// A file of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// What it is.
    pub record: Record,
    /// Somebody uploaded it after it had been fetched.
    pub is_marked: bool,
    /// Since when nobody needs it.
    pub unused_since: Option<Timestamp>,
}

// === impl Folder ===

impl Folder {
    /// Whether a file of that name lies there, whosever it is.
    pub fn has(&self, name: &str) -> bool {
        self.files.contains_key(name) || self.others.contains(name)
    }

    /// The record of a file of ours that is as large now as when it was seen, so that it need not be read anew.
    pub fn record(&self, name: &str, size_bytes: Option<u64>) -> Option<&Record> {
        let record = &self.files.get(name)?.record;
        record.is_as_large(size_bytes).then_some(record)
    }

    /// The file of ours with this content.
    pub fn with_content(&self, sha256: &Digest) -> Option<(&str, &Record)> {
        let mut files = self.files.iter();
        let (name, file) = files.find(|(_, file)| file.record.sha256 == *sha256)?;
        Some((name, &file.record))
    }

    /// Takes what was seen in place of what was known.
    pub fn see(&mut self, files: BTreeMap<String, File>, others: BTreeSet<String>, at: Timestamp) {
        let before = std::mem::replace(&mut self.files, files);
        for (name, file) in &mut self.files {
            file.unused_since = before.get(name).and_then(|file| file.unused_since);
        }
        self.others = others;
        self.listed_at = Some(at);
    }

    /// Whether nobody needs one of the files, going by what `is_used` says of each: that it is wanted, and
    /// that a machine mounts it or may.
    pub fn has_garbage(&self, is_used: impl Fn(&str) -> (bool, bool)) -> bool {
        let mut files = self.files.iter();
        files.any(|(name, file)| garbage::is_garbage(file.used(is_used(name))))
    }

    /// Notes which files nobody needs. Gives those whose grace is over.
    pub fn mark_unused(
        &mut self,
        is_used: impl Fn(&str) -> (bool, bool),
        grace: Duration,
        now: Timestamp,
    ) -> Vec<String> {
        let mut due = Vec::new();
        for (name, file) in &mut self.files {
            let used = file.used(is_used(name));
            file.unused_since = garbage::since(used, file.unused_since, now);
            if file
                .unused_since
                .is_some_and(|since| garbage::is_due(since, grace, now))
            {
                due.push(name.clone());
            }
        }
        due
    }
}

// === impl File ===

impl File {
    /// A file with this record.
    pub fn new(record: Record) -> Self {
        Self {
            record,
            is_marked: false,
            unused_since: None,
        }
    }

    /// Somebody uploaded it.
    pub fn is_uploaded(&self) -> bool {
        self.is_marked || self.record.origin == Origin::Upload
    }

    fn used(&self, (is_wanted, is_mounted): (bool, bool)) -> Use {
        Use {
            is_uploaded: self.is_uploaded(),
            is_wanted,
            is_mounted,
        }
    }
}

// === impl Isos ===

impl Isos {
    /// This is what lies in the folder of a datastore now. What was noted of its files while it was read
    /// stays; who wants a file that is not there any more gets it anew.
    pub fn saw(
        &mut self,
        datastore: &MoRef,
        (files, others): (BTreeMap<String, File>, BTreeSet<String>),
        (at, now): (Timestamp, Instant),
    ) -> Folder {
        let folder = self.folders.entry(datastore.clone()).or_default();
        folder.see(files, others, at);
        let folder = folder.clone();
        self.lost(datastore, |file| folder.files.contains_key(file), now);
        folder
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso::{digest::Digest, wishes::fixtures::datastore};

    const NAME: &str = "a-0123456789abcdef.iso";

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 0 }
    }

    #[test]
    fn what_is_noted_of_a_file_while_its_folder_is_read_stays() {
        let record = Record::new(7, Digest::of(b"a"), at(0), Origin::Upload);
        let file = File::new(record);
        let files = || BTreeMap::from([(NAME.to_owned(), file.clone())]);
        let mut isos = Isos::default();
        let see = |isos: &mut Isos, seconds| {
            let when = (at(seconds), Instant::now());
            isos.saw(&datastore(1), (files(), BTreeSet::new()), when)
        };
        see(&mut isos, 1);
        // Another look, which began before, ends after this.
        let folder = isos.folders.get_mut(&datastore(1)).expect("seen");
        folder.files.get_mut(NAME).expect("there").unused_since = Some(at(2));
        folder.drives.unread.insert("vm".into());
        let folder = see(&mut isos, 3);
        assert_eq!(folder.files[NAME].unused_since, Some(at(2)));
        assert_eq!(folder.drives.unread.len(), 1);
        assert_eq!(isos.folders[&datastore(1)], folder);
    }
}
