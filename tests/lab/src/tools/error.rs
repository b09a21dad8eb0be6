//! Why a tool cannot be had.

use std::io;
use std::path::PathBuf;

/// Why a tool can neither be found nor built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A variable names a program that is not there.
    #[error("{variable} names {path}, which is no file; correct it or unset it", path = path.display())]
    NotThere {
        /// The variable.
        variable: &'static str,
        /// What it names.
        path: PathBuf,
    },
    /// There is no folder for the cache.
    #[error("no folder for the lab's tools is known; set HCP_LAB_TOOLS to one")]
    NoCache,
    /// A file or folder could not be read or written.
    #[error("{doing} {path}", path = path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Go could not be started.
    #[error("starting `go`, which builds the lab's tools; install Go 1.26 or newer")]
    NoGo(#[source] io::Error),
    /// Go failed.
    #[error("`go {command}` failed: {stderr}")]
    Go {
        /// What Go was asked to do.
        command: String,
        /// The end of what it wrote to its standard error.
        stderr: String,
    },
    /// Go answered something that it never answered before.
    #[error("reading what `go {command}` wrote")]
    Unreadable {
        /// What Go was asked to do.
        command: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A module's go.mod does not say what the recipe needs.
    #[error("{path} requires no version of {module}", path = path.display())]
    NoVersion {
        /// The go.mod file.
        path: PathBuf,
        /// The module that it should require.
        module: &'static str,
    },
    /// The simulator is not the one whose defects are known.
    #[error(
        "{file} has the text to be mended {found} times instead of once; look at the defect anew:\n{text}"
    )]
    Unmendable {
        /// The file of the module.
        file: &'static str,
        /// How often the text was found.
        found: usize,
        /// The text.
        text: &'static str,
    },
}

/// Says what was being done with a path when it failed.
pub(super) trait Doing<T> {
    /// Adds `doing` and `path` to the error.
    fn doing(self, doing: &'static str, path: impl Into<PathBuf>) -> Result<T, Error>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: impl Into<PathBuf>) -> Result<T, Error> {
        self.map_err(|source| Error::Io {
            doing,
            path: path.into(),
            source,
        })
    }
}
