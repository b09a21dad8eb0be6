//! The objects of the hub that the simulators act on: watched, and remembered as they were written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::json::{Key, finalizers, is_deleting, key, text};
use crate::error::Result;

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    NodePool,
    HostedCluster,
    InfraEnv,
    Agent,
    AgentMachine,
    Machine,
    MachineDeployment,
    MachineSet,
}

/// All of them.
const KINDS: [Kind; 8] = [
    Kind::NodePool,
    Kind::HostedCluster,
    Kind::InfraEnv,
    Kind::Agent,
    Kind::AgentMachine,
    Kind::Machine,
    Kind::MachineDeployment,
    Kind::MachineSet,
];

/// How many calls of one simulator are under way at once.
pub(super) const CALLS: usize = 16;

/// Objects of one kind.
pub(super) type Objects = BTreeMap<Key, Arc<Value>>;

/// What is known of one kind.
#[derive(Debug, Default)]
struct Known {
    objects: Objects,
    /// When those that are gone went, by the version of the last that was seen of them.
    gone: BTreeMap<Key, u64>,
}

/// The hub as the simulators see it.
#[derive(Clone)]
pub(super) struct Hub {
    client: Client,
    known: Arc<Mutex<BTreeMap<Kind, Known>>>,
    changed: watch::Sender<()>,
}

// === impl Kind ===

impl Kind {
    pub(super) fn resource(self) -> ApiResource {
        let (group, kind) = match self {
            Self::NodePool => ("hypershift.openshift.io", "NodePool"),
            Self::HostedCluster => ("hypershift.openshift.io", "HostedCluster"),
            Self::InfraEnv => ("agent-install.openshift.io", "InfraEnv"),
            Self::Agent => ("agent-install.openshift.io", "Agent"),
            Self::AgentMachine => ("capi-provider.agent-install.openshift.io", "AgentMachine"),
            Self::Machine => ("cluster.x-k8s.io", "Machine"),
            Self::MachineDeployment => ("cluster.x-k8s.io", "MachineDeployment"),
            Self::MachineSet => ("cluster.x-k8s.io", "MachineSet"),
        };
        ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1beta1", kind))
    }
}

// === impl Hub ===

impl Hub {
    /// Watches all kinds, in the namespaces whose names begin with `namespace`; returns when what
    /// there is is known.
    pub(super) async fn watch(
        client: Client,
        namespace: &str,
        tasks: &mut Vec<JoinHandle<()>>,
    ) -> Result<Self> {
        let hub = Self {
            client,
            known: Arc::default(),
            changed: watch::Sender::new(()),
        };
        for kind in KINDS {
            for object in hub.all(kind).list(&ListParams::default()).await? {
                hub.remember_in(namespace, kind, object);
            }
            tasks.push(tokio::spawn(hub.clone().follow(namespace.to_owned(), kind)));
        }
        Ok(hub)
    }

    /// The objects of a kind.
    pub(super) fn objects(&self, kind: Kind) -> Objects {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&kind)
            .map(|known| known.objects.clone())
            .unwrap_or_default()
    }

    /// Returns when an object has changed since the last time, or after `look`.
    pub(super) async fn wait(&self, seen: &mut watch::Receiver<()>, look: Duration) {
        let _ = tokio::time::timeout(look, seen.changed()).await;
    }

    /// Tells of changes from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Makes an object.
    pub(super) async fn create(&self, kind: Kind, object: &Value) {
        let Ok(object) = serde_json::from_value::<DynamicObject>(object.clone()) else {
            return tracing::error!(?kind, "What is to be made is no object");
        };
        let namespace = object.namespace().unwrap_or_default();
        let api = self.api(kind, &namespace);
        self.note(kind, api.create(&PostParams::default(), &object).await);
    }

    /// Merges a patch into an object. With a `metadata.resourceVersion` in it, only while the
    /// object is as it was.
    pub(super) async fn merge(&self, kind: Kind, (namespace, name): &Key, patch: &Value) {
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        let api = self.api(kind, namespace);
        self.note(kind, api.patch(name, &params, &patch).await);
    }

    /// The same with its status.
    pub(super) async fn merge_status(&self, kind: Kind, (namespace, name): &Key, patch: &Value) {
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        let api = self.api(kind, namespace);
        self.note(kind, api.patch_status(name, &params, &patch).await);
    }

    /// Asks for the end of an object.
    pub(super) async fn delete(&self, kind: Kind, (namespace, name): &Key) {
        let api = self.api(kind, namespace);
        match api.delete(name, &DeleteParams::default()).await {
            Ok(either) => {
                if let Some(object) = either.left() {
                    self.note(kind, Ok(object));
                }
            }
            Err(error) => self.note(kind, Err(error)),
        }
    }

    fn api(&self, kind: Kind, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &kind.resource())
    }

    fn all(&self, kind: Kind) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &kind.resource())
    }

    /// What was written is known before the watch tells of it: nobody acts on it twice. A refusal
    /// is met by looking again.
    fn note(&self, kind: Kind, result: kube::Result<DynamicObject>) {
        match result {
            Ok(object) => self.remember(kind, object),
            // Somebody else was faster, or it is gone.
            Err(kube::Error::Api(refusal)) if matches!(refusal.code, 404 | 409) => {}
            Err(error) => tracing::warn!(?kind, %error, "The hub refused a change"),
        }
    }

    async fn follow(self, namespace: String, kind: Kind) {
        let events = watcher(self.all(kind), watcher::Config::default()).default_backoff();
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                    self.remember_in(&namespace, kind, object);
                }
                Ok(watcher::Event::Delete(object)) => self.forget(kind, &object),
                Ok(watcher::Event::Init | watcher::Event::InitDone) => {}
                Err(error) => tracing::debug!(?kind, %error, "The watch has to begin again"),
            }
        }
    }

    fn remember_in(&self, namespace: &str, kind: Kind, object: DynamicObject) {
        let of_another_lab = object
            .namespace()
            .is_none_or(|it| !it.starts_with(namespace));
        if !of_another_lab {
            self.remember(kind, object);
        }
    }

    fn remember(&self, kind: Kind, object: DynamicObject) {
        let Ok(object) = serde_json::to_value(object) else {
            return;
        };
        self.change(kind, key(&object), version(&object), Some(object));
    }

    fn forget(&self, kind: Kind, object: &DynamicObject) {
        let Ok(object) = serde_json::to_value(object) else {
            return;
        };
        self.change(kind, key(&object), version(&object), None);
    }

    fn change(&self, kind: Kind, key: Key, version: u64, object: Option<Value>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.entry(kind).or_default().change(key, version, object) {
            return;
        }
        drop(known);
        self.changed.send_replace(());
    }
}

// === impl Known ===

impl Known {
    /// Watch and answers come in any order: only what is newer changes anything.
    fn change(&mut self, key: Key, version: u64, object: Option<Value>) -> bool {
        let newest = self.objects.get(&key).map(|object| self::version(object));
        let newest = newest.max(self.gone.get(&key).copied());
        if newest.is_some_and(|newest| newest > version) {
            return false;
        }
        if let Some(object) = object.filter(|object| !is_ending(object)) {
            self.gone.remove(&key);
            self.objects.insert(key, Arc::new(object));
        } else {
            self.objects.remove(&key);
            self.gone.insert(key, version);
        }
        true
    }
}

/// Whether nothing holds an object any more whose end was asked for.
fn is_ending(object: &Value) -> bool {
    is_deleting(object) && finalizers(object).next().is_none()
}

/// How new an object is; on one store these numbers only grow.
fn version(object: &Value) -> u64 {
    let version = text(object, "/metadata/resourceVersion");
    version.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(version: u64) -> Value {
        json!({"metadata": {"name": "it", "resourceVersion": version.to_string()}})
    }

    #[test]
    fn what_is_older_than_what_is_known_changes_nothing() {
        let at = (String::new(), "it".to_owned());
        let mut known = Known::default();
        let mut change = |version, there: bool| {
            known.change(at.clone(), version, there.then(|| object(version)));
            known.objects.get(&at).map(|it| super::version(it))
        };
        assert_eq!(change(5, true), Some(5));
        assert_eq!(change(4, true), Some(5));
        assert_eq!(change(4, false), Some(5));
        assert_eq!(change(6, false), None);
        assert_eq!(change(5, true), None);
        assert_eq!(change(7, true), Some(7));
        assert_eq!(change(6, false), Some(7));
    }

    #[test]
    fn an_object_that_nothing_holds_any_more_is_gone() {
        let mut known = Known::default();
        let mut ending = object(1);
        ending["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        known.change(key(&ending), 1, Some(ending.clone()));
        assert_eq!(known.objects.len(), 0);
        ending["metadata"]["finalizers"] = json!(["held"]);
        known.change(key(&ending), 1, Some(ending));
        assert_eq!(known.objects.len(), 1);
    }
}
