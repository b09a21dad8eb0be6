//! A lane: work of one kind, in turn, as much at once as its window permits.

use super::window::Window;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Work of one kind against one vCenter.
#[derive(Clone, Debug)]
pub struct Lane {
    places: Arc<Semaphore>,
    size: Arc<Mutex<Size>>,
    waiting: Arc<AtomicUsize>,
}

/// How much a lane has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// What it may have under way at once.
    pub window: usize,
    /// What it has under way.
    pub in_flight: usize,
    /// What waits for its turn.
    pub waiting: usize,
}

/// One that waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

#[derive(Debug)]
struct Size {
    window: Window,
    /// Places that exist, taken or free.
    places: usize,
}

/// The right to work; what it took teaches the window when it is dropped.
#[derive(Debug)]
pub struct Turn {
    lane: Lane,
    since: Instant,
    place: Option<OwnedSemaphorePermit>,
    failed: bool,
}

// === impl Lane ===

impl Lane {
    /// A lane with this window.
    pub fn new(window: Window) -> Self {
        let places = window.size();
        let size = Arc::new(Mutex::new(Size { window, places }));
        Self {
            places: Arc::new(Semaphore::new(places)),
            size,
            waiting: Arc::default(),
        }
    }

    /// Waits for its turn, first come first served.
    pub async fn turn(&self) -> Turn {
        let waiting = Waiting::begin(&self.waiting);
        // The semaphore is never closed, so that there is always a place in the end.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        drop(waiting);
        Turn {
            lane: self.clone(),
            since: Instant::now(),
            place,
            failed: false,
        }
    }

    /// How many work at once now.
    pub fn size(&self) -> usize {
        self.size
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .window
            .size()
    }

    /// How much it has to do.
    pub fn load(&self) -> Load {
        let size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.places.available_permits();
        Load {
            window: size.window.size(),
            in_flight: size.places.saturating_sub(free),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    fn release(&self, place: OwnedSemaphorePermit, learn: impl FnOnce(&mut Window)) {
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        learn(&mut size.window);
        let wanted = size.window.size();
        if size.places > wanted {
            size.places -= 1;
            place.forget();
        } else {
            self.places.add_permits(wanted - size.places);
            size.places = wanted;
        }
    }
}

// === impl Waiting ===

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Turn ===

impl Turn {
    /// The work failed: that it ended soon says nothing about vCenter.
    pub fn fail(&mut self) {
        self.failed = true;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            let (took, failed) = (self.since.elapsed(), self.failed);
            self.lane.release(place, |window| {
                if failed {
                    window.learn_from_failure(took);
                } else {
                    window.learn(took);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt as _, poll};
    use std::{pin::pin, time::Duration};

    #[tokio::test]
    async fn only_as_many_as_the_window_permits_work_at_once_and_in_turn() {
        let lane = Lane::new(Window::new(2, 2, 2));
        let (first, _second) = (lane.turn().await, lane.turn().await);
        let (mut third, mut fourth) = (pin!(lane.turn()), pin!(lane.turn()));
        assert!(poll!(third.as_mut()).is_pending() && poll!(fourth.as_mut()).is_pending());
        let load = |in_flight, waiting| Load {
            window: 2,
            in_flight,
            waiting,
        };
        assert_eq!(lane.load(), load(2, 2));
        drop(first);
        assert!(poll!(fourth.as_mut()).is_pending());
        let third = third.now_or_never();
        assert!(third.is_some());
        assert_eq!(lane.load(), load(2, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn slow_work_takes_places_away_and_quick_work_gives_them_back() {
        let lane = Lane::new(Window::new(1, 4, 8));
        let turns = [lane.turn().await, lane.turn().await];
        tokio::time::advance(Duration::from_secs(20)).await;
        drop(turns);
        assert_eq!(lane.size(), 2);
        for _ in 0..2 {
            drop(lane.turn().await);
        }
        assert_eq!(lane.size(), 4);
        let held = [
            lane.turn().await,
            lane.turn().await,
            lane.turn().await,
            lane.turn().await,
        ];
        assert!(lane.turn().now_or_never().is_none());
        drop(held);
    }
}
