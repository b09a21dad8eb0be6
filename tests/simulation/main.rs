//! Both processes against a hub and a vCenter in memory, on schedules of mishaps that follow from seeds:
//! whatever is lost, late, broken or killed, the invariants hold, and all is well in the end.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what the tests share may fail them, too, and a trace is asked for"
)]

mod hub;
mod judge;
mod processes;
mod schedule;
mod vcenter;
mod weather;
mod wire;
mod world;

use schedule::{Outcome, play, scenes};
use std::{
    env,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// Schedules that a run of the tests plays, unless it is told otherwise: an optimised build plays them some
/// ten times as fast.
const SCHEDULES: u64 = if cfg!(debug_assertions) { 300 } else { 10_000 };
/// Failed schedules after which no more are played.
const MOST_FAILED: usize = 10;

/// What the environment asks for: one seed to be played again, or how many.
fn asked() -> (Option<u64>, u64) {
    let number = |name: &str| env::var_os(name)?.into_string().ok()?.parse().ok();
    let seed = number("SIMULATION_SEED");
    (seed, number("SIMULATION_SCHEDULES").unwrap_or(SCHEDULES))
}

fn told(outcome: &Outcome) -> String {
    let Outcome {
        seed,
        violations,
        trace,
    } = outcome;
    format!(
        "{}\n\nseed {seed}:\n{}\n\nAgain: SIMULATION_SEED={seed} cargo test --test simulation \
         every_schedule",
        trace.join("\n"),
        violations.join("\n"),
    )
}

#[test]
fn every_schedule_keeps_the_invariants_and_ends_well() {
    let (seed, schedules) = asked();
    if let Some(seed) = seed {
        let outcome = play(seed);
        println!("{}", told(&outcome));
        assert!(outcome.violations.is_empty(), "{:?}", outcome.violations);
        return;
    }
    let (next, failed) = (AtomicU64::new(1), Mutex::new(Vec::new()));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > schedules || failed.lock().unwrap().len() >= MOST_FAILED {
                        return;
                    }
                    let outcome = play(seed);
                    if !outcome.violations.is_empty() {
                        failed.lock().unwrap().push(outcome);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort_by_key(|outcome| outcome.seed);
    let played = next.into_inner().min(schedules + 1) - 1;
    if let Some(first) = failed.first() {
        let seeds = failed.iter().map(|outcome| {
            let violated = outcome.violations.first().map_or("", String::as_str);
            format!("seed {}: {violated}", outcome.seed)
        });
        let seeds: Vec<_> = seeds.collect();
        panic!(
            "{}\n\nof {played} schedules:\n{}",
            told(first),
            seeds.join("\n")
        );
    }
    println!("{schedules} schedules, 0 violations");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    const SEEDS: std::ops::RangeInclusive<u64> = 1..=20;
    let mut first: Vec<_> = SEEDS.map(play).collect();
    // In another order: nothing of an earlier schedule has an effect on a later one.
    for second in SEEDS.rev().map(play) {
        let first = first.pop().expect("as many");
        let lines = first.trace.iter().zip(&second.trace);
        let differs = lines.clone().find(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {}", first.seed);
        assert_eq!(first.trace.len(), second.trace.len(), "seed {}", first.seed);
    }
}

#[test]
fn what_the_update_loop_watched_with_is_given_up_when_it_begins_anew_in_its_session() {
    assert_eq!(scenes::watched_with_after_a_while_of_503(), (1, 2));
}

#[test]
fn what_is_made_in_vain_to_watch_with_is_given_up() {
    let (collectors, views) = scenes::watched_with_while_filters_are_refused();
    assert!(collectors <= 2 && views <= 2, "{collectors}, {views}");
}

#[test]
fn half_an_hour_without_a_vcenter_ends_without_a_storm() {
    let [start, healed] = scenes::calls_of_a_start_and_after_half_an_hour_without_a_vcenter();
    assert!(start.soap > 10 && healed.soap > 5, "{start:?}, {healed:?}");
    assert!(healed.rpcs <= 2 * start.rpcs, "{start:?}, {healed:?}");
    assert!(healed.soap <= 2 * start.soap, "{start:?}, {healed:?}");
}

#[test]
fn machines_of_the_companion_are_adopted_as_they_run_whatever_happens() {
    for seed in 1..=30 {
        let violations = scenes::adopted_whatever_happens(seed);
        assert_eq!(violations, Vec::<String>::new(), "seed {seed}");
    }
}
