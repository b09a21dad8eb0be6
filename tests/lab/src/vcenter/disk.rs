//! Files of a datastore as they lie on the disk of the simulator: what no API can hide.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Govc;
use crate::error::{Doing as _, Error, Result};
use crate::hexadecimal::hexadecimal;

/// How much of a file is read at once.
const BUFFER: usize = 256 * 1024;

/// A file as it is. Who writes it, or puts another one in its place, leaves one that is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Which file it is on its disk.
    pub inode: u64,
    /// How many bytes it has.
    pub size: u64,
    /// When it was last written, in seconds and nanoseconds.
    pub modified: (i64, i64),
    /// The SHA-256 of its content, as 64 hexadecimal digits.
    pub sha256: String,
}

/// The disk of one datastore.
#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
    /// What was read, by file; it is read again when the file is another or was touched.
    known: BTreeMap<PathBuf, (Touched, Stored)>,
}

/// What changes whenever a file does.
type Touched = (u64, u64, i64, i64, i64, i64);

impl Govc {
    /// The disk behind a datastore of the simulator.
    pub async fn disk(&self, datastore: &str) -> Result<Disk> {
        let info = self.json(&["datastore.info", datastore]).await?;
        let root = info["datastores"][0]["info"]["url"].as_str();
        let root = root.ok_or(Error::Missing("folder of the datastore"))?;
        Ok(Disk::at(Path::new(root)))
    }
}

// === impl Disk ===

impl Disk {
    fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            known: BTreeMap::new(),
        }
    }

    /// The files in a folder, by name. Of a folder that is not there: none.
    pub fn files(&mut self, folder: &str) -> Result<BTreeMap<String, Stored>> {
        let folder = self.root.join(folder);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            entries => entries.doing("listing", &folder)?,
        };
        let mut files = BTreeMap::new();
        for entry in entries {
            let path = entry.doing("listing", &folder)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // One that went between the two is not there.
            if let Some(file) = self.read(&path)? {
                files.insert(name.into_owned(), file);
            }
        }
        self.known.retain(|path, _| path.exists());
        Ok(files)
    }

    fn read(&mut self, path: &Path) -> Result<Option<Stored>> {
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.doing("opening", path)?,
        };
        let is = file.metadata().doing("looking at", path)?;
        if !is.is_file() {
            return Ok(None);
        }
        let touched = touched(&is);
        if let Some((before, stored)) = self.known.get(path)
            && *before == touched
        {
            return Ok(Some(stored.clone()));
        }
        let stored = Stored {
            inode: is.ino(),
            size: is.size(),
            modified: (is.mtime(), is.mtime_nsec()),
            sha256: digest(&mut file).doing("reading", path)?,
        };
        self.known
            .insert(path.to_owned(), (touched, stored.clone()));
        Ok(Some(stored))
    }
}

fn touched(is: &Metadata) -> Touched {
    let (modified, changed) = ((is.mtime(), is.mtime_nsec()), (is.ctime(), is.ctime_nsec()));
    (
        is.ino(),
        is.size(),
        modified.0,
        modified.1,
        changed.0,
        changed.1,
    )
}

fn digest(file: &mut File) -> io::Result<String> {
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; BUFFER]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hexadecimal(&hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_changed_in_whatever_way_is_another() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join("isos").join(name);
        let mut disk = Disk::at(root.path());
        assert_eq!(disk.files("isos").unwrap(), BTreeMap::new());
        fs::create_dir(root.path().join("isos")).unwrap();
        fs::write(path("a"), "one").unwrap();
        let mut look = || disk.files("isos").unwrap().remove("a");
        let first = look().unwrap();
        assert_eq!(first.size, 3);
        assert_eq!(&first.sha256[..8], "7692c3ad");
        assert_eq!(look().as_ref(), Some(&first));

        fs::write(path("a"), "two").unwrap();
        let second = look().unwrap();
        assert_ne!(second.sha256, first.sha256);
        fs::write(path("b"), "two").unwrap();
        fs::rename(path("b"), path("a")).unwrap();
        let third = look().unwrap();
        assert_eq!(third.sha256, second.sha256);
        assert_ne!(third.inode, second.inode);
        fs::remove_file(path("a")).unwrap();
        assert_eq!(look(), None);
    }
}
