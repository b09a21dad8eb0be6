//! What was tried, and when it may be tried again. Pure.

use crate::{
    driver::{Fault, Retry},
    retry,
};
use jiff::Timestamp;
use std::{collections::HashMap, time::Duration};

/// After an answer that it is under way, it is not asked again before this; events come sooner.
const UNDER_WAY: Duration = Duration::from_secs(5);

/// What was tried since something changed last.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Attempts(HashMap<Work, Attempt>);

/// What can be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Work {
    /// To have any machine made.
    Ensure,
    /// To have any machine removed.
    Delete,
    /// To have this one made.
    Make(i32),
    /// To have this one removed.
    Remove(i32),
    /// To set what the Agent of this one needs.
    Agent(i32),
    /// To fence the Agent of this one, or to make sure that it has none.
    Fence(i32),
    /// To delete the Agent of this one, or let it go.
    Bury(i32),
    /// To have the ISO taken out of this one.
    Eject(i32),
    /// To set what the node pool selects Agents by.
    Select,
    /// To look up names.
    Check,
    /// To have the ISO.
    Iso,
    /// To withdraw the ISO from a former vCenter.
    Withdraw,
    /// To keep the Secret from going.
    Keep,
    /// To let the former Secret go.
    LetGo,
    /// To let go of all that the template holds, so that it can go itself.
    Part,
}

/// What was tried.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Attempt {
    count: u32,
    at: Timestamp,
    chance: f64,
    /// Why nothing more is done for it.
    pub(super) fault: Option<Fault>,
}

/// When something may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Now,
    At(Timestamp),
    /// Not before something changes.
    Never,
}

// === impl Attempts ===

impl Attempts {
    /// Notes an attempt, and what became of it.
    pub(super) fn note(&mut self, work: Work, fault: Option<Fault>, now: Timestamp) {
        let count = self.0.get(&work).map_or(0, |attempt| attempt.count) + 1;
        let attempt = Attempt {
            count,
            at: now,
            chance: retry::chance(),
            fault,
        };
        self.0.insert(work, attempt);
    }

    /// It has succeeded.
    pub(super) fn succeeded(&mut self, work: Work) {
        self.0.remove(&work);
    }

    /// Forgets all about slots other than these.
    pub(super) fn keep_slots(&mut self, keep: impl Fn(i32) -> bool) {
        self.0.retain(|work, _| work.slot().is_none_or(&keep));
    }

    /// Forgets what stood in the way of slots that leave no more.
    pub(super) fn keep_leaving(&mut self, leaves: impl Fn(i32) -> bool) {
        self.0
            .retain(|work, _| !matches!(work, Work::Fence(slot) if !leaves(*slot)));
    }

    /// Something has changed that may mend everything. A driver that had no room for a call is left in
    /// peace all the same: no change on this side makes room over there. Nor does a guest let go of its drive
    /// for it.
    pub(super) fn clear(&mut self) {
        self.0.retain(|work, attempt| match work {
            Work::Ensure | Work::Delete => attempt.asked_for_time(),
            Work::Eject(_) => attempt.may_pass(),
            Work::Make(_)
            | Work::Remove(_)
            | Work::Agent(_)
            | Work::Fence(_)
            | Work::Bury(_)
            | Work::Select
            | Work::Check
            | Work::Iso
            | Work::Withdraw
            | Work::Keep
            | Work::LetGo
            | Work::Part => false,
        });
    }

    /// When the first of these that failed is to be tried again. One that is wanted no more is to be forgotten
    /// before.
    pub(super) fn next_retry(&self, works: &[Work], now: Timestamp) -> Option<Timestamp> {
        let failed = works.iter().filter(|work| self.fault(**work).is_some());
        let due = failed.filter_map(|work| self.due(*work, None, now).or_now(now));
        due.min()
    }

    /// Why this was not done, the last time.
    pub(super) fn fault(&self, work: Work) -> Option<&Fault> {
        self.0.get(&work)?.fault.as_ref()
    }

    /// When it may be done again; `told` is what a stream has told of it since it was accepted. What was
    /// refused has changed nothing, and what is told then is older.
    pub(super) fn due(&self, work: Work, told: Option<&Fault>, now: Timestamp) -> Due {
        let Some(attempt) = self.0.get(&work) else {
            return Due::Now;
        };
        let delay = match attempt.fault.as_ref().or(told) {
            None => Some(UNDER_WAY),
            Some(fault) => retry::delay(fault, attempt.count, attempt.chance),
        };
        let Some(delay) = delay else {
            return Due::Never;
        };
        match attempt.at.checked_add(delay) {
            Ok(at) if at > now => Due::At(at),
            Ok(_) => Due::Now,
            Err(_) => Due::Never,
        }
    }
}

// === impl Work ===

impl Work {
    /// The slot that it is about, if it is about one.
    fn slot(self) -> Option<i32> {
        match self {
            Self::Make(slot)
            | Self::Remove(slot)
            | Self::Agent(slot)
            | Self::Fence(slot)
            | Self::Bury(slot)
            | Self::Eject(slot) => Some(slot),
            Self::Ensure
            | Self::Delete
            | Self::Select
            | Self::Check
            | Self::Iso
            | Self::Withdraw
            | Self::Keep
            | Self::LetGo
            | Self::Part => None,
        }
    }
}

// === impl Attempt ===

impl Attempt {
    /// It was accepted, or refused for something that may pass.
    fn may_pass(&self) -> bool {
        let fault = self.fault.as_ref();
        fault.is_none_or(|fault| fault.retry != Retry::Never)
    }

    /// It was refused for something that passes, with the time to come back.
    fn asked_for_time(&self) -> bool {
        let passes = |fault: &Fault| fault.retry == Retry::Backoff && fault.after.is_some();
        self.fault.as_ref().is_some_and(passes)
    }
}

// === impl Due ===

impl Due {
    pub(super) fn is_now(self) -> bool {
        self == Self::Now
    }

    /// The moment to come, if there is one.
    pub(super) fn at(self) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Now | Self::Never => None,
        }
    }

    /// When it may be done, from now on.
    fn or_now(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Now => Some(now),
            Self::At(at) => Some(at),
            Self::Never => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::fault;

    const T0: Timestamp = Timestamp::UNIX_EPOCH;

    fn after(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn what_was_not_tried_is_due() {
        assert_eq!(Attempts::default().due(Work::Ensure, None, T0), Due::Now);
    }

    #[test]
    fn what_failed_waits_by_its_class() {
        for (class, at_100) in [
            (Retry::Slow, false),
            (Retry::Backoff, true),
            (Retry::Never, false),
        ] {
            let mut attempts = Attempts::default();
            attempts.note(Work::Make(1), Some(fault(class)), T0);
            let due = attempts.due(Work::Make(1), None, T0);
            assert!(!due.is_now(), "{class:?}");
            let later = attempts.due(Work::Make(1), None, after(100));
            assert_eq!(later.is_now(), at_100, "{class:?}");
        }
    }

    #[test]
    fn what_a_stream_tells_counts_once_the_work_was_accepted() {
        let mut attempts = Attempts::default();
        attempts.note(Work::Make(1), None, T0);
        let told = fault(Retry::Never);
        assert_eq!(
            attempts.due(Work::Make(1), Some(&told), after(100)),
            Due::Never
        );
        assert_eq!(attempts.due(Work::Make(1), None, after(100)), Due::Now);
        attempts.note(Work::Make(1), Some(fault(Retry::Soon)), T0);
        let refused = attempts.due(Work::Make(1), Some(&told), after(100));
        assert_eq!(refused, Due::Now);
    }

    #[test]
    fn what_failed_is_tried_again_though_its_time_came_before_anybody_asked() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.next_retry(&[Work::Part], T0), None);
        attempts.note(Work::Keep, None, T0);
        attempts.note(Work::Part, Some(fault(Retry::Backoff)), T0);
        let works = [Work::Keep, Work::Part];
        let at = attempts.next_retry(&works, T0).unwrap();
        assert!(at > T0);
        assert_eq!(attempts.next_retry(&works, after(100)), Some(after(100)));
        assert_eq!(attempts.next_retry(&[Work::Keep], T0), None);
    }

    #[test]
    fn success_forgets_and_so_does_a_change() {
        let mut attempts = Attempts::default();
        attempts.note(Work::Make(1), Some(fault(Retry::Never)), T0);
        attempts.note(Work::Remove(2), Some(fault(Retry::Never)), T0);
        attempts.succeeded(Work::Make(1));
        assert!(attempts.due(Work::Make(1), None, T0).is_now());
        attempts.keep_slots(|slot| slot != 2);
        assert!(attempts.due(Work::Remove(2), None, T0).is_now());
    }

    #[test]
    fn what_stood_in_the_way_of_leaving_is_forgotten_of_who_stays() {
        let mut attempts = Attempts::default();
        for work in [Work::Fence(1), Work::Fence(2), Work::Make(2), Work::Ensure] {
            attempts.note(work, Some(fault(Retry::Never)), T0);
        }
        attempts.keep_leaving(|slot| slot == 1);
        assert!(attempts.fault(Work::Fence(2)).is_none());
        for work in [Work::Fence(1), Work::Make(2), Work::Ensure] {
            assert!(attempts.fault(work).is_some(), "{work:?}");
        }
    }

    #[test]
    fn a_change_does_not_have_a_guest_asked_again_and_an_older_driver_may_have_been_updated() {
        let mut attempts = Attempts::default();
        attempts.note(Work::Eject(1), None, T0);
        attempts.note(Work::Eject(2), Some(fault(Retry::Never)), T0);
        attempts.clear();
        let held = fault(Retry::Slow);
        assert!(
            !attempts
                .due(Work::Eject(1), Some(&held), after(200))
                .is_now()
        );
        assert!(attempts.due(Work::Eject(2), None, after(200)).is_now());
    }

    #[test]
    fn a_change_does_not_cut_short_the_time_that_a_driver_without_room_asked_for() {
        let overloaded = Fault {
            after: Some(Duration::from_secs(5)),
            ..fault(Retry::Backoff)
        };
        let suspended = Fault {
            after: Some(Duration::from_mins(15)),
            ..fault(Retry::Slow)
        };
        let mut attempts = Attempts::default();
        attempts.note(Work::Ensure, Some(overloaded.clone()), T0);
        attempts.note(Work::Delete, Some(suspended), T0);
        attempts.note(Work::Make(1), Some(overloaded), T0);
        attempts.clear();
        assert!(attempts.due(Work::Delete, None, T0).is_now());
        assert!(attempts.due(Work::Make(1), None, T0).is_now());
        assert!(!attempts.due(Work::Ensure, None, after(4)).is_now());
        assert!(attempts.due(Work::Ensure, None, after(7)).is_now());
    }
}
