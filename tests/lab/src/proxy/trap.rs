//! What happens at a certain call, at once: a service is killed exactly there, and not by a clock.

use std::fmt;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::journal;

/// Calls that a trap counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// All of them.
    Any,
    /// Those that change something.
    Changing,
}

/// When in the course of its call a trap springs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Before the call is passed on, which it never is.
    Before,
    /// After it was answered, and before the answer is passed on, which it never is.
    After,
}

/// Where a trap springs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trap {
    /// Which calls count.
    pub which: Which,
    /// At which of them, counted from when the trap was set; 1 is the next.
    pub nth: u64,
    /// When in its course.
    pub moment: Moment,
}

/// A trap that has sprung.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sprung {
    /// The method of the call.
    pub method: String,
    /// Its number among those that counted.
    pub call: u64,
}

/// What a trap does. It is done before anything else happens to any call.
pub(super) type Spring = Box<dyn FnOnce() + Send>;

/// A trap that is set.
pub(super) struct Armed {
    trap: Trap,
    seen: u64,
    spring: Spring,
    tell: oneshot::Sender<Sprung>,
}

impl Armed {
    pub(super) fn new(trap: Trap, spring: Spring) -> (Self, oneshot::Receiver<Sprung>) {
        let (tell, told) = oneshot::channel();
        let armed = Self {
            trap,
            seen: 0,
            spring,
            tell,
        };
        (armed, told)
    }

    /// Counts this call; when it is the one, says when in its course the trap springs.
    pub(super) fn count(&mut self, method: &str) -> Option<Moment> {
        let counts = match self.trap.which {
            Which::Any => true,
            Which::Changing => journal::changes(method),
        };
        self.seen += u64::from(counts);
        (counts && self.seen == self.trap.nth).then_some(self.trap.moment)
    }

    /// Springs at this call.
    pub(super) fn spring(self, method: &str) {
        (self.spring)();
        let sprung = Sprung {
            method: method.to_owned(),
            call: self.trap.nth,
        };
        // Who set it may have lost interest.
        let _ = self.tell.send(sprung);
    }
}

impl fmt::Debug for Armed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Armed")
            .field("trap", &self.trap)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_trap_springs_at_its_call_and_at_no_other() {
        let calls = ["WaitForUpdatesEx", "CreateVM_Task", "CreateVM_Task"];
        for (which, nth, caught) in [
            (Which::Any, 1, [true, false, false]),
            (Which::Any, 3, [false, false, true]),
            (Which::Changing, 1, [false, true, false]),
            (Which::Changing, 3, [false, false, false]),
        ] {
            let moment = Moment::After;
            let trap = Trap { which, nth, moment };
            let (mut armed, _told) = Armed::new(trap, Box::new(|| ()));
            let found = calls.map(|method| armed.count(method) == Some(moment));
            assert_eq!(found, caught, "{which:?} {nth}");
        }
    }

    #[tokio::test]
    async fn it_acts_first_and_tells_then() {
        let done = Arc::new(AtomicBool::new(false));
        let (trap, acts) = (
            Trap {
                which: Which::Any,
                nth: 1,
                moment: Moment::Before,
            },
            Arc::clone(&done),
        );
        let spring = Box::new(move || acts.store(true, Ordering::SeqCst));
        let (mut armed, told) = Armed::new(trap, spring);
        armed.count("Login");
        armed.spring("Login");
        assert!(done.load(Ordering::SeqCst));
        let told = told.await.unwrap();
        assert_eq!((told.method.as_str(), told.call), ("Login", 1));
    }
}
