//! The Secrets with what the sources of ISOs are asked with. Each that a template names is followed by its name, so
//! that a token that was renewed is taken at once, and no other Secret is read.

use crate::{
    crd::VMwareNodePoolTemplate,
    follow::follow,
    hub::Sought,
    iso::{InvalidRequest, Request, request},
    link::SecretRef,
};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, runtime::reflector::ObjectRef};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::task::AbortOnDropHandle;

/// What a Secret says.
type Said = Sought<Result<Request, InvalidRequest>>;

/// What is known of the Secrets that templates name. One is followed as long as a template names it.
pub struct Requests {
    client: Client,
    wake: UnboundedSender<ObjectRef<VMwareNodePoolTemplate>>,
    followed: Mutex<HashMap<SecretRef, Followed>>,
}

/// One that is followed.
struct Followed {
    known: Arc<Mutex<Known>>,
    _task: AbortOnDropHandle<()>,
}

/// What is known of one, and who is to be told.
#[derive(Default)]
struct Known {
    said: Said,
    users: HashMap<String, ObjectRef<VMwareNodePoolTemplate>>,
}

// === impl Requests ===

impl Requests {
    /// None is followed yet. Whom a change concerns is sent to `wake`.
    pub fn new(client: Client, wake: UnboundedSender<ObjectRef<VMwareNodePoolTemplate>>) -> Self {
        Self {
            client,
            wake,
            followed: Mutex::default(),
        }
    }

    /// What this Secret says, for the template of this UID, which leaves any other.
    pub fn of(
        &self,
        secret: &SecretRef,
        uid: &str,
        user: ObjectRef<VMwareNodePoolTemplate>,
    ) -> Said {
        let mut followed = lock(&self.followed);
        leave(&mut followed, uid, Some(secret));
        let one = followed
            .entry(secret.clone())
            .or_insert_with(|| self.follow(secret.clone()));
        let mut known = lock(&one.known);
        known.users.insert(uid.to_owned(), user);
        known.said.clone()
    }

    /// The template of this UID needs none any more.
    pub fn release(&self, uid: &str) {
        leave(&mut lock(&self.followed), uid, None);
    }

    fn follow(&self, secret: SecretRef) -> Followed {
        let known = Arc::new(Mutex::new(Known {
            said: Sought::Syncing,
            users: HashMap::new(),
        }));
        let (told, wake) = (known.clone(), self.wake.clone());
        let secrets = Api::<Secret>::namespaced(self.client.clone(), &secret.namespace);
        let task = async move {
            let tell = |found: Sought<Secret>| {
                let said = found.and_then(|secret| Some(request(&secret)));
                let mut known = lock(&told);
                if known.said != said {
                    known.said = said;
                    for user in known.users.values() {
                        // Nobody listens any more only when the process ends.
                        let _ = wake.send(user.clone());
                    }
                }
            };
            follow(secrets, &secret.name, tell).await;
        };
        Followed {
            known,
            _task: AbortOnDropHandle::new(tokio::spawn(task)),
        }
    }
}

/// Takes the user off all Secrets but one, and forgets those that nobody uses any more.
fn leave(followed: &mut HashMap<SecretRef, Followed>, uid: &str, keep: Option<&SecretRef>) {
    followed.retain(|secret, one| {
        if keep == Some(secret) {
            return true;
        }
        let mut known = lock(&one.known);
        known.users.remove(uid);
        !known.users.is_empty()
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done in any of them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").finish_non_exhaustive()
    }
}
