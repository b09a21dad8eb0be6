//! What the ISOs of all vCenters share.

mod locks;
mod parts;
mod turns;

pub use self::{
    parts::{Part, Parts},
    turns::{Turn, Turns},
};

use super::{
    destination::Destination,
    keeper::Kept,
    source::{Fetcher, Policy, Rules},
    wishes::{FromUrl, IsoId},
};
use crate::{edge::caller::Caller, metrics::isos::IsoMetrics, vcenter::VCenter};
use contract::v1::Owner;
use locks::Locks;
use std::{sync::Arc, time::Duration};
use tokio::{sync::OwnedMutexGuard, time::Instant};

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
    /// What is being written.
    pub parts: Parts,
    /// Who may transfer something now.
    pub turns: Turns,
    locks: Locks,
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
            turns: Turns::new(metrics.clone()),
            metrics,
            parts: Parts::default(),
            locks: Locks::default(),
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

    /// Waits until nobody else looks into the folder of a datastore or changes what is in it.
    pub async fn lock(&self, place: &Destination) -> OwnedMutexGuard<()> {
        self.locks.lock(place).await
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
