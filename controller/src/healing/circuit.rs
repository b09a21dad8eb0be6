//! Whether machines are still replaced: not after many that changed nothing. Pure.

use crate::crd::SelfHealingStatus;

/// What has happened since the circuit was looked at last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// A machine got on.
    pub(crate) success: bool,
    /// A person asks for it to be closed.
    pub(crate) asked: bool,
}

/// What is remembered after `news`. The annotation counts once, as nobody takes it off in time.
pub(crate) fn after(before: SelfHealingStatus, news: News) -> SelfHealingStatus {
    let asked = news.asked && !before.closed_by_annotation;
    let closed = news.success || asked;
    SelfHealingStatus {
        replacements: if closed { 0 } else { before.replacements },
        closed_by_annotation: news.asked,
        ..before
    }
}

/// How many more may be replaced.
pub(crate) fn left(status: &SelfHealingStatus, limit: i32) -> usize {
    usize::try_from(limit.saturating_sub(status.replacements)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(replacements: i32, closed_by_annotation: bool) -> SelfHealingStatus {
        SelfHealingStatus {
            replacements,
            closed_by_annotation,
            suspended_since: None,
        }
    }

    #[test]
    fn the_circuit_closes_by_a_success_and_once_by_each_annotation() {
        let (quiet, success, asked) = (
            News::default(),
            News {
                success: true,
                asked: false,
            },
            News {
                success: false,
                asked: true,
            },
        );
        for (why, before, news, expected) in [
            ("nothing new", status(3, false), quiet, status(3, false)),
            ("a success", status(5, false), success, status(0, false)),
            ("asked for", status(5, false), asked, status(0, true)),
            ("left on", status(5, true), asked, status(5, true)),
            ("taken off", status(5, true), quiet, status(5, false)),
        ] {
            assert_eq!(after(before, news), expected, "{why}");
        }
    }

    #[test]
    fn no_more_are_replaced_than_the_limit_leaves() {
        for (replacements, expected) in [(0, 5), (4, 1), (5, 0), (9, 0)] {
            assert_eq!(left(&status(replacements, false), 5), expected);
        }
    }
}
