//! The figures of a bench, and whether they keep the budgets.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Serialize;

use super::measure::Run;
use crate::args::Make;
use crate::commands::bench::report::{Check, Memory, number, percentile, rounded};

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
}

#[derive(Debug, Serialize)]
struct Seconds {
    min: f64,
    median: f64,
}

impl Figures {
    /// Puts the runs together.
    pub(super) fn of(make: &Make, runs: &[Run], floors: &[f64]) -> anyhow::Result<Self> {
        let mut sorted: Vec<_> = runs.iter().collect();
        sorted.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
        let first = sorted.first().context("a bench has a run")?;
        let middle = sorted[sorted.len() / 2];
        let seconds = Seconds {
            min: rounded(first.seconds),
            median: rounded(middle.seconds),
        };
        Ok(Self {
            vms: make.vms,
            delay_milliseconds: make.delay,
            runs: runs.len(),
            seconds,
            floor_seconds: rounded(percentile(floors, 0.5)),
            soap_calls: middle.calls(),
            calls_per_vm: rounded(number(middle.calls()) / f64::from(make.vms)),
            by_method: middle.by_method.clone(),
            logins: middle.logins(),
            status_writes: middle.status_writes,
            rss_mb: runs
                .iter()
                .map(|run| run.peak)
                .fold(Memory::default(), Memory::most),
        })
    }

    /// The budgets of so many machines.
    pub(super) fn checks(&self, make: &Make) -> Vec<Check> {
        checks(
            make,
            self.calls_per_vm,
            self.seconds.median,
            self.floor_seconds,
        )
    }
}

/// The budgets: calls always, time where there are enough machines to speak of it.
fn checks(make: &Make, calls: f64, median: f64, floor: f64) -> Vec<Check> {
    let limit = if make.vms >= 100 { 1.2 } else { 3.0 };
    let mut checks = vec![Check::at_most("calls_per_vm", limit, calls)];
    if make.vms >= 500 {
        let limit = match (make.vms, make.delay) {
            (..=500, _) => 4.0,
            (_, 0) => 8.0,
            _ => 9.0,
        };
        let scale = f64::from(make.vms.max(1000)) / 1000.0;
        checks.push(Check::at_most("seconds_median", limit * scale, median));
    }
    if make.vms >= 100 && make.delay == 0 {
        checks.push(Check::at_most("times_the_floor", 2.0, median / floor));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::BenchMode;

    fn bench(vms: u32, delay: u64) -> Make {
        Make {
            mode: BenchMode::Test,
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
                bench.iter().map(Check::is_kept).collect::<Vec<_>>(),
                kept,
                "{why}"
            );
        }
    }
}
