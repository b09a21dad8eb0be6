//! The rules of healing, as tables.

use super::*;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn deadlines() -> Deadlines {
    Deadlines::of(&SelfHealing::default())
}

/// Awaited since the beginning of time.
fn awaited(stage: Stage, retried: bool) -> Awaited {
    Awaited {
        stage: stage.word().into(),
        since: Some(Time(at(0))),
        retried,
    }
}

fn judged(stage: Stage, retried: bool, standing: Standing, seconds: i64) -> Verdict {
    let case = Case {
        stage,
        awaited: &awaited(stage, retried),
        standing,
        under_way: false,
    };
    judge(&case, &deadlines(), at(seconds))
}

#[test]
fn a_machine_is_waited_for_then_asked_for_again_where_that_helps_and_then_replaced() {
    use Stage::{Installation, PowerOn, Registration, Validation};
    use Standing::{Free, Released, Unknown, Used};
    use Verdict::{Healthy, Overdue, Replace, Retry, Wait};
    for (stage, retried, standing, seconds, expected) in [
        (PowerOn, false, Free, 89, Wait(at(90))),
        (PowerOn, false, Free, 90, Retry),
        (PowerOn, true, Free, 89, Wait(at(90))),
        (PowerOn, true, Free, 90, Replace),
        (Registration, false, Free, 359, Wait(at(360))),
        (Registration, false, Free, 360, Replace),
        (Validation, false, Free, 180, Replace),
        (Installation, false, Free, 420, Replace),
        (Installation, false, Used, 419, Wait(at(420))),
        (Installation, false, Used, 420, Overdue),
        (Validation, false, Used, 180, Overdue),
        (Registration, false, Unknown, 999, Healthy),
        (Installation, false, Released, 999, Healthy),
    ] {
        let verdict = judged(stage, retried, standing, seconds);
        assert_eq!(
            verdict, expected,
            "{stage:?} {standing:?} after {seconds} s"
        );
    }
}

#[test]
fn what_is_under_way_has_time_and_is_not_asked_for_again() {
    for (retried, seconds, expected) in [
        (false, 3599, Verdict::Wait(at(3600))),
        (false, 3600, Verdict::Replace),
        (true, 3599, Verdict::Wait(at(3600))),
    ] {
        let case = Case {
            stage: Stage::PowerOn,
            awaited: &awaited(Stage::PowerOn, retried),
            standing: Standing::Free,
            under_way: true,
        };
        assert_eq!(judge(&case, &deadlines(), at(seconds)), expected);
    }
}

#[test]
fn an_agent_is_awaited_since_agents_can_be_seen_and_the_power_all_the_time() {
    for (stage, expected) in [(Stage::PowerOn, 0), (Stage::Registration, 50)] {
        let mut awaited = awaited(stage, false);
        awaited.not_before(Position::Before(stage), at(50));
        assert_eq!(awaited.since, Some(Time(at(expected))), "{stage:?}");
        awaited.not_before(Position::Before(stage), at(20));
        assert_eq!(awaited.since, Some(Time(at(expected))), "{stage:?}");
    }
}

#[test]
fn time_in_which_nobody_could_look_does_not_count() {
    let mut waiting = awaited(Stage::Registration, false);
    waiting.put_off(SignedDuration::from_secs(1000));
    let since = waiting.since.map(|since| since.0);
    assert_eq!(since, Some(at(1000)));
}

#[test]
fn a_stage_begins_once_and_another_begins_anew() {
    let begun = awaited(Stage::PowerOn, true);
    let powered = Position::Before(Stage::PowerOn);
    let registered = Position::Before(Stage::Registration);
    let anew = |stage: Stage| Awaited {
        since: Some(Time(at(7))),
        ..awaited(stage, false)
    };
    for (position, before, expected) in [
        (powered, Some(begun.clone()), Some(begun.clone())),
        (powered, None, Some(anew(Stage::PowerOn))),
        (
            registered,
            Some(begun.clone()),
            Some(anew(Stage::Registration)),
        ),
        (Position::Unseen, Some(begun.clone()), Some(begun.clone())),
        (Position::Excused, Some(begun.clone()), None),
        (Position::Ready, Some(begun.clone()), None),
        (Position::Joined, Some(begun), None),
    ] {
        assert_eq!(position.awaited(before, at(7)), expected, "{position:?}");
    }
}

#[test]
fn who_can_be_taken_has_got_on() {
    for (position, expected) in [
        (Position::Ready, true),
        (Position::Joined, true),
        (Position::Before(Stage::Installation), false),
        (Position::Before(Stage::Validation), false),
        (Position::Before(Stage::Registration), false),
        (Position::Before(Stage::PowerOn), false),
        (Position::Excused, false),
        (Position::Unseen, false),
    ] {
        assert_eq!(position.has_got_on(), expected, "{position:?}");
    }
}

#[test]
fn it_is_on_for_node_pools_and_off_in_test_mode_unless_somebody_says_so() {
    let of = |enabled: Option<bool>, test_mode| {
        let spec = SelfHealing {
            enabled,
            ..SelfHealing::default()
        };
        Healing::of(Some(&spec), test_mode).is_some()
    };
    assert!(Healing::of(None, false).is_some() && Healing::of(None, true).is_none());
    assert!(of(Some(true), true) && !of(Some(false), false));
}

#[test]
fn deadlines_are_those_that_are_given_and_else_below_twenty_minutes_together() {
    let spec = json!({"registrationDeadline": "1m30s"});
    let given = Deadlines::of(&serde_json::from_value(spec).unwrap());
    assert_eq!(given.registration, SignedDuration::from_secs(90));
    let sum = |it: Deadlines| it.power_on + it.registration + it.validation + it.installation;
    assert_eq!(sum(deadlines()), SignedDuration::from_mins(19));
}

#[test]
fn a_reason_for_leaving_tells_its_stage() {
    for stage in Stage::ALL {
        assert_eq!(Stage::of_reason(stage.missed()), Some(stage));
    }
    assert_eq!(Stage::of_reason("Surplus"), None);
}
