//! What a lab consists of.

mod start;

use std::path::{Path, PathBuf};

use super::Lab;
use crate::error::Result;
use crate::hub::HubKind;
use crate::services::Profile;

/// Builds a [`Lab`].
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a part that a lab has or has not"
)]
pub struct Builder {
    hub: HubKind,
    driver: bool,
    controller: bool,
    configured_vcenter: bool,
    rpc_proxy: bool,
    vcenters: usize,
    vcenter_arguments: Vec<String>,
    controller_arguments: Vec<String>,
    driver_arguments: Vec<String>,
    hubs: Vec<String>,
    isos: String,
    profile: Profile,
    log: String,
    folder: Option<PathBuf>,
    namespace: Option<String>,
    manifests: Option<PathBuf>,
    node_pools: bool,
    kinds: Option<PathBuf>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            hub: HubKind::Shared,
            driver: true,
            controller: true,
            configured_vcenter: true,
            rpc_proxy: false,
            vcenters: 1,
            vcenter_arguments: Vec::new(),
            controller_arguments: Vec::new(),
            driver_arguments: Vec::new(),
            hubs: vec!["manual".to_owned()],
            isos: String::new(),
            profile: Profile::Debug,
            log: "info".to_owned(),
            folder: None,
            namespace: None,
            manifests: None,
            node_pools: false,
            kinds: None,
        }
    }
}

impl Builder {
    /// No hub, and so no controller.
    pub fn without_hub(self) -> Self {
        Self {
            hub: HubKind::None,
            controller: false,
            ..self
        }
    }

    /// A hub that no other lab uses, before or after.
    pub fn own_hub(self) -> Self {
        Self {
            hub: HubKind::Own,
            ..self
        }
    }

    /// No driver, and so no controller.
    pub fn without_driver(self) -> Self {
        Self {
            driver: false,
            controller: false,
            ..self
        }
    }

    /// No controller.
    pub fn without_controller(self) -> Self {
        Self {
            controller: false,
            ..self
        }
    }

    /// The driver's configuration names no vCenter: it has to be connected by a call.
    pub fn without_configured_vcenter(self) -> Self {
        Self {
            configured_vcenter: false,
            ..self
        }
    }

    /// The controller reaches the driver through a proxy: [`Lab::rpcs`].
    pub fn rpc_proxy(self) -> Self {
        Self {
            rpc_proxy: true,
            ..self
        }
    }

    /// How many vCenters there are; one at least.
    pub fn vcenters(self, vcenters: usize) -> Self {
        Self {
            vcenters: vcenters.max(1),
            ..self
        }
    }

    /// Arguments of the simulator: how much of what it has.
    pub fn vcenter_arguments<A: Into<String>>(
        mut self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        self.vcenter_arguments
            .extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Further arguments of the controller.
    pub fn controller_arguments<A: Into<String>>(
        mut self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        self.controller_arguments
            .extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Further arguments of the driver.
    pub fn driver_arguments<A: Into<String>>(
        mut self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        self.driver_arguments
            .extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Further lines of the driver's configuration of ISOs, TOML: `grace = "1s"`.
    pub fn isos(self, lines: &str) -> Self {
        Self {
            isos: lines.to_owned(),
            ..self
        }
    }

    /// Hub ids that a person may act for, beside `manual` and the lab's own.
    pub fn person_acts_for(mut self, hub: &str) -> Self {
        self.hubs.push(hub.to_owned());
        self
    }

    /// How the services are built.
    pub fn profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// What the services log.
    pub fn log(self, filter: &str) -> Self {
        Self {
            log: filter.to_owned(),
            ..self
        }
    }

    /// Where the files go, to stay there. Without it they go when the lab does.
    pub fn folder(self, folder: &Path) -> Self {
        Self {
            folder: Some(folder.to_owned()),
            ..self
        }
    }

    /// The namespace of the lab, if it shall not be a random one.
    pub fn namespace(self, namespace: &str) -> Self {
        Self {
            namespace: Some(namespace.to_owned()),
            ..self
        }
    }

    /// Manifests for the hub instead of those in `deploy/`.
    pub fn manifests(self, folder: &Path) -> Self {
        Self {
            manifests: Some(folder.to_owned()),
            ..self
        }
    }

    /// A hub that serves the kinds of HyperShift, the assisted installer and Cluster API.
    ///
    /// The shared hub serves them from then on; who needs a hub without them takes
    /// [`own_hub`](Self::own_hub).
    pub fn node_pools(self) -> Self {
        Self {
            node_pools: true,
            ..self
        }
    }

    /// Manifests of those kinds instead of the lab's own.
    pub fn kinds(self, folder: &Path) -> Self {
        Self {
            kinds: Some(folder.to_owned()),
            ..self.node_pools()
        }
    }

    /// Builds what is missing, starts everything, and returns when all of it is ready.
    pub async fn start(self) -> Result<Lab> {
        // A large future, which nobody else shall have to carry around.
        Box::pin(self.start_all()).await
    }
}
