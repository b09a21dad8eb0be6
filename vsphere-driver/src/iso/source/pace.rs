//! Whether what comes from a source gets on: a source that sends a byte now and then stands still as well
//! as one that sends nothing, and takes a turn from all others.

use std::time::Duration;

/// Bytes that come in each window at the least. At this pace a minimal ISO takes half a day and a full one
/// three days; there is no limit for the whole.
pub(in crate::iso) const LEAST: u64 = 256 << 10;

/// What came in the present window. Time counts only while bytes are waited for: a datastore that is slow
/// to take them makes no source slow.
#[derive(Debug)]
pub(super) struct Pace {
    window: Duration,
    waited: Duration,
    came: u64,
}

// === impl Pace ===

impl Pace {
    /// Nothing came yet.
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window,
            waited: Duration::ZERO,
            came: 0,
        }
    }

    /// So many bytes came, after so long. Whether that is enough.
    pub(super) fn holds(&mut self, bytes: u64, after: Duration) -> bool {
        self.waited += after;
        self.came += bytes;
        if self.waited < self.window {
            return true;
        }
        let is_enough = self.came >= LEAST;
        *self = Self::new(self.window);
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_each_window_comes_the_least_or_the_source_stands_still() {
        const MIB: u64 = 1 << 20;
        for (why, comes, holds) in [
            ("a drip", &[(1, 25), (1, 25), (1, 25)][..], false),
            (
                "a burst once, then a drip",
                &[(MIB, 1), (1, 59), (1, 59), (1, 1)],
                false,
            ),
            (
                "a burst in each window",
                &[(1, 59), (MIB, 1), (1, 59), (MIB, 1)],
                true,
            ),
            ("slow, and steady", &[(LEAST / 2, 30); 9], true),
            ("a little too slow", &[(LEAST / 2 - 1, 30); 9], false),
            ("fast", &[(MIB, 0); 9], true),
            ("a drip that is short", &[(1, 25), (1, 25)], true),
        ] {
            let mut pace = Pace::new(Duration::from_mins(1));
            let mut comes = comes.iter();
            let held = comes.all(|(bytes, after)| pace.holds(*bytes, Duration::from_secs(*after)));
            assert_eq!(held, holds, "{why}");
        }
    }
}
