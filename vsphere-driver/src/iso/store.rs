//! What the ISOs of all vCenters share: how sources are fetched, and who writes what.

use super::{
    keeper::Kept,
    name::{self, Label},
    source::{Fetcher, Policy, Rules},
    wishes::{FromUrl, IsoId},
};
use crate::{edge::caller::Caller, metrics::isos::IsoMetrics, vcenter::VCenter};
use contract::v1::Owner;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{OwnedMutexGuard, Semaphore, SemaphorePermit},
    time::Instant,
};
use uuid::Uuid;

/// Transfers at once, whichever vCenter they go to.
const TRANSFERS: usize = 8;

/// What the configuration says of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The folder on each datastore. Two drivers of one vCenter need two.
    pub folder: String,
    /// How long a file stays that nobody needs.
    pub grace: Duration,
}

/// What the ISOs of all vCenters share.
#[derive(Debug)]
pub struct Store {
    /// Fetches from URLs.
    pub fetcher: Fetcher,
    /// What is accepted as a source.
    pub policy: Policy,
    /// Where files lie, and how long.
    pub settings: Settings,
    /// What is counted.
    pub metrics: IsoMetrics,
    /// Names of parts that are being written, whichever name their vCenter goes by.
    written: Arc<Mutex<BTreeSet<String>>>,
    turns: Semaphore,
    /// One for each vCenter, whichever name it goes by.
    locks: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// A part that is being written, until this is dropped.
#[derive(Debug)]
pub struct Part {
    name: String,
    written: Arc<Mutex<BTreeSet<String>>>,
}

// === impl Store ===

impl Default for Store {
    fn default() -> Self {
        Self::new(Rules::default(), Settings::default(), IsoMetrics::default())
    }
}

impl Store {
    /// Nothing is wanted yet.
    pub fn new(rules: Rules, settings: Settings, metrics: IsoMetrics) -> Self {
        let policy = Policy::new(rules);
        Self {
            fetcher: Fetcher::new(policy.clone()),
            policy,
            settings,
            metrics,
            written: Arc::default(),
            turns: Semaphore::new(TRANSFERS),
            locks: Mutex::default(),
        }
    }

    /// Has a content kept on datastores for somebody. Who asks again joins.
    pub fn keep(
        self: &Arc<Self>,
        vcenter: &Arc<VCenter>,
        whose: (&IsoId, Owner),
        from: FromUrl,
        caller: &Caller,
    ) {
        let image = from.image;
        let now = Instant::now();
        let begun = vcenter.write(|state| state.isos.want_url(whose, from, caller, now));
        if let Some(job) = begun {
            let kept = Kept {
                store: Arc::clone(self),
                vcenter: Arc::clone(vcenter),
                image,
                job,
            };
            vcenter.spawn(kept.keep());
        }
    }

    /// A turn to transfer something.
    pub async fn turn(&self) -> Turn<'_> {
        // The semaphore is never closed.
        let permit = self.turns.acquire().await.ok();
        self.metrics.active.inc();
        Turn {
            store: self,
            _permit: permit,
        }
    }

    /// A part that nobody else writes.
    pub fn part(&self, label: &Label) -> Part {
        let attempt = Uuid::new_v4().simple().to_string();
        let name = name::part(label, &attempt);
        let written = Arc::clone(&self.written);
        lock(&written).insert(name.clone());
        Part { name, written }
    }

    /// Whether a part is being written by this driver.
    pub fn is_written(&self, part: &str) -> bool {
        lock(&self.written).contains(part)
    }

    /// Waits until nobody else looks into the folders of a vCenter or changes what is in them.
    pub async fn lock(&self, vcenter: &VCenter) -> OwnedMutexGuard<()> {
        let lock = Arc::clone(lock(&self.locks).entry(vcenter.instance()).or_default());
        lock.lock_owned().await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A turn to transfer something, until this is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    store: &'a Store,
    _permit: Option<SemaphorePermit<'a>>,
}

// === impl Turn ===

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.store.metrics.active.dec();
    }
}

// === impl Part ===

impl Part {
    /// Its name in the folder.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        lock(&self.written).remove(&self.name);
    }
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            folder: "hcp-iso".into(),
            grace: Duration::from_hours(24),
        }
    }
}
