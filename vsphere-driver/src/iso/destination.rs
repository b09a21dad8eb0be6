//! Where ISOs lie: one folder of one datastore, and what can be done with the files in it.

use crate::{
    inventory::path,
    soap::{
        MoRef,
        datastore::{FoundFile, FoundFiles},
    },
    vcenter::VCenter,
};
use bytes::Bytes;
use contract::v1::{Fault, Reason};
use futures::stream::BoxStream;
use std::{fmt, sync::Arc};

/// A folder of one datastore. Clones are the same place.
#[derive(Clone)]
pub struct Destination {
    vcenter: Arc<VCenter>,
    datastore: MoRef,
    /// As it stands in brackets.
    name: String,
    browser: MoRef,
    folder: String,
}

// === impl Destination ===

impl Destination {
    /// This folder of a datastore that is in sight and in service. Nothing is asked of vCenter.
    ///
    /// # Errors
    /// `DATASTORE_UNAVAILABLE`, `DATASTORE_IN_MAINTENANCE`.
    pub fn of(vcenter: &Arc<VCenter>, datastore: &MoRef, folder: &str) -> Result<Self, Fault> {
        vcenter.read(|state| {
            let path = state.inventory.path(datastore);
            let refused = |reason, problem: &str| {
                let fault = Fault::new(reason, format!("datastore `{path}` {problem}"));
                fault.with("datastore", &path)
            };
            let unavailable = |problem| refused(Reason::DatastoreUnavailable, problem);
            let object = state.inventory.get(datastore);
            let object = object.ok_or_else(|| unavailable("is no longer in sight"))?;
            if object.in_maintenance {
                return Err(refused(Reason::DatastoreInMaintenance, "is in maintenance"));
            }
            if !object.accessible {
                return Err(unavailable("is not reached by its hosts"));
            }
            let browser = object.browser.clone();
            Ok(Self {
                vcenter: Arc::clone(vcenter),
                datastore: datastore.clone(),
                name: path::decode(&object.name),
                browser: browser.ok_or_else(|| unavailable("cannot be looked into"))?,
                folder: folder.to_owned(),
            })
        })
    }

    /// The datastore.
    pub fn datastore(&self) -> &MoRef {
        &self.datastore
    }

    /// `[datastore] folder/file`, as a machine's spec names it.
    pub fn path(&self, file: &str) -> String {
        format!("[{}] {}/{file}", self.name, self.folder)
    }

    /// Has the folder there.
    ///
    /// # Errors
    /// `DATASTORE_FOLDER_FAILED` and the other faults of a datastore.
    pub async fn prepare(&self, op: &str) -> Result<(), Fault> {
        Err(self.unfinished(op))
    }

    /// Writes a file of `length` bytes from `chunks`, whose own fault is given back as it is.
    ///
    /// # Errors
    /// The faults of a datastore; `ISO_TRUNCATED` for another length. Of a file that failed a part may
    /// be there.
    pub async fn write(
        &self,
        op: &str,
        _file: &str,
        _length: u64,
        _chunks: BoxStream<'static, Result<Bytes, Fault>>,
    ) -> Result<(), Fault> {
        Err(self.unfinished(op))
    }

    /// Gives a file another name, never that of a file that is there.
    ///
    /// # Errors
    /// `DATASTORE_FILE_EXISTS`, `ISO_MISSING` and the other faults of a datastore.
    pub async fn rename(&self, op: &str, _from: &str, _to: &str) -> Result<(), Fault> {
        Err(self.unfinished(op))
    }

    /// Removes a file. One that is gone is removed.
    ///
    /// # Errors
    /// `ISO_IN_USE` and the other faults of a datastore.
    pub async fn remove(&self, op: &str, _file: &str) -> Result<(), Fault> {
        Err(self.unfinished(op))
    }

    /// The files in the folder; a folder that is missing has none.
    ///
    /// # Errors
    /// The faults of a datastore.
    pub async fn list(&self, op: &str) -> Result<Vec<FoundFile>, Fault> {
        let folder = format!("[{}] {}", self.name, self.folder);
        let doing = format!("listing `{folder}`");
        let search = self.vcenter.session.look(op, |vim, _| {
            let (browser, folder) = (self.browser.clone(), folder.clone());
            async move { vim.search_datastore(&browser, &folder, "*").await }
        });
        let task = search
            .await
            .map_err(|failure| self.vcenter.explain(&failure, &doing))?;
        match self.vcenter.outcome(&task, &doing).await {
            Ok(result) => Ok(result
                .map(|result| FoundFiles::of(&result).files)
                .unwrap_or_default()),
            Err(fault) if fault.reason() == Reason::IsoMissing => Ok(Vec::new()),
            Err(fault) => Err(fault),
        }
    }

    /// What is in a file of `at_most` so many bytes; nothing if there is none.
    ///
    /// # Errors
    /// The faults of a datastore.
    pub async fn read(
        &self,
        op: &str,
        _file: &str,
        _at_most: u64,
    ) -> Result<Option<Vec<u8>>, Fault> {
        Err(self.unfinished(op))
    }

    fn unfinished(&self, op: &str) -> Fault {
        let what = format!("{op}: files of `{}` cannot be changed yet", self.name);
        Fault::new(Reason::FeatureUnsupported, what)
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination")
            .field("vcenter", &self.vcenter.name)
            .field("folder", &self.path(""))
            .finish_non_exhaustive()
    }
}
