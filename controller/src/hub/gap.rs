//! For how long nobody could look at a kind, and since when it is looked at again. Pure.

use jiff::{SignedDuration, Timestamp};

/// A shorter time has changed nothing: so long does a start take.
const LONG: SignedDuration = SignedDuration::from_secs(30);

/// For how long nobody could look at a kind, and since when it is looked at again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gap {
    /// It cannot be looked at since then.
    since: Option<Timestamp>,
    /// A long time in which it could not be ended then.
    ended: Option<Timestamp>,
}

// === impl Gap ===

impl Gap {
    /// It can be looked at now, or cannot.
    pub(super) fn note(&mut self, live: bool, now: Timestamp) {
        if !live {
            self.since.get_or_insert(now);
            return;
        }
        let long = |since: Timestamp| now.duration_since(since) >= LONG;
        if self.since.take().is_some_and(long) {
            self.ended = Some(now);
        }
    }

    /// When the last long one ended.
    pub(super) fn ended(&self) -> Option<Timestamp> {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_time_without_sight_counts_and_from_its_beginning() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let mut gap = Gap::default();
        for (why, live, seconds, ended) in [
            ("the start", false, 0, None),
            ("it took a moment", true, 2, None),
            ("away", false, 100, None),
            ("still away", false, 120, None),
            ("back", true, 130, Some(130)),
            ("told of something", true, 140, Some(130)),
            ("a blink", false, 200, Some(130)),
            ("back again", true, 229, Some(130)),
        ] {
            gap.note(live, at(seconds));
            assert_eq!(gap.ended(), ended.map(at), "{why}");
        }
    }
}
