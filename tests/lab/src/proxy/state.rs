//! What the connections of a proxy share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot, watch};

use super::counts::{Count, Counts};
use super::faults::{Action, Fault, Rule, Rules};
use super::journal::{self, Change, Journal};
use super::trap::{Armed, Moment, Spring, Sprung, Trap};
use super::under_way::UnderWay;

/// Whether what is behind a proxy can be reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outage {
    /// It can.
    #[default]
    None,
    /// All connections are cut, and each new one at once.
    Refused,
    /// Connections stay, new ones are taken, and nobody ever answers.
    Silent,
}

/// Shared by all connections.
#[derive(Debug, Default)]
pub(super) struct State {
    inner: Mutex<Inner>,
    counted: Notify,
    released: Notify,
    outage: watch::Sender<Outage>,
    pub(super) under_way: UnderWay,
}

#[derive(Debug, Default)]
struct Inner {
    counts: Counts,
    rules: Rules,
    delay: Duration,
    /// How many holds there are on each method.
    holds: HashMap<String, usize>,
    trap: Option<Armed>,
    journal: Journal,
    /// How many answers to each method were lost.
    lost: HashMap<String, u64>,
}

impl State {
    pub(super) fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    pub(super) fn reset(&self) {
        let mut inner = self.lock();
        inner.counts = Counts::default();
        inner.journal = Journal::default();
    }

    pub(super) fn journal(&self) -> Journal {
        self.lock().journal.clone()
    }

    /// Sets a trap in the place of any other.
    pub(super) fn set_trap(&self, trap: Trap, spring: Spring) -> oneshot::Receiver<Sprung> {
        let (armed, told) = Armed::new(trap, spring);
        self.lock().trap = Some(armed);
        told
    }

    /// A call has arrived, with a body of so many bytes, that names these objects.
    ///
    /// Returns when in the course of this call a trap is to spring, if it is.
    pub(super) fn arrived(
        &self,
        method: &str,
        bytes: u64,
        objects: impl FnOnce() -> Vec<String>,
    ) -> Option<Moment> {
        let mut inner = self.lock();
        let count = inner.counts.entry(method);
        count.calls += 1;
        count.request_bytes += bytes;
        if journal::changes(method) {
            inner.journal.0.push(Change {
                at: Instant::now(),
                method: method.to_owned(),
                objects: objects(),
            });
        }
        let moment = inner.trap.as_mut().and_then(|trap| trap.count(method));
        if moment == Some(Moment::Before) {
            inner.spring(method);
        }
        drop(inner);
        self.counted.notify_waiters();
        moment
    }

    /// The call at which the trap springs was answered.
    pub(super) fn spring(&self, method: &str) {
        self.lock().spring(method);
    }

    pub(super) fn add(&self, fault: Fault) -> u64 {
        self.lock().rules.add(fault)
    }

    pub(super) fn rules(&self) -> Vec<Rule> {
        self.lock().rules.all()
    }

    pub(super) fn clear(&self) {
        self.lock().rules.clear();
    }

    pub(super) fn set_delay(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    pub(super) fn delay(&self) -> Duration {
        self.lock().delay
    }

    pub(super) fn set_outage(&self, outage: Outage) {
        self.outage.send_replace(outage);
    }

    pub(super) fn outage(&self) -> watch::Receiver<Outage> {
        self.outage.subscribe()
    }

    /// Changes what was counted of `method`, and wakes those who wait for it.
    pub(super) fn count(&self, method: &str, change: impl FnOnce(&mut Count)) {
        change(self.lock().counts.entry(method));
        self.counted.notify_waiters();
    }

    /// An answer to `method` did not reach the client.
    pub(super) fn lose(&self, method: &str) {
        *self.lock().lost.entry(method.to_owned()).or_default() += 1;
    }

    pub(super) fn lost(&self, method: &str) -> u64 {
        self.lock().lost.get(method).copied().unwrap_or_default()
    }

    pub(super) fn forget_lost(&self) {
        self.lock().lost.clear();
    }

    /// What is done to this call.
    pub(super) fn decide(&self, method: &str) -> Option<Action> {
        self.lock().rules.decide(method)
    }

    /// Returns as soon as `reached` holds of the counts.
    pub(super) async fn until(&self, reached: impl Fn(&Counts) -> bool) {
        self.when(&self.counted, |inner| reached(&inner.counts))
            .await;
    }

    /// Returns as soon as nobody holds `method`.
    pub(super) async fn until_released(&self, method: &str) {
        self.when(&self.released, |inner| !inner.holds.contains_key(method))
            .await;
    }

    pub(super) fn hold(state: &Arc<Self>, method: &str) -> Hold {
        *state.lock().holds.entry(method.to_owned()).or_default() += 1;
        Hold {
            state: Arc::clone(state),
            method: method.to_owned(),
        }
    }

    async fn when(&self, woken: &Notify, reached: impl Fn(&Inner) -> bool) {
        loop {
            let mut change = std::pin::pin!(woken.notified());
            // Listening begins before looking: no change falls between the two.
            change.as_mut().enable();
            if reached(&self.lock()) {
                return;
            }
            change.await;
        }
    }

    fn release(&self, method: &str) {
        let mut inner = self.lock();
        if let Some(holds) = inner.holds.get_mut(method) {
            *holds -= 1;
            if *holds == 0 {
                inner.holds.remove(method);
            }
        }
        drop(inner);
        self.released.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here is left half done by a panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Acts under the lock: nothing happens to any other call before it is done.
    fn spring(&mut self, method: &str) {
        if let Some(trap) = self.trap.take() {
            trap.spring(method);
        }
    }
}

/// Calls of a method wait while this lives.
#[derive(Debug)]
pub struct Hold {
    state: Arc<State>,
    method: String,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.state.release(&self.method);
    }
}
