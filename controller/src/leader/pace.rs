//! How long a Lease lasts, and how often it is renewed.

use jiff::SignedDuration;
use std::time::Duration;

/// How long a Lease lasts, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    seconds: u16,
}

// === impl Pace ===

impl Pace {
    /// A Lease that lasts so long without a sign of life.
    pub fn new(seconds: u16) -> Self {
        Self { seconds }
    }

    /// Others wait this long for a sign of life.
    pub(super) fn duration(self) -> SignedDuration {
        SignedDuration::from_secs(self.seconds.into())
    }

    /// A holder that could not renew for this long has lost it: before others may take it.
    pub(super) fn deadline(self) -> Duration {
        Duration::from_secs(self.seconds.into()) * 2 / 3
    }

    /// The time between two looks, or two renewals.
    pub(super) fn interval(self) -> Duration {
        Duration::from_secs(self.seconds.into()) * 2 / 15
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_lease_has_the_usual_times() {
        let pace = Pace::new(15);
        assert_eq!(pace.duration(), SignedDuration::from_secs(15));
        assert_eq!(pace.deadline(), Duration::from_secs(10));
        assert_eq!(pace.interval(), Duration::from_secs(2));
    }

    #[test]
    fn a_holder_gives_up_before_others_may_take_over() {
        for seconds in [2, 3, 15, 60] {
            let pace = Pace::new(seconds);
            let others = Duration::try_from(pace.duration()).unwrap();
            assert!(pace.deadline() + pace.interval() < others, "{seconds}");
        }
    }
}
