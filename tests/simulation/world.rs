//! All that is outside the two processes under test: a hub, a vCenter, the network, and chance.
//!
//! Everything lies under one lock, and everything that is left to chance comes from one seed.

use crate::{hub, judge::Judge, vcenter, weather::Weather};
use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use vsphere_driver::bell::{Bell, Listener};

/// The world, and what tells of its changes. Clones share it.
#[derive(Clone)]
pub(crate) struct Shared {
    world: Arc<Mutex<World>>,
    vcenter_news: Bell,
    hub_news: Bell,
}

/// What is outside.
pub(crate) struct World {
    pub(crate) dice: fastrand::Rng,
    pub(crate) weather: Weather,
    pub(crate) vcenter: vcenter::State,
    pub(crate) hub: hub::State,
    pub(crate) judge: Judge,
    /// Rpcs that were sent.
    pub(crate) rpcs: u64,
    start: Instant,
    trace: Vec<String>,
}

/// The life of a process: when it is over, nothing that is left of it has any effect.
#[derive(Clone, Default)]
pub(crate) struct Life(CancellationToken);

impl Shared {
    pub(crate) fn new(seed: u64) -> Self {
        let dice = fastrand::Rng::with_seed(seed);
        let world = World {
            dice,
            weather: Weather::default(),
            vcenter: vcenter::State::new(),
            hub: hub::State::new(),
            judge: Judge::default(),
            rpcs: 0,
            start: Instant::now(),
            trace: Vec::new(),
        };
        Self {
            world: Arc::new(Mutex::new(world)),
            vcenter_news: Bell::default(),
            hub_news: Bell::default(),
        }
    }

    /// Looks at the world or changes it, all at once.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.lock();
        let before = (world.vcenter.changes, world.hub.version);
        let result = act(&mut world);
        let after = (world.vcenter.changes, world.hub.version);
        if before != after {
            world.judge_all();
        }
        drop(world);
        if before.0 != after.0 {
            self.vcenter_news.ring();
        }
        if before.1 != after.1 {
            self.hub_news.ring();
        }
        result
    }

    pub(crate) fn vcenter_news(&self) -> Listener {
        self.vcenter_news.listen()
    }

    pub(crate) fn hub_news(&self) -> Listener {
        self.hub_news.listen()
    }

    /// Wakes all that wait for the vCenter, which went away or came back.
    pub(crate) fn shake_vcenter(&self) {
        self.vcenter_news.ring();
    }

    pub(crate) fn note(&self, line: impl Into<String>) {
        self.lock().note(line);
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

// === impl World ===

impl World {
    /// Writes a line of the trace.
    pub(crate) fn note(&mut self, line: impl Into<String>) {
        let at = self.start.elapsed().as_secs_f64();
        self.trace.push(format!("{at:>10.3} {}", line.into()));
    }

    pub(crate) fn trace(&self) -> &[String] {
        &self.trace
    }

    /// Time since the beginning.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Whether something with this chance, in percent, happens.
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        percent > 0 && self.dice.u32(0..100) < percent
    }

    /// A time from `0` to this one; short ones more often.
    pub(crate) fn time(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.dice.f64().powi(2))
    }

    /// All is as it shall be: what was asked for before does not count any more.
    pub(crate) fn settle(&mut self) {
        self.judge.settle();
        self.judge_all();
    }

    fn judge_all(&mut self) {
        let now = self.now();
        let Self {
            judge,
            vcenter,
            hub,
            ..
        } = self;
        judge.look(vcenter, hub, now);
    }
}

// === impl Life ===

impl Life {
    pub(crate) fn end(&self) {
        self.0.cancel();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.is_cancelled()
    }

    pub(crate) fn token(&self) -> CancellationToken {
        self.0.clone()
    }

    /// Goes on only while the process lives.
    pub(crate) async fn check(&self) {
        if self.is_over() {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) async fn sleep(&self, time: Duration) {
        sleep(time).await;
        self.check().await;
    }
}
