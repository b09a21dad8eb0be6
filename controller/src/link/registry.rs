//! All links of this process, by their Secrets.

use super::{Connection, Link, names::Names, session};
use crate::{context::Program, crd::VMwareNodePoolTemplate, driver::Driver};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, runtime::reflector::ObjectRef};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Names a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// All links of this process. A link lives as long as a template names its Secret.
pub struct Links<D> {
    program: Program,
    driver: Arc<D>,
    by_secret: Mutex<HashMap<SecretRef, Arc<Link>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    challenge: watch::Sender<Option<i32>>,
    names: Arc<Names>,
}

// === impl Links ===

impl<D: Driver> Links<D> {
    /// None yet. Whom a change concerns is sent to the program's `wake`.
    pub fn new(program: Program, driver: Arc<D>) -> Self {
        Self {
            program,
            driver,
            by_secret: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            challenge: watch::Sender::new(None),
            names: Arc::default(),
        }
    }

    /// Returns when the driver has seen a later epoch than ours, which it names. Nothing is changed
    /// with ours any more.
    pub async fn challenged(&self) -> i32 {
        let mut told = self.challenge.subscribe();
        match told.wait_for(Option::is_some).await.map(|epoch| *epoch) {
            Ok(Some(highest)) => highest,
            // The sender lives as long as this does.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// The driver has seen this epoch, which is later than ours.
    pub fn challenge(&self, highest: i32) {
        self.challenge.send_replace(Some(highest));
    }

    /// The link of a Secret, for the template of this UID, which leaves any other.
    pub fn link(
        &self,
        secret: &SecretRef,
        uid: &str,
        user: ObjectRef<VMwareNodePoolTemplate>,
    ) -> Arc<Link> {
        let mut links = self.lock();
        leave(&mut links, uid, Some(secret));
        let link = links.entry(secret.clone()).or_insert_with(|| {
            let link = Arc::new(Link::new(self.stop.child_token()));
            self.start(secret, &link);
            link
        });
        link.lock().users.insert(uid.to_owned(), user);
        link.clone()
    }

    /// The template of this UID needs no link any more.
    pub fn release(&self, uid: &str) {
        leave(&mut self.lock(), uid, None);
    }

    /// How many links there are, and how many of them are live.
    pub fn count(&self) -> (usize, usize) {
        let links = self.lock();
        let live = |link: &&Arc<Link>| link.lock().connection() == Connection::Live;
        (links.len(), links.values().filter(live).count())
    }

    /// Ends all links, and has the driver log out.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn start(&self, secret: &SecretRef, link: &Arc<Link>) {
        let Program {
            client,
            caller,
            metrics,
            wake,
            scale_down_grace: _,
            ingress_ca: _,
            now,
        } = self.program.clone();
        let secrets = Api::<Secret>::namespaced(client, &secret.namespace);
        let session = session::Session {
            link: link.clone(),
            driver: self.driver.clone(),
            caller,
            wake,
            challenge: self.challenge.clone(),
            names: self.names.clone(),
            watch: metrics.watch(&secret.namespace, &secret.name),
            now,
        };
        self.tasks.spawn(session.run(secrets, secret.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SecretRef, Arc<Link>>> {
        self.by_secret
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the user off all links but one, and ends those that nobody uses any more.
fn leave(links: &mut HashMap<SecretRef, Arc<Link>>, uid: &str, keep: Option<&SecretRef>) {
    links.retain(|secret, link| {
        let mut inner = link.lock();
        if keep != Some(secret) {
            inner.users.remove(uid);
        }
        let used = keep == Some(secret) || !inner.users.is_empty();
        if !used {
            link.unused.cancel();
        }
        used
    });
}

impl<D> fmt::Debug for Links<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
