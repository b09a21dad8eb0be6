//! When what failed on the way of an ISO is tried again.

use contract::v1::{Fault, Reason, RetryClass};
use std::time::Duration;

/// Between two looks whether the content behind a URL changed.
pub const CHECK: Duration = Duration::from_mins(5);

/// No content is fetched more seldom than this that has to be fetched to be known.
const SELDOM: Duration = Duration::from_hours(24);

/// What makes a transfer fail only when all of it was fetched, and each time anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vain {
    /// The content: only another one mends it.
    Content,
    /// Where it goes.
    Place,
}

/// The first wait after a fault that passes by itself.
const BACKOFF: Duration = Duration::from_secs(1);
/// No wait for a fault that passes by itself is longer.
const LONGEST: Duration = Duration::from_mins(1);
/// The first wait after a fault that the next attempt mends. What it does not mend waits longer each time.
const SOON: Duration = Duration::from_secs(2);

/// How long to wait after a fault, the `failures`-th in a row; nothing when only the caller can mend it.
pub fn wait(fault: &Fault, failures: u32) -> Option<Duration> {
    let doubled = || {
        let factor = 1u32.checked_shl(failures.saturating_sub(1));
        let wait = factor.and_then(|factor| BACKOFF.checked_mul(factor));
        wait.unwrap_or(LONGEST).min(LONGEST)
    };
    let wait = match fault.retry() {
        RetryClass::Backoff | RetryClass::Unspecified => doubled(),
        RetryClass::Soon => doubled().max(SOON),
        RetryClass::Slow => CHECK,
        RetryClass::Never | RetryClass::Recover => return None,
    };
    Some(fault.wait().unwrap_or_default().max(wait))
}

/// Whether a fault comes only when all was fetched, so that fetching again at once costs the same in vain.
pub fn vain(fault: &Fault) -> Option<Vain> {
    match fault.reason() {
        Reason::IsoDigestMismatch | Reason::IsoInvalid => Some(Vain::Content),
        Reason::DatastoreFileExists => Some(Vain::Place),
        _ => None,
    }
}

/// The time between two looks, doubled so often, as far as it makes sense.
pub fn slower(times: u32) -> Duration {
    let factor = 1u32.checked_shl(times).unwrap_or(u32::MAX);
    CHECK.checked_mul(factor).unwrap_or(SELDOM).min(SELDOM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_vain_is_done_ever_more_seldom_and_never_given_up() {
        let minutes = [0, 1, 2, 8, 9, 31, 32, u32::MAX].map(|times| slower(times).as_secs() / 60);
        assert_eq!(minutes, [5, 10, 20, 1280, 1440, 1440, 1440, 1440]);
    }

    #[test]
    fn each_class_of_faults_has_its_wait() {
        let seconds =
            |reason, failures| wait(&Fault::new(reason, "x"), failures).map(|wait| wait.as_secs());
        for (reason, waits) in [
            (Reason::IsoSourceUnreachable, [Some(1), Some(2), Some(60)]),
            (Reason::IsoSourceChanged, [Some(2), Some(2), Some(60)]),
            (Reason::IsoSourceExpired, [Some(300), Some(300), Some(300)]),
            (Reason::IsoSourceUnsupported, [None, None, None]),
        ] {
            let found = [1, 2, 99].map(|failures| seconds(reason, failures));
            assert_eq!(found, waits, "{reason:?}");
        }
        let asked = Fault::new(Reason::IsoSourceUnreachable, "x").after(Duration::from_secs(9));
        assert_eq!(wait(&asked, 1), Some(Duration::from_secs(9)));
    }
}
