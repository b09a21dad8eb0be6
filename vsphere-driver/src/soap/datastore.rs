//! Files on datastores.

use super::{Client, Element, Error, Method, MoRef, Request};

/// What a search found in one folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundFiles {
    /// The folder: `[datastore] folder/`.
    pub folder_path: String,
    /// The files in it that match.
    pub files: Vec<FoundFile>,
}

/// A file on a datastore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// Its path within the folder.
    pub path: String,
    /// Its size in bytes, if the datastore says.
    pub size: Option<i64>,
}

// === impl FoundFile ===

impl FoundFile {
    /// Its size in bytes, if the datastore says one that can be.
    pub fn size_bytes(&self) -> Option<u64> {
        u64::try_from(self.size?).ok()
    }
}

// === impl FoundFiles ===

impl FoundFiles {
    /// Of the result of the task: a `HostDatastoreBrowserSearchResults`.
    pub fn of(result: &Element) -> Self {
        let files = result.all("file").filter_map(|file| {
            Some(FoundFile {
                path: file.str("path")?.to_owned(),
                size: file.i64("fileSize"),
            })
        });
        Self {
            folder_path: result.str("folderPath").unwrap_or_default().to_owned(),
            files: files.collect(),
        }
    }
}

/// The request of [`Client::search_datastore`].
pub fn search_datastore(browser: &MoRef, folder: &str, pattern: &str) -> Request {
    Request::new(Method::SearchDatastore, browser).with(|w| {
        w.leaf("datastorePath", folder).el("searchSpec", |w| {
            w.el("details", |w| {
                w.leaf("fileType", false)
                    .leaf("fileSize", true)
                    .leaf("modification", false)
                    .leaf("fileOwner", false);
            })
            .leaf("matchPattern", pattern);
        });
    })
}

// === impl Client ===

impl Client {
    /// Looks for files in one folder, `[datastore] folder`, whose names match a pattern with `*` and
    /// `?`. Gives the task, whose result is a [`FoundFiles`]; a folder that is missing fails it with
    /// `FileNotFound`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn search_datastore(
        &self,
        browser: &MoRef,
        folder: &str,
        pattern: &str,
    ) -> Result<MoRef, Error> {
        self.object(search_datastore(browser, folder, pattern))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::replies;

    #[test]
    fn found_files_have_path_and_size() {
        let file = |path: &str| FoundFile {
            path: path.into(),
            size: Some(4096),
        };
        assert_eq!(
            FoundFiles::of(&replies::property("files", "info.result")),
            FoundFiles {
                folder_path: "[LocalDS_0]".into(),
                files: vec![file("n0000"), file("n0001")],
            }
        );
    }
}
