//! The configuration file: who may call, the vCenters with fixed names, and where ISOs come from.

mod file;
mod iso;
mod password;

pub use self::{
    iso::IsoConfig,
    password::{InvalidPassword, read_password},
};

use crate::edge::client::AllowedClient;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What the configuration file says, checked. Without a file: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Who may call over mutual TLS. Empty: nobody.
    pub allowed_clients: Vec<AllowedClient>,
    /// The vCenters with fixed names.
    pub vcenters: Vec<VcenterConfig>,
    /// ISOs.
    pub iso: IsoConfig,
}

/// A vCenter with a fixed name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VcenterConfig {
    /// What requests call it; unique.
    pub name: String,
    /// `host`, `host:port` or `https://host:port/sdk`.
    pub server: String,
    /// Who logs in.
    pub username: String,
    /// The file with the password, for [`read_password`]: read at each login, so that it can be changed.
    pub password_file: PathBuf,
    /// Which certificate is accepted.
    pub trust: Trust,
}

/// Which certificate of a vCenter is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// One that the authorities of this system have signed.
    System,
    /// One that the authorities in this PEM file have signed.
    CaFile(PathBuf),
    /// Exactly the one with this SHA-256.
    Sha256Thumbprint([u8; 32]),
    /// Any.
    Insecure,
}

/// A configuration that the driver refuses to start with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no TOML of the right shape.
    #[error("{}: line {line}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there. Never the line itself: it may hold what should not be logged.
        problem: String,
    },
    /// A field has a value that cannot be.
    #[error("{}: {field} {problem}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field, `vcenters[1].server`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

// === impl Config ===

impl Config {
    /// Reads and checks the file `path`. Relative paths in it begin at its folder.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        file::parse(path, &text)
    }
}
