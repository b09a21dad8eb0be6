//! Which datastore is looked at next.
//!
//! One after the other, a while apart: vCenter is asked little, however many there are.

use crate::soap::MoRef;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// Between two looks into the same folder of ours, at the longest.
const LONGEST: Duration = Duration::from_mins(30);
/// Between any two looks, at the shortest.
const SHORTEST: Duration = Duration::from_secs(1);
/// Looks in the time between two looks into the same folder: at the longest one in two minutes, and three
/// or so calls each.
const IN_A_ROUND: u32 = 15;
/// Before a datastore is looked at again where there was nothing of ours.
const NOTHING: Duration = Duration::from_hours(24);

/// How fast it is gone round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// Between two looks.
    pub(super) step: Duration,
    /// Between two looks into the same folder of ours.
    round: Duration,
}

/// A datastore that can be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Which one.
    pub(super) datastore: MoRef,
    /// There is something of ours, or somebody wants it there.
    pub(super) is_used: bool,
}

/// What was looked at, and when.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    looked: BTreeMap<MoRef, Instant>,
    was_used: bool,
}

// === impl Pace ===

impl Pace {
    /// So that garbage goes not much later than it may.
    pub(super) fn of(grace: Duration) -> Self {
        let round = (grace / 4).clamp(SHORTEST, LONGEST);
        let step = (round / IN_A_ROUND).max(SHORTEST);
        Self { step, round }
    }
}

// === impl Rounds ===

impl Rounds {
    /// The datastore to look at now, which counts as looked at; one that was never looked at is due. Those
    /// that are used and those that may hold what was forgotten take turns, so that neither wait for
    /// the end of the others.
    pub(super) fn next(&mut self, places: &[Place], pace: Pace, now: Instant) -> Option<Place> {
        self.looked
            .retain(|looked, _| places.iter().any(|place| place.datastore == *looked));
        let due = |place: &Place| {
            let again = if place.is_used { pace.round } else { NOTHING };
            let looked = self.looked.get(&place.datastore);
            looked.map(|at| *at + again)
        };
        let is_due = |place: &Place| due(place).is_none_or(|at| at <= now);
        let rank = |place: &Place| (place.is_used == self.was_used, due(place));
        let next = places
            .iter()
            .filter(|place| is_due(place))
            .min_by_key(|place| rank(place));
        let next = next.cloned()?;
        self.was_used = next.is_used;
        self.looked.insert(next.datastore.clone(), now);
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso::wishes::fixtures::datastore;

    const DAY: Duration = Duration::from_hours(24);

    fn place(number: u8, is_used: bool) -> Place {
        Place {
            datastore: datastore(number),
            is_used,
        }
    }

    /// The datastores that are looked at in this time, one step after the other.
    fn looked(rounds: &mut Rounds, places: &[Place], begun: Instant, time: Duration) -> Vec<MoRef> {
        let pace = Pace::of(DAY);
        let steps = time.as_secs() / pace.step.as_secs();
        let steps = (0..u32::try_from(steps).expect("few")).map(|step| begun + pace.step * step);
        let next = steps.filter_map(|now| rounds.next(places, pace, now));
        next.map(|place| place.datastore).collect()
    }

    #[test]
    fn a_short_grace_makes_it_fast_and_a_long_one_not_slow() {
        let seconds = |pace: Pace| (pace.step.as_secs(), pace.round.as_secs());
        assert_eq!(seconds(Pace::of(DAY)), (120, 1800));
        assert_eq!(seconds(Pace::of(Duration::from_hours(1))), (60, 900));
        assert_eq!(seconds(Pace::of(Duration::ZERO)), (1, 1));
    }

    #[test]
    fn each_datastore_is_looked_at_within_a_day_however_many_there_are() {
        let places: Vec<_> = (1..=200).map(|number| place(number, number <= 5)).collect();
        let mut rounds = Rounds::default();
        let looked = looked(&mut rounds, &places, Instant::now(), DAY);
        let seen = |number: &u8| looked.contains(&datastore(*number));
        assert!((1..=200).all(|number| seen(&number)));
        assert!(looked.len() <= 720, "one in two minutes");
    }

    #[test]
    fn where_nothing_of_ours_is_it_is_not_looked_again_for_a_day() {
        let places = [place(1, true), place(2, false)];
        let begun = Instant::now();
        let mut rounds = Rounds::default();
        let first = looked(&mut rounds, &places, begun, DAY);
        let times = |of: u8, looked: &[MoRef]| {
            let of = datastore(of);
            looked.iter().filter(|it| **it == of).count()
        };
        assert_eq!((times(1, &first), times(2, &first)), (48, 1));
        let second = looked(&mut rounds, &places, begun + DAY, DAY);
        assert_eq!(times(2, &second), 1);
    }

    #[test]
    fn a_datastore_that_left_and_came_back_is_looked_at_anew() {
        let pace = Pace::of(DAY);
        let (now, mut rounds) = (Instant::now(), Rounds::default());
        assert!(rounds.next(&[place(1, false)], pace, now).is_some());
        assert!(rounds.next(&[place(1, false)], pace, now).is_none());
        assert!(rounds.next(&[], pace, now).is_none());
        assert!(rounds.next(&[place(1, false)], pace, now).is_some());
    }
}
