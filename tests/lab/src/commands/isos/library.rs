//! The image of one or several `InfraEnv`s, which is made anew again and again.

use std::time::Duration;

use anyhow::Context as _;
use http::StatusCode;
use lab::Lab;
use lab::agents::InfraEnv;
use lab::images::{Content, Image, Trouble};
use serde_json::Value;

use super::{SIZE, Watch};

/// How long the driver may take to fetch what it has heard of.
const PATIENCE: Duration = Duration::from_mins(2);

/// `InfraEnv`s with the image that all of them have now.
pub(in crate::commands) struct Library {
    infra_envs: Vec<InfraEnv>,
    image: Image,
    /// That of the content that it holds; each is another.
    seed: u64,
    /// What its files are known by: the first digits of the content's SHA-256.
    digits: String,
    /// How many transfers had stood still before the present one.
    stalled: u64,
}

// === impl Library ===

impl Library {
    /// Makes the `InfraEnv`s, whose first image is not told of yet.
    pub(in crate::commands) async fn open(
        lab: &Lab,
        infra_envs: Vec<InfraEnv>,
        watch: &Watch,
    ) -> anyhow::Result<Self> {
        for infra_env in &infra_envs {
            lab.apply(&infra_env.manifest()).await?;
        }
        let content = content(1, watch);
        Ok(Self {
            infra_envs,
            digits: digits(&content),
            image: lab.images().publish(content)?,
            seed: 1,
            stalled: 0,
        })
    }

    /// Nothing goes wrong with it any more.
    pub(in crate::commands) fn calm(&self) {
        self.image.calm();
    }

    /// Its token is good no more.
    pub(in crate::commands) fn expire(&self) {
        let refused = Trouble::Refused(StatusCode::UNAUTHORIZED);
        self.image.always(refused);
    }

    /// Has the connection break once, after so many bytes.
    pub(in crate::commands) fn break_once(&self, after: u64) {
        self.image.once(Trouble::Broken { after });
    }

    /// Makes another image, under another URL, without telling of it.
    pub(in crate::commands) fn publish(&mut self, lab: &Lab, watch: &Watch) -> anyhow::Result<()> {
        let content = self.next(watch);
        self.image = lab.images().publish(content)?;
        Ok(())
    }

    /// Puts another image behind the same URL, without telling of it.
    pub(in crate::commands) fn change(&mut self, watch: &Watch) {
        let content = self.next(watch);
        self.image.change(content);
    }

    fn next(&mut self, watch: &Watch) -> Content {
        self.seed += 1;
        let content = content(self.seed, watch);
        self.digits = digits(&content);
        content
    }

    /// Tells of the image.
    pub(in crate::commands) async fn tell(&self, lab: &Lab) -> anyhow::Result<()> {
        for infra_env in &self.infra_envs {
            infra_env.image_created(lab, &self.image).await?;
        }
        Ok(())
    }

    /// Has each transfer stand still after so many bytes, until the image is calmed.
    pub(in crate::commands) fn stall(&mut self, after: u64) {
        self.stalled = self.image.counts().stalled;
        self.image.always(Trouble::Stalled { after });
    }

    /// Waits until a transfer stands still.
    pub(in crate::commands) async fn stalled(&self) -> anyhow::Result<()> {
        let stalled = self.image.until(|counts| counts.stalled > self.stalled);
        let waited = tokio::time::timeout(PATIENCE, stalled).await;
        waited.context("the image was not fetched")
    }

    /// Whether a template says that its machines boot the image that there is now.
    pub(in crate::commands) fn is_booted_by(&self, template: &Value) -> bool {
        let status = &template["status"];
        let conditions = status["conditions"].as_array().into_iter().flatten();
        let mut ready = conditions.filter(|it| it["type"] == "ISOReady" && it["status"] == "True");
        let path = status["isoPath"].as_str().unwrap_or_default();
        ready.next().is_some() && path.contains(&self.digits)
    }
}

fn content(seed: u64, watch: &Watch) -> Content {
    let content = Content::iso(SIZE, seed);
    // Before anybody can fetch it.
    watch.know(&content);
    content
}

fn digits(content: &Content) -> String {
    content.sha256()[..16].to_owned()
}
