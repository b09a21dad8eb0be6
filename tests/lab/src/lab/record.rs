//! What a lab tells of itself to other processes.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::Lab;
use crate::error::{Doing as _, Result};
use crate::files;
use crate::process::Recorded;

impl Lab {
    /// Its processes.
    pub fn record(&self) -> Result<Vec<Recorded>> {
        let mut processes = Vec::new();
        if let Some(controller) = &self.controller {
            processes.push(controller.record()?);
        }
        if let Some(driver) = &self.driver {
            processes.push(driver.record()?);
        }
        for site in &self.sites {
            processes.push(site.vcenter.record()?);
        }
        if let Some(hub) = &self.hub {
            processes.extend(hub.record()?);
        }
        Ok(processes)
    }

    /// Makes a folder with links to all tools and to the driver, for `PATH`.
    pub fn link_tools(&self) -> Result<PathBuf> {
        let folder = self.folder().join("bin");
        files::create_private_folder(&folder)?;
        let tools = &self.tools;
        let driver = self.driver.as_ref();
        let driver = driver.map(|driver| ("vsphere-driver", driver.program()));
        let tools = [
            ("etcd", &*tools.etcd),
            ("kube-apiserver", &tools.kube_apiserver),
            ("kubectl", &tools.kubectl),
            ("grpcurl", &tools.grpcurl),
            ("vcsim", &tools.vcsim),
            ("govc", &tools.govc),
        ];
        for (name, tool) in tools.into_iter().chain(driver) {
            let link = folder.join(name);
            if link.exists() {
                std::fs::remove_file(&link).doing("removing", &link)?;
            }
            symlink(tool, &link).doing("linking", &link)?;
        }
        Ok(folder)
    }
}
