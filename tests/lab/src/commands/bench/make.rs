//! How fast machines are made, with how many calls, beside a bare client.

mod figures;
mod floor;
mod measure;

use std::time::Duration;

use lab::Lab;

use self::figures::Figures;
use super::report::finish;
use crate::args::Make;
use crate::commands::explain;
use crate::screen::say;

/// Measures each run in a lab of its own.
pub(super) async fn run(make: &Make) -> anyhow::Result<()> {
    let mut runs = Vec::new();
    let mut floors = Vec::new();
    for number in 1..=make.runs {
        // A simulator gets slower with each task that it has ever had: each run has a new one.
        let lab = start(make).await?;
        let floor = floor::run(&lab, make.vms).await?;
        let run = match measure::run(&lab, make.vms).await {
            Ok(run) => run,
            Err(error) => {
                explain(&lab, measure::NAME).await;
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
    let figures = Figures::of(make, &runs, &floors)?;
    finish(make.json.as_deref(), &figures, &figures.checks(make))
}

/// Two vCenters: the driver never hears of the second, where the bare client works.
async fn start(make: &Make) -> anyhow::Result<Lab> {
    let lab = super::with_hub().vcenters(2).start().await?;
    lab.prepare().await?;
    for site in lab.sites() {
        lab.upload_iso_to(site).await?;
        site.proxy.delay(Duration::from_millis(make.delay));
    }
    Ok(lab)
}
