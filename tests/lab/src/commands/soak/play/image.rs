//! The image is made anew, and another template boots it.

use std::time::Duration;

use anyhow::Context as _;
use kube::ResourceExt as _;
use serde_json::Value;

use super::{NAME, PATIENCE, Player, TWIN};
use crate::commands::soak::plan::{Hitch, Rotation};

/// After it, what is made anew has another time.
const SECOND: Duration = Duration::from_secs(1);

// === impl Player ===

impl Player {
    pub(super) async fn rotate(
        &mut self,
        Rotation { same_url, hitch }: Rotation,
    ) -> anyhow::Result<()> {
        if hitch == Hitch::Expired {
            self.library.publish(&self.lab, &self.watch)?;
            self.library.expire();
            self.library.tell(&self.lab).await?;
            let expired = |template: Option<&Value>| template.is_some_and(has_expired);
            let waited = self.lab.wait_for_template(NAME, PATIENCE, expired).await;
            waited.context("waiting for the token to be refused")?;
        }
        // Behind a URL that is good no more there is never another image.
        if same_url && hitch != Hitch::Expired {
            self.library.change(&self.watch);
        } else {
            self.library.publish(&self.lab, &self.watch)?;
        }
        match hitch {
            Hitch::Nothing | Hitch::Expired => self.library.tell(&self.lab).await,
            Hitch::Broken(after) => {
                self.library.break_once(after);
                self.library.tell(&self.lab).await
            }
            Hitch::Killed(after) => {
                self.library.stall(after);
                self.library.tell(&self.lab).await?;
                self.library.stalled().await?;
                self.kill_driver().await?;
                self.library.calm();
                Ok(())
            }
            Hitch::Overtaken(after) => {
                self.library.stall(after);
                self.library.tell(&self.lab).await?;
                self.library.stalled().await?;
                self.library.change(&self.watch);
                // The installer says when it made an image in whole seconds.
                tokio::time::sleep(SECOND).await;
                self.library.tell(&self.lab).await?;
                self.library.calm();
                Ok(())
            }
        }
    }

    pub(super) async fn twin_comes_or_goes(&mut self) -> anyhow::Result<()> {
        if self.twin.take().is_some() {
            let delete = ["delete", "vmtemplate", TWIN, "--wait=false"];
            self.lab.kubectl(&delete).await?;
        } else {
            let template = self.lab.template(TWIN, 1);
            let template = self.own.followed_by(&self.lab, template)?;
            self.lab.apply(&template).await?;
            self.twin = self.lab.templates()?.get(TWIN).await?.uid();
        }
        Ok(())
    }
}

/// Whether a template says that the token of its image is good no more.
fn has_expired(template: &Value) -> bool {
    let conditions = template["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|it| it["type"] == "ISOReady" && it["reason"] == "ISOSourceExpired")
}
