//! Files of the lab: where they lie, and how secrets are written.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Doing as _, Result};

/// The marker that cargo puts into its target folder.
const CARGO_MARKER: &str = "CACHEDIR.TAG";

/// The workspace that this crate belongs to.
pub fn workspace() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder
        .ancestors()
        .nth(2)
        .unwrap_or(crate_folder)
        .to_owned()
}

/// Cargo's target folder, found from the running program, which lies in it.
pub fn target() -> PathBuf {
    std::env::current_exe()
        .ok()
        .and_then(|program| {
            program
                .ancestors()
                .find(|folder| folder.join(CARGO_MARKER).exists())
                .map(Path::to_owned)
        })
        .unwrap_or_else(|| workspace().join("target"))
}

/// Where the lab of a person keeps its files: `target/lab`, or what `HCP_LAB_FOLDER` says, so that
/// there can be more than one.
pub fn lab_folder() -> PathBuf {
    std::env::var_os("HCP_LAB_FOLDER").map_or_else(|| target().join("lab"), PathBuf::from)
}

/// Writes a file that only its owner may read.
pub fn write_private(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    // Written aside and renamed: who reads it sees all of it or the one before.
    let aside = path.with_extension("part");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&aside)
        .doing("creating", &aside)?;
    file.write_all(content.as_ref()).doing("writing", &aside)?;
    fs::rename(&aside, path).doing("putting into place", path)
}

/// Makes a folder that only its owner may enter, and those above it.
pub fn create_private_folder(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .doing("creating", path)
}
