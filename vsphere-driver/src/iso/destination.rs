//! Where ISOs lie: one folder of one datastore, and what can be done with the files in it.

mod content;
mod folder;
mod refusal;
mod standing;

use crate::{
    inventory::{TopFolders, path},
    soap::{
        Error, MoRef,
        client::files::{RemoteFile, WriteError},
        datastore::FoundFile,
    },
    vcenter::{
        VCenter, privileges,
        session::{Current, Failure},
    },
    vim::Vim,
};
use bytes::Bytes;
use content::Followed;
use contract::v1::{Fault, InventoryObject, Reason};
use futures::stream::BoxStream;
use refusal::Attempt;
use standing::Standing;
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

/// A folder of one datastore. Clones are the same place.
#[derive(Clone)]
pub struct Destination {
    vcenter: Arc<VCenter>,
    datastore: MoRef,
    described: InventoryObject,
    /// As it stands in brackets.
    name: String,
    browser: MoRef,
    datacenter: MoRef,
    /// As vCenter writes it.
    datacenter_path: String,
    folder: String,
    top_folders: TopFolders,
    /// The folder as it is really called, where it is called otherwise.
    real: Arc<OnceLock<String>>,
}

// === impl Destination ===

impl Destination {
    /// This folder of a datastore that is in sight and in service. Nothing is asked of vCenter.
    ///
    /// # Errors
    /// `DATASTORE_UNAVAILABLE`, `DATASTORE_IN_MAINTENANCE`.
    pub fn of(vcenter: &Arc<VCenter>, datastore: &MoRef, folder: &str) -> Result<Self, Fault> {
        vcenter.read(|state| {
            let inventory = &state.inventory;
            let described = inventory.describe(datastore);
            let refused = |reason, problem: &str| {
                let path = &described.path;
                let fault = Fault::new(reason, format!("datastore `{path}` {problem}"));
                fault.with("datastore", path)
            };
            let unavailable = |problem| refused(Reason::DatastoreUnavailable, problem);
            let object = inventory.get(datastore);
            let object = object.ok_or_else(|| unavailable("is no longer in sight"))?;
            if object.in_maintenance {
                return Err(refused(Reason::DatastoreInMaintenance, "is in maintenance"));
            }
            if !object.accessible {
                return Err(unavailable("is not reached by its hosts"));
            }
            let browser = object.browser.clone();
            let browser = browser.ok_or_else(|| unavailable("cannot be looked into"))?;
            let datacenter = inventory.datacenter_of(datastore);
            let datacenter = datacenter.ok_or_else(|| unavailable("is in no datacenter"))?;
            Ok(Self {
                vcenter: Arc::clone(vcenter),
                datastore: datastore.clone(),
                name: path::decode(&object.name),
                browser,
                datacenter: datacenter.clone(),
                datacenter_path: inventory.path(datacenter),
                folder: folder.to_owned(),
                top_folders: object.top_folders,
                real: Arc::default(),
                described,
            })
        })
    }

    /// Tells its vCenter from others, whatever name that goes by.
    pub fn instance(&self) -> String {
        self.vcenter.instance()
    }

    /// The datastore.
    pub fn datastore(&self) -> &MoRef {
        &self.datastore
    }

    /// `[datastore] folder/file`, as a machine's spec names it. Where the folder is really called
    /// otherwise, it is so named once anything was done in it.
    pub fn path(&self, file: &str) -> String {
        let folder = self.real.get().unwrap_or(&self.folder);
        self.path_in(folder, file)
    }

    /// Has the folder there, on a datastore that can be written to. Two who do it at once may make it
    /// twice.
    ///
    /// # Errors
    /// `DATASTORE_FOLDER_FAILED` and the other faults of a datastore.
    pub async fn prepare(&self, op: &str) -> Result<(), Fault> {
        self.refuse(0).await?;
        self.make_folder(op).await
    }

    /// Writes a file of `length` bytes from `chunks`, whose own fault is given back as it is. A file of
    /// this name is written over.
    ///
    /// # Errors
    /// The faults of a datastore; `ISO_TRUNCATED` for another length. Of a file that failed a part may
    /// be there.
    pub async fn write(
        &self,
        op: &str,
        file: &str,
        length: u64,
        chunks: BoxStream<'static, Result<Bytes, Fault>>,
    ) -> Result<(), Fault> {
        // Also renews a session that has ended, before content is on its way that comes only once.
        self.refuse(length).await?;
        let folder = self.real_folder(op).await?;
        let folder = folder.ok_or_else(|| self.folder_failed("it is not there"))?;
        let (vim, now) = self.vcenter.session.enter(op).await?;
        let content = Arc::new(Followed::default());
        let following = Arc::clone(&content).follow(chunks);
        let remote = self.remote(&folder, file);
        let Err(error) = vim.write_file(&remote, length, following).await else {
            return Ok(());
        };
        if let Some(fault) = content.fault() {
            return Err(fault);
        }
        let left = length.saturating_sub(content.taken());
        Err(self.unwritten(&error, &remote, left, now.number).await)
    }

    /// Why a file was not written of which so much was left to write.
    async fn unwritten(
        &self,
        error: &WriteError,
        file: &RemoteFile,
        left: u64,
        session: u64,
    ) -> Fault {
        let doing = format!("writing `{file}`");
        let why = || self.attempt(&doing, |attempt| attempt.unwritten(error));
        match error {
            // Without the privilege, some versions say that there is no session.
            WriteError::Call(call) if call.is_not_authenticated() || is_denied(call) => {
                if let Some(fault) = self.denied().await {
                    return fault;
                }
                if let Err(fault) = self.vcenter.session.renew(session).await {
                    return fault;
                }
                if is_denied(call) {
                    return why();
                }
                let what = format!("{doing}: the session with vCenter ended meanwhile");
                Fault::new(Reason::IsoTruncated, what)
            }
            // A datastore that went away or filled up answers like a broken line.
            WriteError::Call(Error::Busy { .. } | Error::Lost { .. })
            | WriteError::Stalled { .. } => match self.standing().await {
                Ok(now) => now.refusal(&self.described.path, left).unwrap_or_else(why),
                Err(_) => why(),
            },
            WriteError::Call(_) | WriteError::Content(_) | WriteError::Length { .. } => why(),
        }
    }

    /// The fault of a privilege that is missing for files, if one is.
    async fn denied(&self) -> Option<Fault> {
        let datastores = std::slice::from_ref(&self.datastore);
        let missing = privileges::missing_for_isos(&self.vcenter, datastores).await;
        missing.ok()?.first().map(privileges::fault)
    }

    /// Gives a file another name, never that of a file that is there. Repeated: it is done.
    ///
    /// # Errors
    /// `DATASTORE_FILE_EXISTS`, `ISO_MISSING` and the other faults of a datastore.
    pub async fn rename(&self, op: &str, from: &str, to: &str) -> Result<(), Fault> {
        let folder = self.real_folder(op).await?;
        let folder = folder.ok_or_else(|| self.folder_failed("it is not there"))?;
        let paths = [from, to].map(|file| self.path_in(&folder, file));
        let doing = format!("renaming `{}` to `{to}`", paths[0]);
        let rename = |vim: Vim, now: Current| {
            let ([from, to], datacenter) = (paths.clone(), self.datacenter.clone());
            async move {
                let manager = &now.content.file_manager;
                vim.move_file(manager, &from, &to, &datacenter).await
            }
        };
        // Never over another file: done a second time it fails, and the look below tells why.
        let told = match self.vcenter.session.look(op, rename).await {
            Ok(task) => self.vcenter.outcome(&task, &doing).await.map(drop),
            Err(failure) => Err(self.vcenter.explain(&failure, &doing)),
        };
        let Err(fault) = told else { return Ok(()) };
        // It may have been done before, or in vain have been waited for.
        if is_renamed(&self.list(op).await?, from, to) {
            return Ok(());
        }
        let about = if fault.reason() == Reason::IsoMissing {
            from
        } else {
            to
        };
        Err(self.complete(fault, about))
    }

    /// Removes a file. One that is gone is removed.
    ///
    /// # Errors
    /// `ISO_IN_USE` and the other faults of a datastore.
    pub async fn remove(&self, op: &str, file: &str) -> Result<(), Fault> {
        let Some(folder) = self.real_folder(op).await? else {
            return Ok(());
        };
        let path = self.path_in(&folder, file);
        let doing = format!("removing `{path}`");
        let remove = |vim: Vim, now: Current| {
            let (path, datacenter) = (path.clone(), self.datacenter.clone());
            async move {
                let manager = &now.content.file_manager;
                vim.delete_file(manager, &path, &datacenter).await
            }
        };
        // Removed a second time it is gone, which is as good.
        let told = match self.vcenter.session.look(op, remove).await {
            Ok(task) => self.vcenter.outcome(&task, &doing).await.map(drop),
            Err(failure) => Err(self.vcenter.explain(&failure, &doing)),
        };
        match told {
            Err(fault) if fault.reason() == Reason::IsoMissing => Ok(()),
            told => told.map_err(|fault| self.complete(fault, file)),
        }
    }

    /// The files in the folder; a folder that is missing has none.
    ///
    /// # Errors
    /// The faults of a datastore.
    pub async fn list(&self, op: &str) -> Result<Vec<FoundFile>, Fault> {
        let Some(folder) = self.real_folder(op).await? else {
            return Ok(Vec::new());
        };
        let folder = format!("[{}] {folder}", self.name);
        self.search(op, &folder).await.map(folder::files)
    }

    /// What is in a file of `at_most` so many bytes; nothing if there is none.
    ///
    /// # Errors
    /// The faults of a datastore.
    pub async fn read(&self, op: &str, file: &str, at_most: u64) -> Result<Option<Vec<u8>>, Fault> {
        let Some(folder) = self.real_folder(op).await? else {
            return Ok(None);
        };
        let remote = self.remote(&folder, file);
        let at_most = usize::try_from(at_most).unwrap_or(usize::MAX);
        let read = self.vcenter.session.look(op, |vim, _| {
            let remote = remote.clone();
            async move { vim.read_file(&remote, at_most).await }
        });
        let doing = format!("reading `{remote}`");
        read.await.map_err(|failure| match &failure {
            Failure::Call(error) => self.attempt(&doing, |attempt| attempt.refused(error)),
            Failure::NoSession(_) => self.vcenter.explain(&failure, &doing),
        })
    }

    /// How the datastore stands now.
    async fn standing(&self) -> Result<Standing, Fault> {
        let doing = format!("looking at the datastore `{}`", self.described.path);
        let read = self
            .vcenter
            .session
            .retrieve(Standing::filter(&self.datastore));
        let read = read
            .await
            .map_err(|failure| self.vcenter.explain(&failure, &doing))?;
        let gone = || Fault::new(Reason::ObjectGone, format!("{doing}: it is not there"));
        read.first().map(Standing::of).ok_or_else(gone)
    }

    /// Refuses what the datastore cannot take now: a file of so many bytes.
    ///
    /// # Errors
    /// `DATASTORE_FULL` and the other faults of a datastore.
    pub async fn refuse(&self, needed: u64) -> Result<(), Fault> {
        let standing = self.standing().await?;
        match standing.refusal(&self.described.path, needed) {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }

    fn attempt(&self, doing: &str, explain: impl FnOnce(Attempt<'_>) -> Fault) -> Fault {
        explain(Attempt {
            doing,
            server: &self.vcenter.session.server(),
            datastore: &self.described,
            folder: &self.folder,
        })
    }

    /// The fault with what vCenter leaves out, or calls by names of its own.
    fn complete(&self, mut fault: Fault, file: &str) -> Fault {
        let known = fault.reason().row().metadata;
        let is_of_file = matches!(
            fault.reason(),
            Reason::IsoMissing | Reason::IsoInUse | Reason::DatastoreFileExists
        );
        if is_of_file {
            fault = fault.with("path", self.path(file));
        }
        for (key, value) in [
            ("datastore", &self.described.path),
            ("folder", &self.folder),
        ] {
            if known.contains(&key) {
                fault = fault.with(key, value);
            }
        }
        fault
    }

    fn path_in(&self, folder: &str, file: &str) -> String {
        format!("[{}] {folder}/{file}", self.name)
    }

    fn remote(&self, folder: &str, file: &str) -> RemoteFile {
        RemoteFile {
            datacenter: self.datacenter_path.clone(),
            datastore: self.name.clone(),
            path: format!("{folder}/{file}"),
        }
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

fn is_denied(error: &Error) -> bool {
    matches!(error, Error::Refused { status: 403, .. })
}

/// Whether a file has got its new name, by what lies in the folder.
fn is_renamed(files: &[FoundFile], from: &str, to: &str) -> bool {
    let is_there = |name: &str| files.iter().any(|file| file.path == name);
    is_there(to) && !is_there(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_renamed_when_only_its_new_name_is_there() {
        let files = |names: &[&str]| {
            let file = |name: &&str| FoundFile {
                path: (*name).to_owned(),
                size: None,
            };
            names.iter().map(file).collect::<Vec<_>>()
        };
        for (there, renamed) in [
            (&["a.iso"] as &[_], true),
            (&["a.iso", "a.part"], false),
            (&["a.part"], false),
            (&[], false),
        ] {
            assert_eq!(
                is_renamed(&files(there), "a.part", "a.iso"),
                renamed,
                "{there:?}"
            );
        }
    }
}
