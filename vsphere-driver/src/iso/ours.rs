//! Which of the files that machines mount are ours: of our folder, with our record, whatever their label.

use super::{
    catalog, datastore,
    destination::Destination,
    name::{self, Kind},
    path::DatastorePath,
    store::Store,
};
use crate::{soap::MoRef, vcenter::VCenter};
use contract::v1::{Fault, Reason};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::timeout;

/// What a path is called in a fault.
const FIELD: &str = "mounted_iso";
/// How long a look into one folder may take. A datastore that does not answer is asked about another time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tells files of ours from others. Each folder is looked into once at most.
#[derive(Debug)]
pub struct Ours<'a> {
    store: &'a Store,
    vcenter: &'a Arc<VCenter>,
    op: &'a str,
    looked: BTreeMap<MoRef, Result<Destination, Fault>>,
}

// === impl Ours ===

impl<'a> Ours<'a> {
    /// Of this store. Nothing was looked at yet.
    pub fn new(store: &'a Store, vcenter: &'a Arc<VCenter>, op: &'a str) -> Self {
        Self {
            store,
            vcenter,
            op,
            looked: BTreeMap::new(),
        }
    }

    /// Whether the file is ours that a machine in this datacenter mounts.
    ///
    /// # Errors
    /// Nobody can tell: its datastore is not in sight or cannot be looked into.
    pub async fn has(&mut self, mounted: &str, datacenter: Option<&MoRef>) -> Result<bool, Fault> {
        let path = DatastorePath::parse(mounted).ok();
        let path = path.filter(|path| name::kind(path.file()) == Kind::Whole);
        let Some(path) = path else {
            return Ok(false);
        };
        let on = |state: &crate::vcenter::state::State| {
            datastore(&state.inventory, &path, datacenter, FIELD)
        };
        let datastore = self.vcenter.read(on)?;
        let place = Destination::of(self.vcenter, &datastore, &self.store.settings.folder)?;
        if self.is_known(&path, &place) {
            return Ok(true);
        }
        if !self.looked.contains_key(&datastore) {
            let seen = self.look(place).await;
            self.looked.insert(datastore.clone(), seen);
        }
        match self.looked.get(&datastore) {
            Some(Ok(place)) => Ok(self.is_known(&path, place)),
            Some(Err(fault)) => Err(fault.clone()),
            None => Ok(false),
        }
    }

    /// Whether it was seen with its record.
    fn is_known(&self, path: &DatastorePath, place: &Destination) -> bool {
        let is_in_folder = place.path(path.file()) == path.to_string();
        let has = |folder: &super::folder::Folder| folder.files.contains_key(path.file());
        let folders = |state: &crate::vcenter::state::State| {
            state.isos.folders.get(place.datastore()).is_some_and(has)
        };
        is_in_folder && self.vcenter.read(folders)
    }

    /// Looks into the folder. Where it is really called otherwise, the place knows that afterwards.
    async fn look(&self, place: Destination) -> Result<Destination, Fault> {
        let look = catalog::tidy(self.store, (self.vcenter, &place), self.op);
        let looked = timeout(PATIENCE, look).await;
        let late = |_| {
            let folder = place.path("");
            let what = format!("`{folder}` was not seen within {} s", PATIENCE.as_secs());
            Err(Fault::new(Reason::DatastoreUnavailable, what).with("datastore", folder))
        };
        looked.unwrap_or_else(late)?;
        Ok(place)
    }
}
