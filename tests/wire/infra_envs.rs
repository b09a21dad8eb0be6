//! Templates boot the image of an `InfraEnv`, and the next one after it was made anew.

use lab::agents::InfraEnv;
use lab::images::{Content, Image, Trouble};
use lab::{DATASTORE, Lab};
use serde_json::{Value, json};

use crate::hub::{Hub, POOL, condition};
use crate::isos::is_iso;
use crate::zone::PATIENCE;

const SIZE: u64 = 4 << 20;
const READY: &str = "ISOReady";

/// A hub with an InfraEnv, which has no image yet.
struct Site {
    hub: Hub,
    infra_env: InfraEnv,
}

impl Site {
    async fn start() -> Self {
        let hub = Hub::of(Lab::builder().node_pools()).await;
        let credentials = hub.lab.credentials(lab::CREDENTIALS).unwrap();
        hub.lab.apply(&credentials).await.unwrap();
        let infra_env = InfraEnv::new(&hub.lab, "image");
        Self { hub, infra_env }
    }

    fn image(&self, seed: u64) -> Image {
        let content = Content::iso(SIZE, seed);
        self.hub.lab.images().publish(content).unwrap()
    }

    async fn make(&self) {
        let manifest = self.infra_env.manifest();
        self.hub.lab.apply(&manifest).await.unwrap();
    }

    async fn has(&self, image: &Image) {
        let created = self.infra_env.image_created(&self.hub.lab, image);
        created.await.unwrap();
    }

    /// A template of this name that follows the InfraEnv.
    async fn apply(&self, name: &str, replicas: u32) {
        let lab = &self.hub.lab;
        let template = self
            .infra_env
            .followed_by(lab, lab.template(name, replicas));
        lab.apply(&template.unwrap()).await.unwrap();
    }

    /// Waits until the template has this image, and returns its path.
    async fn path(&self, image: &Image) -> String {
        let digits = &image.content().sha256()[..16];
        let has = |template: Option<&Value>| {
            let template = template.unwrap_or(&Value::Null);
            let path = template["status"]["isoPath"].as_str();
            let ready = condition(template, READY).is_some_and(|it| it["status"] == "True");
            ready && path.is_some_and(|path| path.ends_with(&format!("-{digits}.iso")))
        };
        let lab = &self.hub.lab;
        lab.wait_for_template(POOL, PATIENCE, has).await.unwrap();
        let get = [
            "get",
            "vmtemplate",
            POOL,
            "-o",
            "jsonpath={.status.isoPath}",
        ];
        lab.kubectl(&get).await.unwrap().trim().to_owned()
    }

    /// What a machine has in its drive, as govc tells it.
    async fn boots(&self, machine: &str) -> String {
        let info = ["device.info", "-vm", machine, "cdrom-*"];
        let info = self.hub.lab.govc(&info).await.unwrap();
        let file = info["devices"][0]["backing"]["fileName"].as_str();
        file.unwrap_or_default().to_owned()
    }
}

#[tokio::test]
async fn machines_made_after_a_rotation_boot_the_new_image_and_older_ones_keep_theirs() {
    let site = Site::start().await;
    site.make().await;
    let first = site.image(1);
    site.has(&first).await;
    site.apply(POOL, 1).await;
    let old = site.path(&first).await;
    site.hub.ready(1).await;
    assert_eq!(site.boots("pool-n01").await, old);

    let second = site.image(2);
    site.has(&second).await;
    let new = site.path(&second).await;
    site.hub.scale(2).await;
    site.hub.ready(2).await;
    assert_eq!(site.boots("pool-n01").await, old);
    assert_eq!(site.boots("pool-n02").await, new);
    let govc = site.hub.lab.vcenter().govc();
    let file = new.strip_prefix(&format!("[{DATASTORE}] ")).unwrap();
    let sha256 = govc.sha256(DATASTORE, file).await.unwrap();
    assert_eq!(sha256, second.content().sha256());
}

#[tokio::test]
async fn a_template_waits_for_its_infra_env_its_image_and_its_token() {
    let site = Site::start().await;
    site.apply(POOL, 1).await;
    let hub = &site.hub;
    hub.condition(READY, "False", "InfraEnvNotFound").await;
    site.make().await;
    let failed = site.infra_env.image_failed(&hub.lab, "no release image");
    failed.await.unwrap();
    hub.says(READY, "InfraEnvNotReady", "no release image")
        .await;

    let expired = site.image(1);
    expired.always(Trouble::Refused(http::StatusCode::UNAUTHORIZED));
    site.has(&expired).await;
    hub.condition(READY, "False", "ISOSourceExpired").await;
    assert_eq!(hub.machines().await, []);

    let image = site.image(2);
    site.has(&image).await;
    let path = site.path(&image).await;
    hub.ready(1).await;
    assert_eq!(site.boots("pool-n01").await, path);
}

#[tokio::test]
async fn fifty_templates_that_want_one_image_cause_one_transfer() {
    let site = Site::start().await;
    site.make().await;
    let image = site.image(1);
    site.has(&image).await;
    let lab = &site.hub.lab;
    for number in 1..=50 {
        site.apply(&format!("pool-{number}"), 1).await;
    }
    let what = "a machine of each template";
    let made = |machines: &[lab::vcenter::Machine]| machines.len() == 50;
    lab.wait_for_machines(what, PATIENCE, made).await.unwrap();
    assert_eq!(image.counts().gets, 1, "{:?}", image.counts());
    let govc = lab.vcenter().govc();
    let files = govc.files(DATASTORE, "hcp-iso").await.unwrap();
    let isos = files.keys().filter(|name| is_iso(name));
    assert_eq!(isos.count(), 1, "{files:?}");
}

#[tokio::test]
async fn progress_is_said_while_an_image_comes() {
    let site = Site::start().await;
    site.make().await;
    let image = site.image(1);
    image.always(Trouble::Stalled { after: SIZE / 2 });
    site.has(&image).await;
    site.apply(POOL, 1).await;
    site.hub.says(READY, "Uploading", "%").await;
    let get = [
        "get",
        "infraenv",
        "image",
        "-o",
        "jsonpath={.status.isoDownloadURL}",
    ];
    let url = site.hub.lab.kubectl(&get).await.unwrap();
    assert_eq!(url, image.url(), "the URL is where it was");
    image.calm();
    site.path(&image).await;
    site.hub.patch(&json!({"spec": {"replicas": 0}})).await;
}
