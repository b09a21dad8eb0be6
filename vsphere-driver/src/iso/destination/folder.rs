//! The folder: what it is really called, and making it.
//!
//! On vSAN and on virtual volumes a folder at the top is an object of the storage. It is called by a
//! UUID and shown under the name that it was asked for; only the file service and machines insist on
//! the UUID, so it is used everywhere.

use super::Destination;
use crate::{
    inventory::TopFolders,
    soap::{Element, MoRef, datastore::FoundFiles},
    vcenter::session::{Current, Failure},
    vim::Vim,
};
use contract::v1::{Fault, Reason};

impl Destination {
    /// The folder as it is really called. Nothing: it is an object that is not there.
    pub(super) async fn real_folder(&self, op: &str) -> Result<Option<String>, Fault> {
        if self.top_folders == TopFolders::Plain {
            return Ok(Some(self.folder.clone()));
        }
        if let Some(real) = self.real.get() {
            return Ok(Some(real.clone()));
        }
        let (top, below) = split(&self.folder);
        let found = self.search(op, &format!("[{}]", self.name)).await?;
        let real = found.and_then(|result| shown_as(&result, top));
        Ok(real.map(|real| self.is_called(&real, below)))
    }

    /// Has the folder there.
    pub(super) async fn make_folder(&self, op: &str) -> Result<(), Fault> {
        let (top, below) = split(&self.folder);
        let real = match self.real_folder(op).await? {
            Some(real) => real,
            None => self.make_top(op, top, below).await?,
        };
        if self.top_folders == TopFolders::Objects && below.is_empty() {
            return Ok(());
        }
        let path = format!("[{}] {real}", self.name);
        let make = |vim: Vim, now: Current| {
            let (path, datacenter) = (path.clone(), self.datacenter.clone());
            async move {
                let manager = &now.content.file_manager;
                vim.make_directory(manager, &path, &datacenter).await
            }
        };
        // Made a second time it is there, which is as good.
        match self.vcenter.session.look(op, make).await {
            Ok(()) => Ok(()),
            Err(failure) if failure.is_fault("FileAlreadyExists") => Ok(()),
            Err(failure) => Err(self.not_made(&failure)),
        }
    }

    /// Makes the object that is shown under this name, and gives the folder as it is called then.
    async fn make_top(&self, op: &str, top: &str, below: &str) -> Result<String, Fault> {
        let create = |vim: Vim, now: Current| {
            let (datastore, name) = (self.datastore.clone(), top.to_owned());
            async move {
                match &now.content.namespace_manager {
                    Some(manager) => {
                        let created = vim.create_namespace(manager, &datastore, &name);
                        created.await.map(Some)
                    }
                    None => Ok(None),
                }
            }
        };
        let called = match self.vcenter.session.run(op, create).await {
            Ok(made) => made.as_deref().and_then(last_name).map(str::to_owned),
            // Others made it, or nobody knows: then it is looked for.
            Err(failure)
                if failure.is_fault("FileAlreadyExists") || !failure.certainly_not_run() =>
            {
                return self
                    .real_folder(op)
                    .await?
                    .ok_or_else(|| self.not_made(&failure));
            }
            Err(failure) => return Err(self.not_made(&failure)),
        };
        match called {
            Some(real) => Ok(self.is_called(&real, below)),
            None => Err(self.folder_failed("vCenter does not say what it is called")),
        }
    }

    fn is_called(&self, real: &str, below: &str) -> String {
        let folder = if below.is_empty() {
            real.to_owned()
        } else {
            format!("{real}/{below}")
        };
        // Whoever was first found the same.
        self.real.get_or_init(|| folder).clone()
    }

    /// What is in a folder, `[datastore] folder`. Nothing: there is no such folder.
    pub(super) async fn search(&self, op: &str, folder: &str) -> Result<Option<Element>, Fault> {
        let doing = format!("listing `{folder}`");
        let search = self.vcenter.session.look(op, |vim, _| {
            let (browser, folder): (MoRef, _) = (self.browser.clone(), folder.to_owned());
            async move { vim.search_datastore(&browser, &folder, "*").await }
        });
        let task = search
            .await
            .map_err(|failure| self.vcenter.explain(&failure, &doing))?;
        match self.vcenter.outcome(&task, &doing).await {
            Err(fault) if fault.reason() == Reason::IsoMissing => Ok(None),
            outcome => outcome,
        }
    }

    fn not_made(&self, failure: &Failure) -> Fault {
        let doing = format!("making the folder `{}`", self.path(""));
        let fault = self.vcenter.explain(failure, &doing);
        match fault.reason() {
            // What vCenter says of files is about the folder here.
            Reason::VsphereFault | Reason::IsoMissing | Reason::IsoInUse => {
                let folder_failed = self.folder_failed(&fault.message);
                folder_failed.because_of(fault.vsphere_fault)
            }
            _ => self.complete(fault, ""),
        }
    }

    pub(super) fn folder_failed(&self, problem: &str) -> Fault {
        let folder = self.path("");
        let what = format!("the folder `{folder}` cannot be used: {problem}");
        self.complete(Fault::new(Reason::DatastoreFolderFailed, what), "")
    }
}

/// The folder at the top, and what is below it.
fn split(folder: &str) -> (&str, &str) {
    folder.split_once('/').unwrap_or((folder, ""))
}

/// The last name of a path that may end with a slash.
fn last_name(path: &str) -> Option<&str> {
    path.rsplit('/').find(|name| !name.is_empty())
}

/// The name of a folder at the top that is shown as `name`.
fn shown_as(top: &Element, name: &str) -> Option<String> {
    let is = |path: &str, file: &Element| path == name || file.str("friendlyName") == Some(name);
    let mut files = top.all("file");
    files.find_map(|file| {
        let path = file.str("path")?;
        is(path, file).then(|| path.to_owned())
    })
}

/// The files of a result.
pub(super) fn files(result: Option<Element>) -> Vec<crate::soap::datastore::FoundFile> {
    result
        .map(|result| FoundFiles::of(&result).files)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, shown: Option<&str>) -> Element {
        let path = Element::leaf("path", path);
        let shown = shown.map(|name| Element::leaf("friendlyName", name));
        Element::parent("file", [path].into_iter().chain(shown).collect())
    }

    #[test]
    fn a_folder_is_found_under_the_name_that_it_is_shown_as() {
        let top = Element::parent(
            "val",
            vec![
                entry("5d2f", Some("machines")),
                entry("7ac1", Some("isos")),
                entry("plain", None),
            ],
        );
        for (name, real) in [
            ("isos", Some("7ac1")),
            ("plain", Some("plain")),
            ("is", None),
        ] {
            assert_eq!(shown_as(&top, name).as_deref(), real, "{name}");
        }
    }

    #[test]
    fn a_folder_is_called_by_the_end_of_its_path() {
        for (path, name) in [
            ("/vmfs/volumes/vsan:52a1-7b/8c3d-11/", Some("8c3d-11")),
            ("/vmfs/volumes/vvol:66/rfc4122.8c3d", Some("rfc4122.8c3d")),
            ("//", None),
        ] {
            assert_eq!(last_name(path), name, "{path}");
        }
        assert_eq!(split("isos/hcp"), ("isos", "hcp"));
        assert_eq!(split("isos"), ("isos", ""));
    }
}
