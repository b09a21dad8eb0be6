//! The hub: etcd and kube-apiserver, and nothing else.
//!
//! No controller-manager runs: owned objects are not collected, namespaces do not end, service
//! accounts get no tokens.

mod access;
mod apiserver;
mod etcd;
pub(crate) mod kinds;
mod manifests;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use self::access::{Access, HubKind, id};
pub(crate) use self::apiserver::AUDIT;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::certificates::Certificates;
use crate::error::{Error, Result};
use crate::process::{Process, Recorded};
use crate::tools::Paths;

/// How often the start is tried when another program took a port in the meantime.
const ATTEMPTS: usize = 3;

/// How often a program that starts is asked whether it is ready.
const LOOK: Duration = Duration::from_millis(50);

/// A running hub.
#[derive(Debug)]
pub struct Hub {
    etcd: Process,
    apiserver: Process,
    kubeconfig: PathBuf,
}

impl Hub {
    /// Starts a hub with its files in `folder`, and returns when it is ready.
    pub async fn start(tools: &Paths, certificates: &Certificates, folder: &Path) -> Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::try_start(tools, certificates, folder).await {
                Err(Error::Ended { .. }) if attempt < ATTEMPTS => attempt += 1,
                result => return result,
            }
        }
    }

    async fn try_start(tools: &Paths, certificates: &Certificates, folder: &Path) -> Result<Self> {
        let (etcd, endpoint) = etcd::start(&tools.etcd, folder).await?;
        let (apiserver, kubeconfig) =
            apiserver::start(&tools.kube_apiserver, certificates, &endpoint, folder).await?;
        Ok(Self {
            etcd,
            apiserver,
            kubeconfig,
        })
    }

    /// A file for `KUBECONFIG`, with an administrator's token.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A new client, with its own connection.
    pub async fn client(&self) -> Result<Client> {
        client(&self.kubeconfig).await
    }

    /// Applies all manifests of `folder`, and waits until their CRDs are established.
    pub async fn apply_folder(&self, tools: &Paths, folder: &Path) -> Result<()> {
        manifests::apply(&tools.kubectl, &self.kubeconfig, folder).await
    }

    /// Its processes, for another run of the lab.
    pub fn record(&self) -> Result<Vec<Recorded>> {
        Ok(vec![self.apiserver.record()?, self.etcd.record()?])
    }
}

/// A client by a kubeconfig file.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig).map_err(|error| Error::Hub(Box::new(error)))?;
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(file, &options)
        .await
        .map_err(|error| Error::Hub(Box::new(error)))?;
    Ok(Client::try_from(config)?)
}

/// Asks again and again until something answers; these programs tell nobody when they are ready.
async fn until<F: Future<Output = bool>>(
    name: &str,
    process: &mut Process,
    within: Duration,
    answers: impl Fn() -> F,
) -> Result<()> {
    let deadline = Instant::now() + within;
    while !answers().await {
        process.must_run()?;
        if Instant::now() > deadline {
            return Err(Error::TimedOut {
                what: format!("{name} to be ready"),
                after: within,
            });
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
