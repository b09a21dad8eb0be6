//! The ISO: made by the installer for an `InfraEnv`, brought to the datastore by the driver.

use anyhow::{Context as _, ensure};
use lab::agents::InfraEnv;
use lab::images::{Content, Image};
use lab::{DATASTORE, Lab};
use serde_json::Value;

/// Smaller than discovery ISOs are: what is built for debugging takes long to hash them.
const SIZE: u64 = 16 << 20;
/// Where the driver puts it.
const FOLDER: &str = "hcp-iso";

/// An `InfraEnv` with its image.
pub(super) struct Discovery {
    infra_env: InfraEnv,
    image: Image,
}

impl Discovery {
    /// Does what a person and then the installer does. Each seed gives another image.
    pub(super) async fn made(lab: &Lab, infra_env: InfraEnv, seed: u64) -> anyhow::Result<Self> {
        let image = lab.images().publish(Content::iso(SIZE, seed))?;
        lab.apply(&infra_env.manifest()).await?;
        infra_env.image_created(lab, &image).await?;
        Ok(Self { infra_env, image })
    }

    /// The evidence for it.
    pub(super) fn evidence(&self) -> String {
        let InfraEnv { namespace, name } = &self.infra_env;
        let url = self.image.masked();
        format!("kubectl: InfraEnv {namespace}/{name} with {url}")
    }

    /// A template that boots it.
    pub(super) fn booted_by(&self, lab: &Lab, template: Value) -> anyhow::Result<Value> {
        Ok(self.infra_env.followed_by(lab, template)?)
    }

    /// The `InfraEnv` goes: machines that boot after this are none of its.
    pub(super) async fn removed(&self, lab: &Lab) -> anyhow::Result<()> {
        let InfraEnv { namespace, name } = &self.infra_env;
        lab.kubectl(&["--namespace", namespace, "delete", "infraenv", name])
            .await?;
        Ok(())
    }

    /// It lies on the datastore, whole, and was fetched once.
    pub(super) async fn is_stored(&self, lab: &Lab) -> anyhow::Result<String> {
        let path = self.path(lab).await?;
        Ok(format!(
            "govc: {path}, the bytes of the image, fetched once"
        ))
    }

    /// The same, and all machines have it in their drives, which they have until they are installed.
    pub(super) async fn is_booted(&self, lab: &Lab) -> anyhow::Result<String> {
        let path = self.path(lab).await?;
        let govc = lab.vcenter().govc();
        for machine in govc.machines().await? {
            let info = ["device.info", "-vm", &machine.name, "cdrom-*"];
            let info = govc.json(&info).await?;
            let booted = &info["devices"][0]["backing"]["fileName"];
            ensure!(*booted == path.as_str(), "{} has {booted}", machine.name);
        }
        Ok(format!(
            "govc: {path}, the bytes of the image, fetched once; in the drive of each machine"
        ))
    }

    /// Where it lies, after a look at it.
    async fn path(&self, lab: &Lab) -> anyhow::Result<String> {
        let govc = lab.vcenter().govc();
        let sha256 = self.image.content().sha256();
        let files = govc.files(DATASTORE, FOLDER).await?;
        let named = format!("-{}.iso", &sha256[..16]);
        let name = files.keys().find(|name| name.ends_with(&named));
        let name = name.context("no ISO on the datastore is named after the image")?;
        let file = format!("{FOLDER}/{name}");
        let found = govc.sha256(DATASTORE, &file).await?;
        ensure!(found == sha256, "{file} holds something else");
        let gets = self.image.counts().gets;
        ensure!(gets == 1, "the image was fetched {gets} times");
        Ok(format!("[{DATASTORE}] {file}"))
    }
}
