//! The programs that a lab runs, found or built from their Go modules.
//!
//! A tool comes from the first of: the variable that names it, `KUBEBUILDER_ASSETS` (which people
//! who use envtest have), the cache, and a build into the cache. The cache is a folder of the
//! user, outside of `target`, and `HCP_LAB_TOOLS` moves it. It holds one folder for each version
//! and recipe of a tool, so that a changed recipe never finds what an older one made.

mod build;
mod cache;
mod error;
mod mend;
mod recipe;
mod search;

use std::path::PathBuf;

pub use error::Error;
pub use recipe::Tool;

use cache::Cache;
use search::Surroundings;

/// Where each tool is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The store of the hub.
    pub etcd: PathBuf,
    /// The hub's API server.
    pub kube_apiserver: PathBuf,
    /// The hub's client for people.
    pub kubectl: PathBuf,
    /// The driver's client for people.
    pub grpcurl: PathBuf,
    /// The simulated vCenter, with its two defects mended.
    pub vcsim: PathBuf,
    /// The vCenter's client for people.
    pub govc: PathBuf,
    /// The bare client that a bench is compared with.
    pub floor: PathBuf,
}

/// Finds every tool, and builds those that are found nowhere.
///
/// The first call on a machine builds for about five minutes on two cores, and says so in the log.
pub async fn all() -> Result<Paths, Error> {
    let surroundings = Surroundings::read();
    let find = |tool| find(tool, &surroundings);
    Ok(Paths {
        etcd: find(Tool::Etcd).await?,
        grpcurl: find(Tool::Grpcurl).await?,
        vcsim: find(Tool::Vcsim).await?,
        govc: find(Tool::Govc).await?,
        floor: find(Tool::Floor).await?,
        kubectl: find(Tool::Kubectl).await?,
        kube_apiserver: find(Tool::KubeApiserver).await?,
    })
}

/// Finds one tool, and builds it if it is found nowhere.
pub async fn one(tool: Tool) -> Result<PathBuf, Error> {
    find(tool, &Surroundings::read()).await
}

async fn find(tool: Tool, surroundings: &Surroundings) -> Result<PathBuf, Error> {
    if let Some(path) = surroundings.given(tool)? {
        return Ok(path);
    }
    let cache = Cache::new(surroundings.cache()?);
    let recipe = recipe::read(tool)?;
    if let Some(path) = cache.find(&recipe) {
        return Ok(path);
    }
    let _lock = cache.lock().await?;
    // Another process may have built it while this one waited for the lock.
    match cache.find(&recipe) {
        Some(path) => Ok(path),
        None => build::build(&recipe, &cache).await,
    }
}
