//! The main job's objects: an ISO file, a Secret, a template.

use serde_json::{Value, json};

use super::{Lab, Site};
use crate::error::{Doing as _, Error, Result};
use crate::vcenter::USERNAME;

/// Name of the Secret that templates name when they name none.
pub const CREDENTIALS: &str = "vsphere-credentials";
/// The datastore that every cluster of the simulator has.
pub const DATASTORE: &str = "LocalDS_0";
/// Where [`Lab::upload_iso`] puts its file.
pub const ISO: &str = "isos/agent.iso";

/// Where the volume descriptor of an ISO 9660 image begins, and how it does.
const DESCRIPTOR: (usize, &[u8]) = (16 * 2048, b"\x01CD001\x01");

impl Lab {
    /// A Secret with which the controller reaches this lab's vCenter.
    pub fn credentials(&self, name: &str) -> Result<Value> {
        let authority = &self.certificates.authority;
        let authority = std::fs::read_to_string(authority).doing("reading", authority)?;
        Ok(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": self.namespace},
            "stringData": {
                "server": self.proxy().address().to_string(),
                "username": USERNAME,
                "password": self.vcenter().password(),
                "cacertificate": authority,
            },
        }))
    }

    /// Puts a small ISO 9660 image on the datastore.
    pub async fn upload_iso(&self) -> Result<String> {
        self.upload_iso_to(self.first_site()).await
    }

    /// The same, in any of several vCenters.
    pub async fn upload_iso_to(&self, site: &Site) -> Result<String> {
        let file = self.folder().join("agent.iso");
        let (begin, magic) = DESCRIPTOR;
        let mut image = vec![0; begin + 2048];
        image[begin..begin + magic.len()].copy_from_slice(magic);
        std::fs::write(&file, image).doing("writing", &file)?;
        let govc = site.vcenter.govc();
        let (folder, _) = ISO
            .split_once('/')
            .ok_or(Error::Missing("folder of ISOs"))?;
        govc.run(&["datastore.mkdir", "-p", "-ds", DATASTORE, folder])
            .await?;
        let local = file.display().to_string();
        govc.run(&["datastore.upload", "-ds", DATASTORE, &local, ISO])
            .await?;
        Ok(format!("[{DATASTORE}] {ISO}"))
    }

    /// A template in test mode, with the smallest machine that the installer takes.
    pub fn template(&self, name: &str, replicas: u32) -> Value {
        json!({
            "apiVersion": "vmware.hcp.open-cluster-management.io/v1alpha1",
            "kind": "VMwareNodePoolTemplate",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "testMode": true,
                "replicas": replicas,
                "nodePoolRef": {"name": name},
                "vSphereCredentials": {"name": CREDENTIALS},
                "vmTemplate": {
                    "datacenter": "DC0",
                    "cluster": "DC0_C0",
                    "datastore": DATASTORE,
                    "network": "VM Network",
                    "numCPUs": 2,
                    "memoryMB": 8192,
                    "diskSizeGB": 20,
                },
                "agentISO": {"type": "datastore", "datastorePath": format!("[{DATASTORE}] {ISO}")},
            },
        })
    }

    /// Applies the credentials and uploads the ISO file: all that a template needs beforehand.
    pub async fn prepare(&self) -> Result<()> {
        self.upload_iso().await?;
        self.apply(&self.credentials(CREDENTIALS)?).await
    }
}
