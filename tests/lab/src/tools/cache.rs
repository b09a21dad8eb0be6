//! The folder where built tools are kept.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::error::{Doing as _, Error};
use super::recipe::Recipe;

/// A folder with a folder for each version and recipe of a tool.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache in `folder`, which need not be there yet.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The tool, if it was built already.
    pub(super) fn find(&self, recipe: &Recipe) -> Option<PathBuf> {
        let path = self.place(recipe).join(recipe.tool.name());
        path.is_file().then_some(path)
    }

    /// Waits until no other process builds, and keeps the others from it.
    ///
    /// The lock ends with the file that is returned, or with the process.
    pub(super) async fn lock(&self) -> Result<File, Error> {
        fs::create_dir_all(&self.folder).doing("making", &self.folder)?;
        let path = self.folder.join("lock");
        let file = File::create(&path).doing("opening", &path)?;
        if file.try_lock().is_ok() {
            return Ok(file);
        }
        tracing::info!("Waiting for another process that builds the lab's tools");
        let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
        locked
            .map_err(io::Error::other)
            .flatten()
            .doing("locking", &path)
    }

    /// An empty folder on the same file system, gone when it is dropped.
    pub(super) fn workplace(&self) -> Result<tempfile::TempDir, Error> {
        let builder = tempfile::Builder::new()
            .prefix(".building-")
            .tempdir_in(&self.folder);
        builder.doing("making a folder in", &self.folder)
    }

    /// Keeps the tool that was built in `folder`, and returns its path.
    pub(super) fn keep(&self, recipe: &Recipe, folder: &Path) -> Result<PathBuf, Error> {
        let place = self.place(recipe);
        // A whole folder appears at once or not at all, so that nobody starts half a program.
        fs::rename(folder, &place).doing("moving a tool to", &place)?;
        Ok(place.join(recipe.tool.name()))
    }

    fn place(&self, recipe: &Recipe) -> PathBuf {
        let Recipe {
            tool,
            version,
            digest,
            folder: _,
        } = recipe;
        self.folder
            .join(format!("{}-{version}-{digest}", tool.name()))
    }
}
