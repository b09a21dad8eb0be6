//! Puts a lab together.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::Builder;
use crate::certificates::Certificates;
use crate::error::{Error, Result};
use crate::hub::{Access, Hub, HubKind, kinds};
use crate::images::Images;
use crate::lab::folder::Folder;
use crate::lab::{Lab, Site, VCENTER};
use crate::proxy::{self, Proxy};
use crate::services::{Binaries, Controller, ControllerSetup, Driver, DriverSetup, configuration};
use crate::tools::{self, Paths};
use crate::vcenter::Vcenter;
use crate::{files, secret};

impl Builder {
    pub(super) async fn start_all(self) -> Result<Lab> {
        let tools = tools::all()
            .await
            .map_err(|error| Error::Tools(Box::new(error)))?;
        let folder = Folder::new(self.folder.as_deref())?;
        let certificates = Certificates::make(&folder.path().join("certificates"))?;
        let hub = self.start_hub(&tools, &certificates, folder.path()).await?;
        let mut sites = Vec::new();
        for number in 1..=self.vcenters {
            sites.push(
                self.start_site(number, &tools, &certificates, folder.path())
                    .await?,
            );
        }
        let namespace = match &self.namespace {
            Some(namespace) => namespace.clone(),
            None => format!("lab-{}", &secret::random()?[..8]),
        };
        let canary = Arc::default();
        let mut lab = Lab {
            controller: None,
            rpcs: None,
            driver: None,
            sites,
            images: Images::start(&certificates, &canary).await?,
            hub,
            namespace,
            certificates,
            tools,
            folder,
            kinds: self.kinds.clone().unwrap_or_else(kinds::folder),
            canary,
        };
        lab.hide_canaries()?;
        self.start_services(&mut lab).await?;
        Ok(lab)
    }

    async fn start_site(
        &self,
        number: usize,
        tools: &Paths,
        certificates: &Certificates,
        folder: &Path,
    ) -> Result<Site> {
        let name = if number == 1 {
            VCENTER.to_owned()
        } else {
            format!("{VCENTER}{number}")
        };
        let vcenter =
            Vcenter::start(&name, tools, certificates, folder, &self.vcenter_arguments).await?;
        let proxy = Proxy::start(proxy::Setup {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            leaf: &certificates.proxy,
            upstream: vcenter.address(),
            authority: &certificates.authority,
        })
        .await?;
        Ok(Site {
            name,
            proxy: Arc::new(proxy),
            vcenter,
        })
    }

    async fn start_hub(
        &self,
        tools: &Paths,
        certificates: &Certificates,
        folder: &Path,
    ) -> Result<Option<Access>> {
        let manifests = self
            .manifests
            .clone()
            .unwrap_or_else(|| files::workspace().join("deploy"));
        match self.hub {
            HubKind::None => Ok(None),
            HubKind::Shared => Access::shared(tools, &manifests).await.map(Some),
            HubKind::Own => {
                let hub = Hub::start(tools, certificates, folder).await?;
                hub.apply_folder(tools, &manifests).await?;
                Access::own(hub).await.map(Some)
            }
        }
    }

    async fn start_services(self, lab: &mut Lab) -> Result<()> {
        if lab.hub.is_some() {
            let name = &lab.namespace;
            let namespace =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            lab.apply(&namespace).await?;
            if self.node_pools {
                lab.apply_node_pool_kinds().await?;
            }
        }
        if !self.driver {
            return Ok(());
        }
        let binaries = Binaries::find(self.profile).await?;
        let setup = DriverSetup {
            program: binaries.driver.clone(),
            folder: lab.folder.path().to_owned(),
            certificates: lab.certificates.clone(),
            configuration: self.driver_configuration(lab).await?,
            arguments: self.driver_arguments.clone(),
            log: self.log.clone(),
        };
        lab.driver = Some(Driver::start(setup).await?);
        if self.rpc_proxy {
            lab.rpcs = Some(lab.start_rpc_proxy().await?);
        }
        if self.controller && lab.hub.is_some() {
            let mut setup = lab.controller_setup("controller", &binaries)?;
            setup.arguments = self.controller_arguments;
            setup.log = self.log;
            lab.controller = Some(Controller::start(setup).await?);
        }
        Ok(())
    }

    async fn driver_configuration(&self, lab: &Lab) -> Result<String> {
        let mut hubs = self.hubs.clone();
        if let Some(hub) = &lab.hub {
            hubs.push(hub.id().await?);
        }
        let hubs: Vec<_> = hubs.iter().map(String::as_str).collect();
        let sites = if self.configured_vcenter {
            lab.sites.as_slice()
        } else {
            &[]
        };
        let authority = lab.certificates.authority.as_path();
        let vcenters: Vec<_> = sites
            .iter()
            .map(|site| {
                let password = site.vcenter.password_file();
                (
                    site.name.as_str(),
                    site.proxy.address(),
                    password,
                    authority,
                )
            })
            .collect();
        Ok(configuration(&hubs, &self.isos, &vcenters))
    }
}

impl Lab {
    async fn start_rpc_proxy(&self) -> Result<Arc<Proxy>> {
        let setup = proxy::Setup {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            leaf: &self.certificates.proxy,
            upstream: self.driver()?.address(),
            authority: &self.certificates.authority,
        };
        let proxy = Proxy::start_for_rpcs(setup, &self.certificates.controller);
        proxy.await.map(Arc::new)
    }

    /// How a controller of this lab is started; for a second one beside the first.
    pub fn controller_setup(&self, name: &str, binaries: &Binaries) -> Result<ControllerSetup> {
        Ok(ControllerSetup {
            name: name.to_owned(),
            program: binaries.controller.clone(),
            folder: self.folder.path().to_owned(),
            certificates: self.certificates.clone(),
            kubeconfig: self.access()?.kubeconfig().to_owned(),
            driver: match &self.rpcs {
                Some(proxy) => proxy.address(),
                None => self.driver()?.address(),
            },
            namespace: self.namespace.clone(),
            arguments: Vec::new(),
            log: "info".to_owned(),
        })
    }
}
