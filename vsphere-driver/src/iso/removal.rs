//! Removes files of ours: decided under the lock under which they go.

use super::{
    catalog,
    destination::Destination,
    mounts::{self, Drives},
    store::Store,
    uses::{self, Needs},
};
use crate::{core::Core, vcenter::VCenter};
use contract::v1::Fault;
use std::sync::Arc;

/// Files of one datastore that are to go.
#[derive(Clone, Copy, Debug)]
pub struct Removal<'a> {
    /// Who else knows the vCenter.
    pub core: &'a Core,
    /// What all ISOs share.
    pub store: &'a Store,
    /// The vCenter.
    pub vcenter: &'a Arc<VCenter>,
    /// Where they lie.
    pub place: &'a Destination,
    /// Why they are to go.
    pub cause: Cause,
    /// The `operationID` of its calls.
    pub op: &'a str,
}

/// Why a file is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nobody needs it any more. What somebody uploaded stays.
    Garbage,
    /// Somebody wants it to go.
    Asked,
}

impl Removal<'_> {
    /// Removes these files, but for those that somebody needs. What became of each, in their order.
    ///
    /// # Errors
    /// Nobody can tell now which machines mount them.
    pub async fn run(&self, files: &[String]) -> Result<Vec<Result<(), Fault>>, Fault> {
        let _one_at_a_time = self.store.lock(self.place).await;
        let drives = mounts::look(self.vcenter, self.place.datastore()).await?;
        let mut outcome = Vec::new();
        for file in files {
            outcome.push(self.remove(file, &drives).await);
        }
        Ok(outcome)
    }

    async fn remove(&self, file: &str, drives: &Drives) -> Result<(), Fault> {
        if !self.take(file, drives)? {
            return Ok(());
        }
        let removed = catalog::remove_file(self.place, file, self.op).await;
        // Also of a file that was removed in vain it is not known any more whether it is there.
        let found = (self.place.datastore().clone(), self.place.path(file));
        for vcenter in uses::same(self.core, self.vcenter) {
            vcenter.isos.forget(&found);
        }
        removed
    }

    /// Takes a file out of what is known to be there, under each name of the vCenter, in one step with
    /// finding that nobody needs it: whoever found it before and tells so later is told that it is gone.
    /// Whether it is to be removed.
    fn take(&self, name: &str, drives: &Drives) -> Result<bool, Fault> {
        let datastore = self.place.datastore();
        let known = self.vcenter.read(|state| {
            let folder = state.isos.folders.get(datastore)?;
            folder.files.get(name).cloned()
        });
        let Some(file) = known.filter(|file| self.cause == Cause::Asked || !file.is_uploaded())
        else {
            return Ok(false);
        };
        let refused = |needs: Needs| needs.refusal(&self.place.path(name)).map_or(Ok(()), Err);
        let which = (name, &file);
        refused(uses::of(self.core, self.vcenter, self.place, which, drives))?;
        for vcenter in uses::same(self.core, self.vcenter) {
            vcenter.write(|state| {
                refused(uses::in_state(state, self.place, which))?;
                if let Some(folder) = state.isos.folders.get_mut(datastore) {
                    folder.files.remove(name);
                }
                Ok(())
            })?;
        }
        Ok(true)
    }
}
