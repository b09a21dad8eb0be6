//! The room for a template's machines: when it is measured, and for how many that are missing.

use crate::{
    capacity::{Commitment, Room, Site, Taken, room},
    driver::{Capacity, CapacityQuestion, Driver, Fault, Machine, State, needs},
    link::{Connection, OwnerView, Sight},
    wish::Wish,
};
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};

/// Before what failed is asked again: less than any interval.
const AGAIN: Duration = Duration::from_secs(30);
/// The oldest measurement that the contract lets one ask for.
const OLDEST: Duration = Duration::from_hours(1);

/// What was told of the room, and when it is asked for anew.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measurement {
    /// What was told last.
    pub(crate) capacity: Option<Capacity>,
    /// Why nothing newer was.
    pub(crate) fault: Option<Fault>,
    /// It is asked anew then.
    pub(crate) next: Timestamp,
    /// How many machines there should be at the time.
    pub(crate) desired: i32,
}

/// Whether the room of a template is of use to anybody, and can be asked for.
pub(super) fn is_measured(wish: &Wish, sight: &Sight) -> bool {
    !wish.deleting && wish.problems.is_empty() && sight.connection == Connection::Live
}

/// Whether to ask now: the time has come, or another number of machines is wanted.
pub(super) fn is_due(last: Option<&Measurement>, desired: i32, now: Timestamp) -> bool {
    last.is_none_or(|last| last.next <= now || last.desired != desired)
}

/// Asks how much room there is.
pub(super) async fn measure<D: Driver>(
    driver: &D,
    vcenter: &str,
    wish: &Wish,
) -> Result<Capacity, Fault> {
    // Templates that share a place come to share its measurements, and to ask at the same time.
    let question = CapacityQuestion {
        basis: wish.basis,
        max_age: (wish.interval / 2).min(OLDEST),
    };
    driver.capacity(vcenter, &wish.spec, question).await
}

/// How long an answer is believed.
pub(super) fn believed(
    told: Result<Capacity, Fault>,
    (wish, desired): (&Wish, i32),
    last: Option<Measurement>,
    now: Timestamp,
) -> Measurement {
    let after = |from: Timestamp, time| from.checked_add(time).unwrap_or(Timestamp::MAX);
    match told {
        Ok(capacity) => Measurement {
            // The driver's clock may be another: never at once, never later than an interval.
            next: after(capacity.measured_at, wish.interval)
                .clamp(after(now, wish.interval / 2), after(now, wish.interval)),
            capacity: Some(capacity),
            fault: None,
            desired,
        },
        Err(fault) => Measurement {
            capacity: last.and_then(|last| last.capacity),
            next: after(now, fault.after.unwrap_or_default().max(AGAIN)),
            fault: Some(fault),
            desired,
        },
    }
}

/// How many machines are neither there nor being made.
pub(super) fn missing(owner: &OwnerView, desired: i32) -> i32 {
    let takes_room = |machine: &&Arc<Machine>| match machine.state {
        State::Creating
        | State::PoweringOn
        | State::Running
        | State::Off
        | State::Drifted
        | State::Unknown => true,
        // What failed after it was made is there.
        State::Failed => machine.exists(),
        State::Deleting | State::Gone | State::Conflict => false,
    };
    let there = owner.machines.values().filter(takes_room);
    let there = i32::try_from(there.count()).unwrap_or(i32::MAX);
    desired.saturating_sub(there).max(0)
}

/// What a template still lacks, for others to leave to it.
pub(super) fn commitment(
    (wish, desired): (&Wish, i32),
    sight: &Sight,
    measurement: Option<&Measurement>,
) -> Option<Commitment> {
    if wish.paused || !is_measured(wish, sight) {
        return None;
    }
    Some(Commitment {
        site: site(sight, measurement)?,
        needs: needs(&wish.spec),
        missing: missing(&sight.owner, desired),
    })
}

/// Where the machines take their room from, as far as that is known.
pub(super) fn site(sight: &Sight, measurement: Option<&Measurement>) -> Option<Site> {
    let vcenter = sight.vcenter.as_ref()?;
    let capacity = measurement?.capacity.as_ref()?;
    Some(Site::of(&vcenter.instance_uuid, capacity))
}

/// The room beside what others take.
pub(super) fn estimate(
    wish: &Wish,
    measurement: Option<&Measurement>,
    taken: Taken,
) -> Option<(Capacity, Room)> {
    let capacity = measurement?.capacity.clone()?;
    let room = room(&capacity, needs(&wish.spec), taken);
    Some((capacity, room))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        driver::Retry,
        fixtures::{capacity, fault, template, world::World},
    };
    use serde_json::json;

    fn wish() -> Wish {
        Wish::of(&template(&json!({}))).unwrap()
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn told_at(measured_at: i64) -> Capacity {
        let wish = wish();
        Capacity {
            measured_at: second(measured_at),
            ..capacity(9, needs(&wish.spec))
        }
    }

    #[test]
    fn it_is_asked_for_when_the_time_has_come_or_another_number_is_wanted() {
        let last = believed(Ok(told_at(1_000)), (&wish(), 2), None, second(1_000));
        assert!(is_due(None, 2, second(1_000)));
        assert!(!is_due(Some(&last), 2, second(1_299)));
        assert!(is_due(Some(&last), 2, second(1_300)));
        assert!(is_due(Some(&last), 3, second(1_001)));
    }

    #[test]
    fn the_next_time_follows_from_the_measurement_and_trusts_no_clock() {
        for (measured_at, next) in [
            (1_000, 1_300),
            // Shared with another template, so that both ask together from then on.
            (900, 1_200),
            (0, 1_150),
            (9_000, 1_300),
        ] {
            let measurement = believed(Ok(told_at(measured_at)), (&wish(), 1), None, second(1_000));
            assert_eq!(measurement.next, second(next), "{measured_at}");
        }
    }

    #[test]
    fn what_fails_is_asked_soon_again_and_what_was_told_before_stays() {
        let good = believed(Ok(told_at(1_000)), (&wish(), 1), None, second(1_000));
        let failed = Fault {
            after: Some(Duration::from_secs(90)),
            ..fault(Retry::Slow)
        };
        let bad = believed(
            Err(failed.clone()),
            (&wish(), 1),
            Some(good.clone()),
            second(1_300),
        );
        assert_eq!(
            bad,
            Measurement {
                fault: Some(failed),
                next: second(1_390),
                ..good
            }
        );
        let bad = believed(Err(fault(Retry::Slow)), (&wish(), 1), None, second(0));
        assert_eq!((bad.capacity, bad.next), (None, second(30)));
    }

    #[test]
    fn only_machines_that_take_room_are_not_missing() {
        for (state, missing_of_two) in [
            (State::Creating, 1),
            (State::PoweringOn, 1),
            (State::Running, 1),
            (State::Off, 1),
            (State::Drifted, 1),
            (State::Unknown, 1),
            (State::Deleting, 2),
            (State::Gone, 2),
            (State::Conflict, 2),
            // It was made, and could not be switched on.
            (State::Failed, 1),
        ] {
            let world = World::new(2, &[(1, state)]);
            assert_eq!(missing(&world.sight.owner, 2), missing_of_two, "{state:?}");
        }
        let mut world = World::new(2, &[(1, State::Failed)]);
        world.machine(1).moref.clear();
        assert_eq!(missing(&world.sight.owner, 2), 2);
        assert_eq!(missing(&world.sight.owner, 0), 0);
    }

    #[test]
    fn a_template_that_asks_for_nothing_keeps_nothing_from_others() {
        let world = World::new(2, &[(1, State::Running)]);
        let last = believed(Ok(told_at(1_000)), (&world.wish, 2), None, second(1_000));
        let missing = |change: fn(&mut World)| {
            let mut world = World::new(2, &[(1, State::Running)]);
            change(&mut world);
            let commitment = commitment((&world.wish, 2), &world.sight, Some(&last));
            commitment.map(|commitment| commitment.missing)
        };
        assert_eq!(missing(|_| {}), Some(1));
        assert_eq!(missing(|world| world.wish.paused = true), None);
        assert_eq!(missing(|world| world.wish.deleting = true), None);
        assert_eq!(
            missing(|world| world.wish.problems = vec!["bad".into()]),
            None
        );
        assert_eq!(
            missing(|world| world.sight.connection = Connection::Syncing),
            None
        );
        assert_eq!(commitment((&world.wish, 2), &world.sight, None), None);
    }
}
