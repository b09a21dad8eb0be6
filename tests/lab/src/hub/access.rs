//! How a lab has a hub: one of its own, or its turn at the one that all tests of a process share.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use kube::{Client, ResourceExt as _};
use tempfile::TempDir;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::Hub;
use crate::certificates::Certificates;
use crate::error::{Doing as _, Error, Result};
use crate::process::{Recorded, Sweeper};
use crate::tools::Paths;

/// Which hub a lab has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubKind {
    /// None.
    None,
    /// The one that the labs of this process use one after the other.
    Shared,
    /// One that starts and ends with the lab.
    Own,
}

/// A hub that this lab may use.
pub struct Access {
    held: Held,
    client: Client,
}

#[derive(Debug)]
enum Held {
    Own(Box<Hub>),
    Turn(OwnedMutexGuard<Option<Shared>>),
}

/// The hub of all labs of this process, which nobody drops: statics are not.
#[derive(Debug)]
struct Shared {
    hub: Hub,
    _folder: TempDir,
    _sweeper: Sweeper,
}

static SHARED: LazyLock<Arc<Mutex<Option<Shared>>>> = LazyLock::new(Arc::default);

impl Access {
    /// A hub of one's own.
    pub(crate) async fn own(hub: Hub) -> Result<Self> {
        let client = hub.client().await?;
        Ok(Self {
            held: Held::Own(Box::new(hub)),
            client,
        })
    }

    /// Waits for its turn at the shared hub, which is started when it is the first.
    ///
    /// One at a time: a controller acts on the whole hub, and two would act on each other's
    /// templates.
    pub(crate) async fn shared(tools: &Paths, manifests: &Path) -> Result<Self> {
        let mut turn = Arc::clone(&SHARED).lock_owned().await;
        if turn.is_none() {
            *turn = Some(Shared::start(tools, manifests).await?);
        }
        let held = Held::Turn(turn);
        // A client belongs to the runtime that made it, and each test has one of its own.
        let client = held.hub()?.client().await?;
        super::manifests::clear(&tools.kubectl, held.hub()?.kubeconfig()).await?;
        Ok(Self { held, client })
    }

    /// A client of the hub.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The file for `KUBECONFIG`.
    pub(crate) fn kubeconfig(&self) -> &Path {
        match &self.held {
            Held::Own(hub) => hub.kubeconfig(),
            Held::Turn(turn) => turn
                .as_ref()
                .map_or(Path::new(""), |shared| shared.hub.kubeconfig()),
        }
    }

    /// Its processes, for another run of the lab.
    pub(crate) fn record(&self) -> Result<Vec<Recorded>> {
        self.held.hub()?.record()
    }

    /// The hub's id, as the controller finds it.
    pub(crate) async fn id(&self) -> Result<String> {
        id(&self.client).await
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Access")
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

impl Held {
    fn hub(&self) -> Result<&Hub> {
        match self {
            Self::Own(hub) => Ok(hub),
            Self::Turn(turn) => turn
                .as_ref()
                .map(|shared| &shared.hub)
                .ok_or(Error::Missing("shared hub")),
        }
    }
}

impl Shared {
    async fn start(tools: &Paths, manifests: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("hcp-hub-").tempdir();
        let folder = folder.doing("making", Path::new("a temporary folder"))?;
        let sweeper = Sweeper::over(folder.path())?;
        let certificates = Certificates::make(&folder.path().join("certificates"))?;
        let hub = Hub::start(tools, &certificates, folder.path()).await?;
        hub.apply_folder(tools, manifests).await?;
        Ok(Self {
            hub,
            _folder: folder,
            _sweeper: sweeper,
        })
    }
}

/// The UID of the namespace `kube-system`, which the API server makes soon after its start.
pub async fn id(client: &Client) -> Result<String> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let within = std::time::Duration::from_secs(30);
    let there = |namespace: Option<&Namespace>| namespace.is_some();
    let found = crate::wait_for(namespaces, "kube-system", within, there).await?;
    found
        .and_then(|namespace| namespace.uid())
        .ok_or(Error::Missing("namespace kube-system"))
}
