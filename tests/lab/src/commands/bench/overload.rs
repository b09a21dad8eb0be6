//! What becomes of more machines than the driver takes at once, asked for in one second.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::future::try_join_all;
use serde::Serialize;

use super::clients::{Accepted, BATCH, Machines, running};
use super::report::{Check, Memory, finish, number, rounded};
use crate::args::Overload;
use crate::screen::say;

/// How long the machines may take.
const PATIENCE: Duration = Duration::from_mins(30);
/// Between two looks at how many run.
const LOOK: Duration = Duration::from_secs(2);
/// The most memory that the driver may ever have had, in MB: what 10,000 machines need, and as much
/// again for what comes and goes while they are made.
const PEAK_MB: f64 = 120.0;

#[derive(Debug, Serialize)]
struct Figures {
    vms: u32,
    calls: usize,
    /// Calls that were refused at first, and all refusals until all were accepted.
    refused_calls: u64,
    refusals: u64,
    refusals_without_retry_info: u64,
    seconds_until_accepted: f64,
    seconds_until_running: f64,
    soap_calls: u64,
    calls_per_vm: f64,
    idle_mb: Memory,
    rss_mb: Memory,
    peak_mb: Memory,
}

/// Asks for all machines at once, comes back when the driver says, and waits until all run.
pub(super) async fn run(overload: &Overload) -> anyhow::Result<()> {
    let lab = super::with_driver().start().await?;
    let client = Machines::of(&lab).await?;
    client.until_synced().await?;
    let idle_mb = Memory::now(&lab)?;
    lab.proxy().reset();

    let all: Vec<i32> = (1..=i32::try_from(overload.vms)?).collect();
    let began = Instant::now();
    let calls = all.chunks(usize::try_from(BATCH)?);
    let calls: Vec<_> = calls
        .map(|slots| client.ensure_accepted(slots.to_vec()))
        .collect();
    let calls = try_join_all(calls).await?;
    let seconds_until_accepted = began.elapsed().as_secs_f64();
    say(&format!(
        "{} machines accepted after {seconds_until_accepted:.1} s",
        overload.vms
    ));
    until_running(&client, all.len()).await?;
    let seconds_until_running = began.elapsed().as_secs_f64();

    let seen = lab.vcenter().govc().machines().await?;
    let names: BTreeSet<_> = seen.iter().map(|machine| &machine.name).collect();
    ensure!(
        names.len() == all.len(),
        "govc sees {} machines",
        names.len()
    );
    let figures = Figures {
        vms: overload.vms,
        calls: calls.len(),
        refused_calls: calls.iter().map(|call| u64::from(call.refusals > 0)).sum(),
        refusals: calls.iter().map(|call| call.refusals).sum(),
        refusals_without_retry_info: calls.iter().map(|call: &Accepted| call.without_time).sum(),
        seconds_until_accepted: rounded(seconds_until_accepted),
        seconds_until_running: rounded(seconds_until_running),
        soap_calls: lab.proxy().counts().calls(),
        calls_per_vm: rounded(number(lab.proxy().counts().calls()) / f64::from(overload.vms)),
        idle_mb,
        rss_mb: Memory::now(&lab)?,
        peak_mb: Memory::peak(&lab)?,
    };
    let checks = [
        Check::at_least("refused_calls", 1.0, number(figures.refused_calls)),
        Check::at_most(
            "refusals_without_retry_info",
            0.0,
            number(figures.refusals_without_retry_info),
        ),
        Check::at_most("driver_peak_mb", PEAK_MB, figures.peak_mb.driver),
        Check::at_most("calls_per_vm", 1.2, figures.calls_per_vm),
    ];
    finish(overload.json.as_deref(), &figures, &checks)
}

async fn until_running(client: &Machines, count: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let run = running(&client.list().await?);
        if run == count {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "{run} of {count} run after {PATIENCE:?}"
        );
        tokio::time::sleep(LOOK).await;
    }
}
