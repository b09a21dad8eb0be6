//! Tells all who listen that something changed, in the order in which they began to wait.
//!
//! A `watch` channel wakes its receivers in an order of chance, and a run could not be repeated.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::Notify;

/// Rings when something changed.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<Inside>);

#[derive(Debug, Default)]
struct Inside {
    rung: AtomicU64,
    listeners: Notify,
}

/// Somebody who listens, and knows what was rung so far.
#[derive(Debug)]
pub struct Listener {
    bell: Bell,
    heard: u64,
}

// === impl Bell ===

impl Bell {
    /// Tells all who listen.
    pub fn ring(&self) {
        self.0.rung.fetch_add(1, Ordering::SeqCst);
        self.0.listeners.notify_waiters();
    }

    /// Listens from now on.
    pub fn listen(&self) -> Listener {
        Listener {
            bell: self.clone(),
            heard: self.count(),
        }
    }

    fn count(&self) -> u64 {
        self.0.rung.load(Ordering::SeqCst)
    }
}

// === impl Listener ===

impl Listener {
    /// What was rung before this is known already.
    pub fn catch_up(&mut self) {
        self.heard = self.bell.count();
    }

    /// Returns when it was rung since the listener caught up or returned from here, at once if it was.
    pub async fn rung(&mut self) {
        // It waits from here on, so that a ring between the look and the wait is not missed.
        let next = self.bell.0.listeners.notified();
        if self.bell.count() == self.heard {
            next.await;
        }
        self.heard = self.bell.count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test]
    async fn what_was_rung_before_one_waits_is_heard_once() {
        let bell = Bell::default();
        let mut listener = bell.listen();
        assert!(listener.rung().now_or_never().is_none());
        bell.ring();
        bell.ring();
        assert!(listener.rung().now_or_never().is_some());
        assert!(listener.rung().now_or_never().is_none());
        bell.ring();
        listener.catch_up();
        assert!(listener.rung().now_or_never().is_none());
    }

    #[tokio::test]
    async fn all_who_wait_are_woken() {
        let bell = Bell::default();
        let (mut first, mut second) = (bell.listen(), bell.listen());
        let both = async { tokio::join!(first.rung(), second.rung()) };
        let ring = async { bell.ring() };
        tokio::join!(both, ring);
    }
}
