//! Where the files of one lab lie.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Doing as _, Result};
use crate::files;

/// A folder that goes with the lab, or one that stays.
#[derive(Debug)]
pub(super) enum Folder {
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Folder {
    pub(super) fn new(kept: Option<&Path>) -> Result<Self> {
        if let Some(path) = kept {
            files::create_private_folder(path)?;
            return Ok(Self::Kept(path.to_owned()));
        }
        let temporary = tempfile::Builder::new().prefix("hcp-lab-").tempdir();
        temporary
            .map(Self::Temporary)
            .doing("making", Path::new("a temporary folder"))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(folder) => folder,
        }
    }
}
