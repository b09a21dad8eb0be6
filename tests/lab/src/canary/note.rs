//! What the searches of all labs came to.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use super::Found;
use crate::error::{Doing as _, Error, Result};
use crate::files;

/// All searches since the notes were cleared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// How many labs ended.
    pub labs: usize,
    /// How much was looked through in all of them.
    pub bytes_searched: usize,
    /// How many secrets there were.
    pub secrets: usize,
    /// Where the texts came from.
    pub origins: Vec<String>,
    /// How many secrets were found.
    pub hits: usize,
    /// Which, and where.
    pub found: Vec<String>,
}

/// Where the notes lie.
fn folder() -> PathBuf {
    files::target().join("canary")
}

/// Notes what was found in one lab.
pub(crate) fn write(found: &Found) -> Result<()> {
    static LABS: AtomicUsize = AtomicUsize::new(0);
    let folder = folder();
    fs::create_dir_all(&folder).doing("making", &folder)?;
    let number = LABS.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("{}-{number}.json", std::process::id()));
    let text = serde_json::to_vec(found).map_err(|error| Error::Refused(error.to_string()))?;
    fs::write(&path, text).doing("writing", &path)
}

/// Forgets all notes.
pub fn clear() -> Result<()> {
    let folder = folder();
    if folder.exists() {
        fs::remove_dir_all(&folder).doing("removing", &folder)?;
    }
    Ok(())
}

/// What all searches since then came to.
pub fn sum_up() -> Result<Summary> {
    let folder = folder();
    let mut summary = Summary::default();
    if !folder.exists() {
        return Ok(summary);
    }
    for entry in fs::read_dir(&folder).doing("listing", &folder)? {
        summary.add(read(&entry.doing("listing", &folder)?.path())?);
    }
    Ok(summary)
}

fn read(path: &Path) -> Result<Found> {
    let text = fs::read(path).doing("reading", path)?;
    serde_json::from_slice(&text).map_err(|_| Error::Unreadable {
        program: path.display().to_string(),
        said: String::from_utf8_lossy(&text).into_owned(),
    })
}

// === impl Summary ===

impl Summary {
    fn add(&mut self, found: Found) {
        self.labs += 1;
        self.bytes_searched += found.bytes_searched;
        self.secrets += found.secrets;
        self.hits += found.hits.len();
        self.found.extend(found.hits);
        self.origins.extend(found.origins);
        self.origins.sort();
        self.origins.dedup();
    }
}
