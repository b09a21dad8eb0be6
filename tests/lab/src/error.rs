//! What can go wrong while a lab is built or used.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a lab could not do what it was asked.
///
/// A lab is used by tests and by people, who can only read what happened: there is one type, and
/// each variant says what was being done and where to look.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or a socket could not be used.
    #[error("{doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A process of the lab ended by itself.
    #[error("{name} ended by itself ({status}); its log is {log}; it ends with:\n{tail}")]
    Ended {
        /// The process.
        name: String,
        /// Its exit status.
        status: String,
        /// Where its output is.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// A command failed.
    #[error("`{command}` failed ({status}): {stderr}")]
    Command {
        /// The program and its arguments.
        command: String,
        /// Its exit status.
        status: String,
        /// What it wrote to its standard error.
        stderr: String,
    },
    /// Something that was waited for did not happen.
    #[error("waited {} s for {what}, in vain", after.as_secs_f32())]
    TimedOut {
        /// What was waited for.
        what: String,
        /// For how long.
        after: Duration,
    },
    /// A tool could not be found or built.
    #[error("having the lab's tools")]
    Tools(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A certificate could not be made.
    #[error("making certificates")]
    Certificate(#[from] rcgen::Error),
    /// A TLS configuration could not be made.
    #[error("configuring TLS")]
    Tls(#[from] rustls::Error),
    /// The hub refused a call.
    #[error("calling the hub")]
    Hub(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The driver could not be called.
    #[error("calling the driver")]
    Driver(#[source] Box<tonic::transport::Error>),
    /// A program answered something that is not what it always answers.
    #[error("reading what {program} said: {said}")]
    Unreadable {
        /// The program.
        program: String,
        /// Its answer.
        said: String,
    },
    /// The lab lacks what was asked of it.
    #[error("this lab has no {0}")]
    Missing(&'static str),
    /// A person asked for something that cannot be.
    #[error("{0}")]
    Refused(String),
}

/// What a function of the lab returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says what was being done with a file when it failed.
pub(crate) trait Doing<T> {
    /// Adds `doing` and `path` to the error.
    fn doing(self, doing: &str, path: &Path) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Io {
            doing: format!("{doing} {}", path.display()),
            source,
        })
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Hub(Box::new(error))
    }
}
