//! Room for work: how much is held for one vCenter before more is refused.
//!
//! Makes and removals have room of their own, so that a queue of creates never refuses a delete.

use super::works::Running;
use crate::machines::work::Load;
use contract::v1::{Fault, Reason};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Machines of either kind of work. Two of the largest pools: more would wait for minutes without
/// being done any sooner, and each that waits costs memory.
pub const MOST: usize = 4_000;
/// When to ask again after a refusal: by then a vCenter of usual speed has done some hundreds.
const RETRY: Duration = Duration::from_secs(5);

/// Room that calls have taken for work that they are about to begin.
#[derive(Debug, Default)]
pub struct Room {
    makes: Arc<AtomicUsize>,
    removals: Arc<AtomicUsize>,
}

/// Room for the work of one call; given back when dropped, for by then the work itself is counted.
#[derive(Debug)]
pub struct Place {
    taken: Arc<AtomicUsize>,
    count: usize,
}

// === impl Room ===

impl Room {
    /// Takes room for so many machines, beside those that are worked on. Called under the lock that
    /// also guards `running`, so that two calls never take the same room.
    pub fn take(&self, load: Load, count: usize, running: Running) -> Result<Place, Box<Fault>> {
        let taken = match load {
            Load::Make => &self.makes,
            Load::Remove => &self.removals,
        };
        let held = running.of(load) + taken.load(Ordering::Relaxed);
        if count > 0 && held + count > MOST {
            return Err(Box::new(overloaded(held)));
        }
        taken.fetch_add(count, Ordering::Relaxed);
        let taken = Arc::clone(taken);
        Ok(Place { taken, count })
    }
}

fn overloaded(held: usize) -> Fault {
    let what = format!("{held} machines wait for work already, of at most {MOST}");
    Fault::new(Reason::Overloaded, what).after(RETRY)
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.count, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(room: &Room, load: Load, count: usize) -> Result<Place, Reason> {
        let taken = room.take(load, count, Running::default());
        taken.map_err(|fault| {
            assert_eq!(fault.wait(), Some(RETRY));
            fault.reason()
        })
    }

    #[test]
    fn calls_at_the_same_time_take_no_more_room_than_there_is() {
        let room = Room::default();
        let first = take(&room, Load::Make, MOST - 1).expect("room");
        let refused = take(&room, Load::Make, 2).map(|place| place.count);
        assert_eq!(refused, Err(Reason::Overloaded));
        assert!(take(&room, Load::Make, 1).is_ok());
        drop(first);
        assert!(take(&room, Load::Make, MOST).is_ok());
    }

    #[test]
    fn a_queue_of_creates_leaves_room_for_deletes_and_for_what_needs_none() {
        let room = Room::default();
        let _all = take(&room, Load::Make, MOST).expect("room");
        assert!(take(&room, Load::Remove, 1_000).is_ok());
        assert!(take(&room, Load::Make, 0).is_ok());
    }
}
