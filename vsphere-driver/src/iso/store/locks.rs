//! One at a time in each datastore's folder, whichever name its vCenter goes by.

use crate::{iso::destination::Destination, soap::MoRef};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OwnedMutexGuard;

/// Held by who looks into one folder or changes what is in it.
type Lock = Arc<tokio::sync::Mutex<()>>;

/// One for each datastore of each vCenter: one that does not answer keeps nobody from another.
#[derive(Debug, Default)]
pub(super) struct Locks {
    all: Mutex<BTreeMap<(String, MoRef), Lock>>,
}

// === impl Locks ===

impl Locks {
    /// Waits until nobody else looks into the folder or changes what is in it.
    pub(super) async fn lock(&self, place: &Destination) -> OwnedMutexGuard<()> {
        let key = (place.instance(), place.datastore().clone());
        let lock = {
            let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(key).or_default())
        };
        lock.lock_owned().await
    }
}
