//! Who wants which ISO where: the ISOs of one vCenter, and their changes.

use super::{
    digest::Digest,
    folder::Folder,
    image::{Copy, Image, Origin, Plan, Remote, Stage, Stored},
    name::Label,
    source::{Content, Source},
};
use crate::{audit, changes::Changes, edge::caller::Caller, machines::work::JobId, soap::MoRef};
use contract::v1::{Fault, Iso, IsoKey, IsoTombstone, Owner};
use prost_types::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// The identity of an ISO.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IsoId {
    /// The hub.
    pub hub_id: String,
    /// The owner's UID.
    pub owner_uid: String,
    /// Tells several of one owner apart.
    pub id: String,
}

/// An ISO that somebody wants.
#[derive(Debug)]
pub struct Wish {
    /// Whose it is.
    pub owner: Owner,
    /// What is wanted.
    pub wanted: Wanted,
}

/// What somebody wants.
#[derive(Debug)]
pub enum Wanted {
    /// A file that others put on a datastore: as it was seen last.
    There(Box<Iso>),
    /// A content on these datastores, in the order of the request.
    Image {
        /// Key of the content.
        image: Digest,
        /// The datastores.
        datastores: Vec<MoRef>,
    },
}

/// A content at a URL, for somebody.
#[derive(Debug)]
pub struct FromUrl {
    /// Key of the content: the same for all who mean the same.
    pub image: Digest,
    /// The source.
    pub source: Source,
    /// What the caller calls the present content.
    pub revision: String,
    /// Begins the names of files.
    pub label: Label,
    /// Where to have it.
    pub datastores: Vec<MoRef>,
}

/// The ISOs of one vCenter.
#[derive(Debug, Default)]
pub struct Isos {
    /// What changed.
    pub changes: Changes<IsoId, IsoTombstone>,
    /// What lies on the datastores that were used.
    pub folders: BTreeMap<MoRef, Folder>,
    wishes: BTreeMap<IsoId, Wish>,
    images: BTreeMap<Digest, Image>,
}

// === impl IsoId ===

impl IsoId {
    /// On the wire.
    pub fn key(&self) -> IsoKey {
        let Self {
            hub_id,
            owner_uid,
            id,
        } = self.clone();
        IsoKey {
            hub_id,
            owner_uid,
            id,
        }
    }
}

impl From<IsoKey> for IsoId {
    fn from(key: IsoKey) -> Self {
        let IsoKey {
            hub_id,
            owner_uid,
            id,
        } = key;
        Self {
            hub_id,
            owner_uid,
            id,
        }
    }
}

impl std::fmt::Display for IsoId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.hub_id, self.owner_uid, self.id)
    }
}

// === impl Isos ===

impl Isos {
    // --- Wishes ---

    /// The wish of this key.
    pub fn wish(&self, id: &IsoId) -> Option<&Wish> {
        self.wishes.get(id)
    }

    /// All keys, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &IsoId> {
        self.wishes.keys()
    }

    /// How many ISOs are wanted.
    pub fn count(&self) -> usize {
        self.wishes.len()
    }

    /// Somebody wants a file that others put there.
    pub fn want_there(&mut self, id: &IsoId, owner: Owner, iso: Iso) {
        self.leave_image(id, None);
        let wanted = Wanted::There(Box::new(iso));
        self.wishes.insert(id.clone(), Wish { owner, wanted });
        self.changes.touch(id);
    }

    /// Somebody wants a content. Gives the job that has to be begun, where nobody has it yet.
    pub fn want_url(
        &mut self,
        (id, owner): (&IsoId, Owner),
        from: FromUrl,
        caller: &Caller,
        now: Instant,
    ) -> Option<JobId> {
        let FromUrl {
            image: key,
            source,
            revision,
            label,
            datastores,
        } = from;
        self.leave_image(id, Some((&key, &datastores)));
        let is_new = !self.images.contains_key(&key);
        let origin = || Origin::Url(Box::new(Remote::new(source, now)));
        let image = self
            .images
            .entry(key)
            .or_insert_with(|| Image::new(origin()));
        if let Origin::Url(remote) = &mut image.origin {
            remote.revisions.insert(id.clone(), revision);
        }
        for datastore in &datastores {
            let copy = image.copies.entry(datastore.clone());
            let copy =
                copy.or_insert_with(|| Copy::new((&label, audit::whose(&owner)), caller, now));
            copy.wanted_by.insert(id.clone());
        }
        image.nudge(now);
        let begun = is_new.then_some(image.job);
        self.put(id, owner, key, datastores);
        begun
    }

    /// Somebody uploaded a content: it is whole on all of its datastores.
    pub fn want_upload(
        &mut self,
        (id, owner): (&IsoId, Owner),
        (label, caller): (&Label, &Caller),
        files: Vec<(MoRef, Stored)>,
        now: Instant,
    ) {
        let contents: Vec<_> = files.iter().map(|(_, stored)| stored.sha256).collect();
        let content = contents.first().copied().unwrap_or(Digest::of(b""));
        let key = Digest::of(format!("upload {content}").as_bytes());
        let datastores: Vec<_> = files.iter().map(|(moref, _)| moref.clone()).collect();
        self.leave_image(id, Some((&key, &datastores)));
        let origin = || Origin::Upload(label.to_string());
        let image = self
            .images
            .entry(key)
            .or_insert_with(|| Image::new(origin()));
        for (datastore, stored) in files {
            let copy = image.copies.entry(datastore);
            let copy =
                copy.or_insert_with(|| Copy::new((label, audit::whose(&owner)), caller, now));
            copy.wanted_by.insert(id.clone());
            copy.put(stored);
        }
        self.put(id, owner, key, datastores);
    }

    fn put(&mut self, id: &IsoId, owner: Owner, image: Digest, datastores: Vec<MoRef>) {
        let wanted = Wanted::Image { image, datastores };
        self.wishes.insert(id.clone(), Wish { owner, wanted });
        self.touch_image(&image);
    }

    /// Nobody asks for this any more. The wish that was there.
    pub fn withdraw(&mut self, id: &IsoId) -> Option<Wish> {
        self.leave_image(id, None);
        let wish = self.wishes.remove(id)?;
        self.changes.bury(id, |number| IsoTombstone {
            key: Some(id.key()),
            revision: i64::try_from(number).unwrap_or(i64::MAX),
        });
        Some(wish)
    }

    /// A wish is withdrawn from its content, but for what it keeps. What nobody else wants is stopped.
    fn leave_image(&mut self, id: &IsoId, keeps: Option<(&Digest, &[MoRef])>) {
        let Some(Wanted::Image { image: key, .. }) = self.wishes.get(id).map(|wish| &wish.wanted)
        else {
            return;
        };
        let key = *key;
        let Some(image) = self.images.get_mut(&key) else {
            return;
        };
        let kept = keeps.filter(|(kept, _)| **kept == key);
        let kept: &[MoRef] = kept.map_or(&[], |(_, datastores)| datastores);
        image.copies.retain(|datastore, copy| {
            if !kept.contains(datastore) {
                copy.wanted_by.remove(id);
            }
            // One that is kept and new to it is added by the caller.
            let is_wanted = !copy.wanted_by.is_empty() || kept.contains(datastore);
            if !is_wanted {
                copy.stop.cancel();
            }
            is_wanted
        });
        if kept.is_empty()
            && let Origin::Url(remote) = &mut image.origin
        {
            remote.revisions.remove(id);
        }
        if image.copies.is_empty() && kept.is_empty() {
            image.stop.cancel();
            self.images.remove(&key);
        } else {
            self.touch_image(&key);
        }
    }

    // --- Contents ---

    /// All contents that are wanted.
    pub fn images(&self) -> impl Iterator<Item = &Image> {
        self.images.values()
    }

    /// The content of this key.
    pub fn image(&self, key: &Digest) -> Option<&Image> {
        self.images.get(key)
    }

    /// Begins what is due of a content; nothing when it is not wanted any more.
    pub fn begin_due(
        &mut self,
        key: &Digest,
        job: JobId,
        (now, at): (Instant, Timestamp),
    ) -> Option<Plan> {
        let image = self.images.get_mut(key).filter(|image| image.job == job)?;
        let plan = image.begin_due(now, at);
        if !plan.steps.is_empty() {
            self.touch_image(key);
        }
        Some(plan)
    }

    /// The source of a content answered.
    pub fn asked(
        &mut self,
        key: &Digest,
        job: JobId,
        said: Result<Content, Fault>,
        (now, at): (Instant, Timestamp),
    ) {
        if let Some(image) = self.images.get_mut(key).filter(|image| image.job == job) {
            image.asked(said, now, at);
            image.wake.notify_one();
            self.touch_image(key);
        }
    }

    /// A copy came that far.
    pub fn reached(
        &mut self,
        key: &Digest,
        which: (&MoRef, JobId),
        how_far: (Stage, i32),
        now: Instant,
    ) {
        let image = self.images.get_mut(key);
        if image.is_some_and(|image| image.reached(which, how_far, now)) {
            self.touch_image(key);
        }
    }

    /// The transfer to a datastore ended. A file that was found and then removed, before this is told, is
    /// not there.
    pub fn carried(
        &mut self,
        key: &Digest,
        (datastore, job): (&MoRef, JobId),
        result: Result<Option<Stored>, Fault>,
        when: (Instant, Timestamp),
    ) {
        if let Some(image) = self.images.get_mut(key) {
            image.carried(datastore, job, result, when);
            if let Some(folder) = self.folders.get(datastore) {
                let is_there = |file: &str| folder.files.contains_key(file);
                image.see(datastore, is_there, when.0);
            }
            self.touch_image(key);
        }
    }

    /// Files of a folder are there or not: who wants one that is not there any more gets it anew, or, where
    /// it was uploaded, is told.
    pub fn lost(&mut self, datastore: &MoRef, is_there: impl Fn(&str) -> bool, now: Instant) {
        let mut touched = Vec::new();
        for (key, image) in &mut self.images {
            if image.see(datastore, &is_there, now) {
                touched.push(*key);
            }
        }
        for key in touched {
            self.touch_image(&key);
        }
    }

    fn touch_image(&mut self, key: &Digest) {
        let Some(image) = self.images.get(key) else {
            return;
        };
        let ids: BTreeSet<_> = image
            .copies
            .values()
            .flat_map(|copy| &copy.wanted_by)
            .collect();
        for id in ids {
            self.changes.touch(id);
        }
    }

    // --- Files ---

    /// Who wants a file of ours, sorted.
    pub fn wanted_by(&self, datastore: &MoRef, file: &str) -> BTreeSet<&IsoId> {
        let copies = self
            .images
            .values()
            .filter_map(|image| image.copies.get(datastore));
        let holds = |copy: &&Copy| copy.stored().is_some_and(|stored| stored.file == file);
        copies
            .filter(holds)
            .flat_map(|copy| &copy.wanted_by)
            .collect()
    }

    /// Who wants the file at a path because they named the path.
    pub fn named_by<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a IsoId> {
        self.wishes
            .iter()
            .filter_map(move |(id, wish)| match &wish.wanted {
                Wanted::There(iso) => (iso.source == path).then_some(id),
                Wanted::Image { .. } => None,
            })
    }
}

#[cfg(test)]
pub mod fixtures;
#[cfg(test)]
mod tests;
