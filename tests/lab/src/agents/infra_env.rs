//! `InfraEnv`s: what assisted-service says of the image that it made for one.

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::hub::Kind;
use super::now;
use crate::Lab;
use crate::error::Result;
use crate::images::Image;

/// An InfraEnv, which a person makes, and whose image appears some time later.
#[derive(Debug, Clone)]
pub struct InfraEnv {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl InfraEnv {
    /// One in the lab's namespace.
    pub fn new(lab: &Lab, name: &str) -> Self {
        Self {
            namespace: lab.namespace().to_owned(),
            name: name.to_owned(),
        }
    }

    /// The object as a person writes it.
    pub fn manifest(&self) -> Value {
        json!({
            "apiVersion": "agent-install.openshift.io/v1beta1",
            "kind": "InfraEnv",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {"pullSecretRef": {"name": "pull-secret"}},
        })
    }

    /// A template that takes its ISO from it.
    pub fn followed_by(&self, lab: &Lab, mut template: Value) -> Result<Value> {
        template["spec"]["agentISO"] = json!({
            "type": "infraEnv",
            "infraEnv": {"name": self.name, "namespace": self.namespace},
            "caBundle": lab.images().authority()?,
        });
        Ok(template)
    }

    /// Its image was made, or made anew after an edit: from now on it is this one.
    pub async fn image_created(&self, lab: &Lab, image: &Image) -> Result<()> {
        let status = json!({
            "isoDownloadURL": image.url(),
            "createdTime": now(),
            "conditions": [image_created("True", "ImageCreated", "Image has been created")],
        });
        self.say(lab, &status).await
    }

    /// Its image could not be made; there is none any more.
    pub async fn image_failed(&self, lab: &Lab, why: &str) -> Result<()> {
        let message = format!("Failed to create image: {why}");
        let status = json!({
            "isoDownloadURL": null,
            "createdTime": null,
            "conditions": [image_created("False", "ImageCreationError", &message)],
        });
        self.say(lab, &status).await
    }

    async fn say(&self, lab: &Lab, status: &Value) -> Result<()> {
        let kind = Kind::InfraEnv.resource();
        let api: Api<DynamicObject> = Api::namespaced_with(lab.client()?, &self.namespace, &kind);
        let patch = Patch::Merge(json!({"status": status}));
        api.patch_status(&self.name, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }
}

fn image_created(status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": "ImageCreated",
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": now(),
    })
}
