//! What one does in a lab: ask, apply, and wait for what one has seen.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::await_condition;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Lab;
use crate::certificates::Leaf;
use crate::error::{Doing as _, Error, Result};
use crate::grpcurl::Grpcurl;
use crate::hub::AUDIT;

impl Lab {
    /// A client of the hub, an administrator's.
    pub fn client(&self) -> Result<kube::Client> {
        Ok(self.access()?.client().clone())
    }

    /// The file for `KUBECONFIG`.
    pub fn kubeconfig(&self) -> Result<&Path> {
        Ok(self.access()?.kubeconfig())
    }

    /// The hub's id: the UID of its namespace `kube-system`.
    pub async fn hub_id(&self) -> Result<String> {
        self.access()?.id().await
    }

    /// Who has asked the hub for which Secrets, in order: its audit log.
    pub fn secret_requests(&self) -> Result<Vec<Value>> {
        let path = self.kubeconfig()?.with_file_name(AUDIT);
        let log = std::fs::read_to_string(&path).doing("reading", &path)?;
        let events = log.lines().map(serde_json::from_str);
        // The last line may be half written.
        Ok(events.map_while(std::result::Result::ok).collect())
    }

    /// The templates in the lab's namespace.
    pub fn templates(&self) -> Result<Api<DynamicObject>> {
        Ok(Api::namespaced_with(
            self.client()?,
            &self.namespace,
            &template_resource(),
        ))
    }

    /// Runs kubectl in the lab's namespace, and returns what it prints.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = crate::command(&self.tools.kubectl);
        command
            .env("KUBECONFIG", self.access()?.kubeconfig())
            .args(["--namespace", &self.namespace])
            .args(arguments);
        crate::run(command).await
    }

    /// Applies a manifest, as a person would.
    pub async fn apply(&self, manifest: &Value) -> Result<()> {
        // kubectl reads it from a file of mode 0600: it may be a Secret.
        let name = format!("{}.json", crate::secret::random()?);
        let file = self.folder().join(name);
        crate::files::write_private(&file, manifest.to_string())?;
        let path = file.display().to_string();
        let namespace = manifest["metadata"]["namespace"].as_str();
        let place = ["--namespace", namespace.unwrap_or(&self.namespace)];
        let apply = ["apply", "--server-side", "--force-conflicts", "-f", &path];
        let applied = self.kubectl(&[&place[..], &apply[..]].concat()).await;
        let _ = std::fs::remove_file(&file);
        applied.map(drop)
    }

    /// Runs govc, and returns its JSON.
    pub async fn govc(&self, arguments: &[&str]) -> Result<Value> {
        self.vcenter().govc().json(arguments).await
    }

    /// grpcurl with the certificate of a person.
    pub fn grpcurl(&self) -> Result<Grpcurl> {
        self.grpcurl_as(&self.certificates.person)
    }

    /// grpcurl with any certificate.
    pub fn grpcurl_as(&self, leaf: &Leaf) -> Result<Grpcurl> {
        Ok(Grpcurl {
            program: self.tools.grpcurl.clone(),
            authority: self.certificates.authority.clone(),
            leaf: leaf.clone(),
            address: self.driver()?.address(),
            canary: Arc::clone(&self.canary),
        })
    }

    /// Waits until a template is as `reached` says; of a template that is not there it is asked
    /// with `None`.
    pub async fn wait_for_template(
        &self,
        name: &str,
        within: Duration,
        reached: impl Fn(Option<&Value>) -> bool,
    ) -> Result<()> {
        let reached = move |template: Option<&DynamicObject>| match template {
            None => reached(None),
            Some(template) => reached(Some(&whole(template))),
        };
        wait_for(self.templates()?, name, within, reached)
            .await
            .map(drop)
    }

    /// Waits until the machines in vCenter are as `reached` says, and returns them.
    ///
    /// Looks at each change that the proxy sees, and at least twice a second: what is changed past
    /// the proxy counts, too.
    pub async fn wait_for_machines(
        &self,
        what: &str,
        within: Duration,
        reached: impl Fn(&[crate::vcenter::Machine]) -> bool,
    ) -> Result<Vec<crate::vcenter::Machine>> {
        let look = async {
            loop {
                let machines = self.vcenter().govc().machines().await?;
                if reached(&machines) {
                    return Ok(machines);
                }
                let answers = self.proxy().counts().answers();
                let _ = tokio::time::timeout(LOOK, self.proxy().answered_more_than(answers)).await;
            }
        };
        if let Ok(found) = tokio::time::timeout(within, look).await {
            return found;
        }
        let seen = self.vcenter().govc().machines().await?;
        let on = seen.iter().filter(|machine| machine.on).count();
        let what = format!("{what}: vCenter has {}, {on} of them on", seen.len());
        Err(Error::TimedOut {
            what,
            after: within,
        })
    }
}

/// The longest time between two looks at vCenter.
const LOOK: Duration = Duration::from_millis(500);

/// Waits by a watch until an object is as `reached` says, and returns it.
pub async fn wait_for<K>(
    api: Api<K>,
    name: &str,
    within: Duration,
    reached: impl Fn(Option<&K>) -> bool,
) -> Result<Option<K>>
where
    K: kube::Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    match tokio::time::timeout(within, await_condition(api, name, reached)).await {
        Ok(Ok(object)) => Ok(object),
        Ok(Err(error)) => Err(Error::Hub(Box::new(error))),
        Err(_) => Err(Error::TimedOut {
            what: name.to_owned(),
            after: within,
        }),
    }
}

/// Our kind, as kube's dynamic client wants it.
fn template_resource() -> ApiResource {
    let kind = GroupVersionKind::gvk(
        "vmware.hcp.open-cluster-management.io",
        "v1alpha1",
        "VMwareNodePoolTemplate",
    );
    ApiResource::from_gvk_with_plural(&kind, "vmwarenodepooltemplates")
}

/// A dynamic object with its metadata among the rest.
fn whole(object: &DynamicObject) -> Value {
    let mut fields = object.data.as_object().cloned().unwrap_or_else(Map::new);
    let metadata = serde_json::to_value(&object.metadata).unwrap_or_default();
    fields.insert("metadata".to_owned(), metadata);
    Value::Object(fields)
}
