//! What a bench says in the end: its figures, and whether the budgets were kept.

use std::path::Path;

use anyhow::bail;
use lab::Lab;
use lab::process::Process;
use serde::Serialize;

use crate::commands::write_json;
use crate::screen::say;

/// A budget, and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Check {
    name: &'static str,
    /// `<=` or `>=`.
    relation: &'static str,
    limit: f64,
    measured: f64,
    ok: bool,
}

/// Memory of both services, in MB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Memory {
    pub(super) driver: f64,
    /// Absent: there is no controller in this bench.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) controller: Option<f64>,
}

#[derive(Serialize)]
struct Report<'a, F> {
    #[serde(flatten)]
    figures: &'a F,
    cores: usize,
    profile: &'static str,
    checks: &'a [Check],
}

/// Tells the figures, writes them where the caller wants them, and fails if a budget was not kept.
pub(super) fn finish(
    json: Option<&Path>,
    figures: &impl Serialize,
    checks: &[Check],
) -> anyhow::Result<()> {
    let report = Report {
        figures,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        profile: "release",
        checks,
    };
    write_json(json, &report)?;
    say(&serde_json::to_string_pretty(&report)?);
    let broken: Vec<_> = checks.iter().filter_map(Check::broken).collect();
    if broken.is_empty() {
        Ok(())
    } else {
        bail!("not kept: {}", broken.join("; "))
    }
}

/// With three digits behind the point.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^52")]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}

/// The value that so much of all values do not exceed: 0.5 is the median. Zero of none.
pub(super) fn percentile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        reason = "there are never that many values"
    )]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is an index"
    )]
    let index = (part * sorted.len() as f64).ceil() as usize;
    let value = sorted.get(index.saturating_sub(1));
    value.copied().unwrap_or_default()
}

// === impl Check ===

impl Check {
    /// Kept when no more than `limit` was measured.
    pub(super) fn at_most(name: &'static str, limit: f64, measured: f64) -> Self {
        let ok = measured <= limit;
        Self::new(name, "<=", (limit, measured), ok)
    }

    /// Kept when no less than `limit` was measured.
    pub(super) fn at_least(name: &'static str, limit: f64, measured: f64) -> Self {
        let ok = measured >= limit;
        Self::new(name, ">=", (limit, measured), ok)
    }

    /// Whether it was kept.
    #[cfg(test)]
    pub(super) fn is_kept(&self) -> bool {
        self.ok
    }

    fn new(
        name: &'static str,
        relation: &'static str,
        (limit, measured): (f64, f64),
        ok: bool,
    ) -> Self {
        Self {
            name,
            relation,
            limit,
            measured: rounded(measured),
            ok,
        }
    }

    fn broken(&self) -> Option<String> {
        let Self {
            name,
            relation,
            limit,
            measured,
            ok,
        } = self;
        (!ok).then(|| format!("{name} {measured} is not {relation} {limit}"))
    }
}

// === impl Memory ===

impl Memory {
    /// What both have now.
    pub(super) fn now(lab: &Lab) -> lab::Result<Self> {
        Self::of(lab, Process::memory_mb)
    }

    /// The most that each has had.
    pub(super) fn peak(lab: &Lab) -> lab::Result<Self> {
        Self::of(lab, Process::peak_memory_mb)
    }

    /// The more of both, for each service.
    pub(super) fn most(self, other: Self) -> Self {
        let controller = match (self.controller, other.controller) {
            (Some(one), Some(other)) => Some(one.max(other)),
            (one, other) => one.or(other),
        };
        let driver = self.driver.max(other.driver);
        Self { driver, controller }
    }

    fn of(lab: &Lab, read: impl Fn(&Process) -> lab::Result<f64>) -> lab::Result<Self> {
        let controller = match lab.controller() {
            Ok(controller) => Some(rounded(read(controller.process()?)?)),
            Err(_) => None,
        };
        let driver = rounded(read(lab.driver()?.process()?)?);
        Ok(Self { driver, controller })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<_> = (1..=100).rev().map(f64::from).collect();
        for (part, value) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.0, 1.0)] {
            assert!((percentile(&values, part) - value).abs() < 0.1, "{part}");
        }
        assert!(percentile(&[], 0.5).abs() < 0.1);
    }

    #[test]
    fn a_budget_is_kept_up_to_its_limit() {
        for (check, kept) in [
            (Check::at_most("calls", 2.0, 2.0), true),
            (Check::at_most("calls", 2.0, 2.1), false),
            (Check::at_least("refused", 1.0, 1.0), true),
            (Check::at_least("refused", 1.0, 0.0), false),
        ] {
            assert_eq!(check.is_kept(), kept, "{check:?}");
            assert_eq!(check.broken().is_none(), kept, "{check:?}");
        }
    }
}
