//! When what failed on the way of an ISO is tried again.

use contract::v1::{Fault, RetryClass};
use std::time::Duration;

/// Between two looks whether the content behind a URL changed.
pub const CHECK: Duration = Duration::from_mins(5);

/// The first wait after a fault that passes by itself.
const BACKOFF: Duration = Duration::from_secs(1);
/// No wait for a fault that passes by itself is longer.
const LONGEST: Duration = Duration::from_mins(1);
/// The wait after a fault that the next attempt mends.
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
        RetryClass::Soon => SOON,
        RetryClass::Slow => CHECK,
        RetryClass::Never | RetryClass::Recover => return None,
    };
    Some(fault.wait().unwrap_or_default().max(wait))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::v1::Reason;

    #[test]
    fn each_class_of_faults_has_its_wait() {
        let seconds =
            |reason, failures| wait(&Fault::new(reason, "x"), failures).map(|wait| wait.as_secs());
        for (reason, waits) in [
            (Reason::IsoSourceUnreachable, [Some(1), Some(2), Some(60)]),
            (Reason::IsoSourceChanged, [Some(2), Some(2), Some(2)]),
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
