//! How fast an ISO comes from its source to a datastore, and in how much memory, beside two curls
//! and a pipe.

mod curl;
mod ensure;

use std::time::Instant;

use anyhow::ensure;
use lab::images::Content;
use lab::{DATASTORE, Lab};
use serde::Serialize;

use super::clients::Machines;
use super::report::{Check, Memory, finish, number, percentile, rounded};
use crate::args::Iso;
use crate::screen::say;

/// What the driver has to reach of the speed of two curls.
const RATIO: f64 = 0.9;
/// By how much it may grow meanwhile, in MB.
const GROWTH_MB: f64 = 16.0;

#[derive(Debug, Serialize)]
struct Figures {
    bytes: u64,
    runs: usize,
    /// Of the run in the middle.
    curl_mb_per_second: f64,
    driver_mb_per_second: f64,
    /// The middle of what the driver reached of curl's speed in each run.
    ratio: f64,
    idle_mb: f64,
    peak_mb: f64,
    growth_mb: f64,
}

/// One run.
#[derive(Debug, Clone, Copy)]
struct Run {
    curl_seconds: f64,
    driver_seconds: f64,
    peak_mb: f64,
}

/// Has the same image come both ways, and compares.
pub(super) async fn run(iso: &Iso) -> anyhow::Result<()> {
    let lab = super::with_driver().start().await?;
    Machines::of(&lab).await?.until_synced().await?;
    let idle_mb = Memory::now(&lab)?.driver;
    let mut runs = Vec::new();
    for number in 1..=iso.runs {
        let run = once(&lab, iso.size, number).await?;
        say(&format!(
            "run {number}: curl {:.1} s, driver {:.1} s, at its peak {:.1} MB after {idle_mb:.1} MB",
            run.curl_seconds, run.driver_seconds, run.peak_mb
        ));
        runs.push(run);
    }
    let figures = Figures::of(iso.size, &runs, idle_mb);
    let checks = [
        Check::at_least("ratio", RATIO, figures.ratio),
        Check::at_most("growth_mb", GROWTH_MB, figures.growth_mb),
    ];
    finish(iso.json.as_deref(), &figures, &checks)
}

/// First the one way, then the other; what came is looked at and removed.
async fn once(lab: &Lab, size: u64, number: u32) -> anyhow::Result<Run> {
    let content = Content::iso(size, number.into());
    let sha256 = content.sha256();
    let image = lab.images().publish(content)?;

    let began = Instant::now();
    let file = curl::transfer(lab, &image).await?;
    let curl_seconds = began.elapsed().as_secs_f64();
    ensure!(
        digest(lab, &file).await? == sha256,
        "curl's file is another"
    );
    remove(lab, &file).await?;

    lab.driver()?.process()?.forget_peak_memory()?;
    let began = Instant::now();
    let file = ensure::transfer(lab, &image, &sha256, number).await?;
    let driver_seconds = began.elapsed().as_secs_f64();
    let peak_mb = Memory::peak(lab)?.driver;
    ensure!(
        digest(lab, &file).await? == sha256,
        "the driver's file is another"
    );
    ensure::forget(lab, &file, number).await?;
    Ok(Run {
        curl_seconds,
        driver_seconds,
        peak_mb,
    })
}

/// The SHA-256 of a file as vCenter gives it out.
async fn digest(lab: &Lab, file: &str) -> anyhow::Result<String> {
    Ok(lab.vcenter().govc().sha256(DATASTORE, file).await?)
}

async fn remove(lab: &Lab, file: &str) -> anyhow::Result<()> {
    let govc = lab.vcenter().govc();
    govc.run(&["datastore.rm", "-ds", DATASTORE, file]).await?;
    Ok(())
}

// === impl Figures ===

impl Figures {
    fn of(bytes: u64, runs: &[Run], idle_mb: f64) -> Self {
        let middle = |of: &dyn Fn(&Run) -> f64| {
            let values: Vec<_> = runs.iter().map(of).collect();
            rounded(percentile(&values, 0.5))
        };
        let megabytes = number(bytes) / 1e6;
        let peak_mb = runs.iter().map(|run| run.peak_mb).fold(0.0, f64::max);
        Self {
            bytes,
            runs: runs.len(),
            curl_mb_per_second: middle(&|run| megabytes / run.curl_seconds),
            driver_mb_per_second: middle(&|run| megabytes / run.driver_seconds),
            ratio: middle(&|run| run.curl_seconds / run.driver_seconds),
            idle_mb: rounded(idle_mb),
            peak_mb: rounded(peak_mb),
            growth_mb: rounded(peak_mb - idle_mb),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_those_of_the_middle_and_the_highest_peak() {
        let run = |curl_seconds, driver_seconds, peak_mb| Run {
            curl_seconds,
            driver_seconds,
            peak_mb,
        };
        let runs = [
            run(1.0, 2.0, 20.0),
            run(2.0, 2.0, 30.0),
            run(4.0, 5.0, 25.0),
        ];
        let figures = Figures::of(10_000_000, &runs, 18.0);
        assert_eq!(figures.curl_mb_per_second.to_bits(), 5.0_f64.to_bits());
        assert_eq!(figures.driver_mb_per_second.to_bits(), 5.0_f64.to_bits());
        assert_eq!(figures.ratio.to_bits(), 0.8_f64.to_bits());
        assert_eq!(figures.growth_mb.to_bits(), 12.0_f64.to_bits());
    }
}
