//! Turns to transfer something: only so many at once, whichever vCenter they go to.

use crate::metrics::isos::IsoMetrics;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Transfers at once.
const TRANSFERS: usize = 8;

/// Turns to transfer something.
#[derive(Debug)]
pub struct Turns {
    free: Semaphore,
    metrics: IsoMetrics,
}

/// A turn to transfer something, until this is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    metrics: &'a IsoMetrics,
    _permit: Option<SemaphorePermit<'a>>,
}

// === impl Turns ===

impl Turns {
    /// All are free. Those that are taken are counted.
    pub fn new(metrics: IsoMetrics) -> Self {
        Self {
            free: Semaphore::new(TRANSFERS),
            metrics,
        }
    }

    /// A turn, when one is free.
    pub async fn turn(&self) -> Turn<'_> {
        // The semaphore is never closed.
        let permit = self.free.acquire().await.ok();
        self.metrics.active.inc();
        Turn {
            metrics: &self.metrics,
            _permit: permit,
        }
    }
}

// === impl Turn ===

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.metrics.active.dec();
    }
}
