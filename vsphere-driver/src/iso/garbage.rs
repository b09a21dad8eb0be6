//! Which files of ours are garbage, and when they go.

use prost_types::Timestamp;
use std::time::Duration;

/// What is known of a file of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// Somebody uploaded it: it stays until it is removed by hand.
    pub is_uploaded: bool,
    /// An ISO wants it.
    pub is_wanted: bool,
    /// A machine mounts it, or may.
    pub is_mounted: bool,
}

/// Whether a file is garbage.
pub fn is_garbage(file: Use) -> bool {
    let Use {
        is_uploaded,
        is_wanted,
        is_mounted,
    } = file;
    !is_uploaded && !is_wanted && !is_mounted
}

/// Since when a file is garbage: what was so stays, and what was not begins now. In memory only, so that
/// each start of the driver gives owners the whole grace to ask again.
pub fn since(file: Use, before: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    is_garbage(file).then(|| before.unwrap_or(now))
}

/// When a file goes that is garbage since then.
pub fn goes_at(since: Timestamp, grace: Duration) -> Timestamp {
    let seconds = i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
    Timestamp {
        seconds: since.seconds.saturating_add(seconds),
        nanos: since.nanos,
    }
}

/// Whether the time has come.
pub fn is_due(since: Timestamp, grace: Duration, now: Timestamp) -> bool {
    let at = goes_at(since, grace);
    (at.seconds, at.nanos) <= (now.seconds, now.nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNUSED: Use = Use {
        is_uploaded: false,
        is_wanted: false,
        is_mounted: false,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 5 }
    }

    #[test]
    fn only_what_nobody_wants_mounts_or_uploaded_is_garbage() {
        assert!(is_garbage(UNUSED));
        for used in [
            Use {
                is_uploaded: true,
                ..UNUSED
            },
            Use {
                is_wanted: true,
                ..UNUSED
            },
            Use {
                is_mounted: true,
                ..UNUSED
            },
        ] {
            assert!(!is_garbage(used), "{used:?}");
        }
    }

    #[test]
    fn the_grace_begins_when_the_last_use_ended() {
        let wanted = Use {
            is_wanted: true,
            ..UNUSED
        };
        assert_eq!(since(UNUSED, None, at(3)), Some(at(3)));
        assert_eq!(since(UNUSED, Some(at(3)), at(9)), Some(at(3)));
        assert_eq!(since(wanted, Some(at(3)), at(9)), None);
    }

    #[test]
    fn a_file_goes_when_the_grace_is_over_and_not_before() {
        let grace = Duration::from_secs(10);
        assert_eq!(goes_at(at(3), grace), at(13));
        assert!(!is_due(at(3), grace, at(12)));
        assert!(is_due(at(3), grace, at(13)));
        assert!(!is_due(at(3), Duration::MAX, at(i64::MAX - 1)));
    }
}
