//! When to try again: one table for all that fails.

use crate::driver::{Fault, Retry};
use std::time::Duration;

const SLOW: Duration = Duration::from_mins(5);
const SOON: Duration = Duration::from_secs(2);
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);
/// Doublings after which the longest is reached.
const DOUBLINGS: u32 = 6;
/// What jitter adds at most, as a part of the delay.
const JITTER: f64 = 0.2;

/// How long to wait after the `failures`th failure in a row; `None`: until something changes.
///
/// `chance`, from 0 to 1, spreads those who failed together.
pub fn delay(fault: &Fault, failures: u32, chance: f64) -> Option<Duration> {
    let delay = match fault.retry {
        Retry::Never => return None,
        Retry::Slow => SLOW,
        Retry::Backoff => backoff(failures),
        Retry::Soon => SOON,
        // What is to be done first is done by the link; a call that comes too early fails again.
        Retry::Recover if failures <= 1 => Duration::ZERO,
        Retry::Recover => backoff(failures - 1),
    };
    let delay = delay.max(fault.after.unwrap_or_default());
    Some(delay.mul_f64(1.0 + JITTER * chance))
}

/// A number from 0 to 1, another one each time.
pub fn chance() -> f64 {
    fastrand::f64()
}

fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(DOUBLINGS);
    (FIRST * 2_u32.pow(doublings)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::fault;

    #[test]
    fn each_class_has_its_delay() {
        for (class, failures, seconds) in [
            (Retry::Never, 1, None),
            (Retry::Slow, 1, Some(300)),
            (Retry::Slow, 9, Some(300)),
            (Retry::Backoff, 1, Some(1)),
            (Retry::Backoff, 4, Some(8)),
            (Retry::Backoff, 7, Some(60)),
            (Retry::Backoff, 99, Some(60)),
            (Retry::Soon, 5, Some(2)),
            (Retry::Recover, 1, Some(0)),
            (Retry::Recover, 3, Some(2)),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(delay(&fault(class), failures, 0.0), expected, "{class:?}");
        }
    }

    #[test]
    fn it_is_never_before_the_time_that_the_driver_gave() {
        let mut fault = fault(Retry::Backoff);
        fault.after = Some(Duration::from_secs(10));
        assert_eq!(delay(&fault, 1, 0.0), Some(Duration::from_secs(10)));
        assert_eq!(delay(&fault, 1, 1.0), Some(Duration::from_secs(12)));
    }
}
