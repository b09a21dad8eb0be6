//! The figures of a bench, and whether they keep the budgets.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Serialize;

use super::Run;
use crate::args::Bench;

/// Figures of all runs. Where they are not those of all, they are those of the run in the middle.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    vms: u32,
    delay_milliseconds: u64,
    runs: usize,
    seconds: Seconds,
    floor_seconds: f64,
    soap_calls: u64,
    calls_per_vm: f64,
    by_method: BTreeMap<String, u64>,
    logins: u64,
    status_writes: u64,
    rss_mb: Memory,
    cores: usize,
    profile: &'static str,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Seconds {
    min: f64,
    median: f64,
}

#[derive(Debug, Serialize)]
struct Memory {
    driver: f64,
    controller: f64,
}

/// A budget, and what was measured.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    limit: f64,
    measured: f64,
    ok: bool,
}

impl Figures {
    /// Puts the runs together.
    pub(super) fn of(bench: &Bench, runs: &[Run], floors: &[f64]) -> anyhow::Result<Self> {
        let mut sorted: Vec<_> = runs.iter().collect();
        sorted.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
        let first = sorted.first().context("a bench has a run")?;
        let middle = sorted[sorted.len() / 2];
        let seconds = Seconds {
            min: rounded(first.seconds),
            median: rounded(middle.seconds),
        };
        let floor_seconds = rounded(median(floors).context("a bench has a floor")?);
        let most = |memory: fn(&Run) -> f64| rounded(runs.iter().map(memory).fold(0.0, f64::max));
        let calls_per_vm = rounded(per_vm(middle.calls(), bench.vms));
        Ok(Self {
            checks: checks(bench, calls_per_vm, seconds.median, floor_seconds),
            vms: bench.vms,
            delay_milliseconds: bench.delay,
            runs: runs.len(),
            seconds,
            floor_seconds,
            soap_calls: middle.calls(),
            calls_per_vm,
            by_method: middle.by_method.clone(),
            logins: middle.logins(),
            status_writes: middle.status_writes,
            rss_mb: Memory {
                driver: most(|it| it.driver_mb),
                controller: most(|it| it.controller_mb),
            },
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            profile: "release",
        })
    }

    /// The budgets that were not kept.
    pub(super) fn broken(&self) -> Vec<String> {
        let broken = self.checks.iter().filter(|check| !check.ok);
        broken
            .map(|it| format!("{} {} > {}", it.name, it.measured, it.limit))
            .collect()
    }
}

/// The budgets: calls always, time where there are enough machines to speak of it.
fn checks(bench: &Bench, calls: f64, median: f64, floor: f64) -> Vec<Check> {
    let check = |name, limit, measured| Check {
        name,
        limit,
        measured,
        ok: measured <= limit,
    };
    let mut checks = vec![match bench.vms {
        100.. => check("calls_per_vm", 1.2, calls),
        _ => check("calls_per_vm", 3.0, calls),
    }];
    if bench.vms >= 500 {
        let limit = match (bench.vms, bench.delay) {
            (..=500, _) => 4.0,
            (_, 0) => 8.0,
            _ => 9.0,
        };
        let scale = f64::from(bench.vms.max(1000)) / 1000.0;
        checks.push(check("seconds_median", limit * scale, median));
    }
    if bench.vms >= 100 && bench.delay == 0 {
        checks.push(check("times_the_floor", 2.0, rounded(median / floor)));
    }
    checks
}

fn per_vm(calls: u64, vms: u32) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "nobody makes 2^52 calls")]
    let calls = calls as f64;
    calls / f64::from(vms)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bench(vms: u32, delay: u64) -> Bench {
        Bench {
            vms,
            delay,
            runs: 1,
            json: None,
        }
    }

    #[test]
    fn each_size_has_its_budgets() {
        for (why, bench, kept) in [
            (
                "calls of a thousand",
                checks(&bench(1000, 0), 1.21, 7.0, 4.0),
                vec![false, true, true],
            ),
            (
                "time of a thousand",
                checks(&bench(1000, 0), 1.2, 8.1, 4.1),
                vec![true, false, true],
            ),
            (
                "twice the floor",
                checks(&bench(1000, 0), 1.2, 7.0, 3.4),
                vec![true, true, false],
            ),
            (
                "with latency",
                checks(&bench(1000, 10), 1.2, 8.9, 1.0),
                vec![true, true],
            ),
            ("ten", checks(&bench(10, 0), 3.0, 99.0, 1.0), vec![true]),
        ] {
            assert_eq!(
                bench.iter().map(|it| it.ok).collect::<Vec<_>>(),
                kept,
                "{why}"
            );
        }
    }
}
