//! `cargo lab bench`: how fast machines are made, with how many calls, beside a bare client.

mod figures;
mod floor;
mod measure;

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::bail;
use lab::Lab;
use lab::services::Profile;

use self::figures::Figures;
use self::measure::Run;
use crate::args::Bench;
use crate::screen::say;

/// Measures, and fails when a run did not end or a budget was not kept.
pub(crate) async fn run(bench: &Bench) -> anyhow::Result<()> {
    if cfg!(debug_assertions) {
        return Err(again_in_release());
    }
    let mut runs = Vec::new();
    let mut floors = Vec::new();
    for number in 1..=bench.runs {
        // A simulator gets slower with each task that it has ever had: each run has a new one.
        let lab = start(bench).await?;
        let floor = floor::run(&lab, bench.vms).await?;
        let run = match measure::run(&lab, bench.vms).await {
            Ok(run) => run,
            Err(error) => {
                super::explain(&lab, measure::NAME).await;
                return Err(error);
            }
        };
        say(&format!(
            "run {number}: {:.2} s, floor {floor:.2} s, {run}",
            run.seconds
        ));
        floors.push(floor);
        runs.push(run);
    }
    let figures = Figures::of(bench, &runs, &floors)?;
    super::write_json(bench.json.as_deref(), &figures)?;
    say(&serde_json::to_string_pretty(&figures)?);
    match figures.broken() {
        broken if broken.is_empty() => Ok(()),
        broken => bail!("not kept: {}", broken.join("; ")),
    }
}

/// Two vCenters: the driver never hears of the second, where the bare client works.
async fn start(bench: &Bench) -> anyhow::Result<Lab> {
    let lab = Lab::builder()
        .own_hub()
        .vcenters(2)
        .without_configured_vcenter()
        .profile(Profile::Release)
        .start()
        .await?;
    lab.prepare().await?;
    for site in lab.sites() {
        lab.upload_iso_to(site).await?;
        site.proxy.delay(Duration::from_millis(bench.delay));
    }
    Ok(lab)
}

/// The proxy is part of what is measured: it has to be fast, too.
fn again_in_release() -> anyhow::Error {
    say("Building for release");
    let error = Command::new(env!("CARGO"))
        .current_dir(lab::files::workspace())
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "lab",
            "--target-dir",
        ])
        .arg(lab::files::target())
        .arg("--")
        .args(std::env::args_os().skip(1))
        .exec();
    anyhow::Error::new(error).context("starting cargo")
}
