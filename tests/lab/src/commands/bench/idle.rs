//! How many calls are made while nothing changes.

use std::time::Duration;

use serde::Serialize;

use super::pools;
use super::report::{Check, Memory, finish, number, rounded};
use super::writes::Writes;
use crate::args::Idle;
use crate::screen::say;

/// How long the machines may take.
const PATIENCE: Duration = Duration::from_mins(10);
/// After this everything that follows the making is done, such as reading the addresses.
const SETTLED: Duration = Duration::from_secs(15);

#[derive(Debug, Serialize)]
struct Figures {
    vms: u32,
    minutes: u32,
    calls_per_minute: f64,
    by_method: std::collections::BTreeMap<String, u64>,
    logins: u64,
    /// Bytes of vCenter's answers.
    bytes_per_minute: f64,
    status_writes: u64,
    rss_mb: Memory,
}

/// Makes the machines, waits until nothing happens any more, and counts.
pub(super) async fn run(idle: &Idle) -> anyhow::Result<()> {
    let lab = super::with_hub().start().await?;
    lab.prepare().await?;
    let wanted = pools::wanted(1, idle.vms);
    pools::apply(&lab, &wanted).await?;
    pools::until_ready(&lab, &wanted, PATIENCE).await?;
    tokio::time::sleep(SETTLED).await;
    say(&format!(
        "{} machines; counting for {} min",
        idle.vms, idle.minutes
    ));

    let before = Writes::read(&lab).await?;
    lab.proxy().reset();
    tokio::time::sleep(Duration::from_mins(idle.minutes.into())).await;
    let counts = lab.proxy().counts();
    let per_minute = |count: u64| rounded(number(count) / f64::from(idle.minutes));
    let figures = Figures {
        vms: idle.vms,
        minutes: idle.minutes,
        calls_per_minute: per_minute(counts.calls()),
        logins: counts.of("Login").calls,
        bytes_per_minute: per_minute(counts.0.values().map(|count| count.response_bytes).sum()),
        by_method: counts.by_method(),
        status_writes: Writes::read(&lab).await?.since(&before).status,
        rss_mb: Memory::now(&lab)?,
    };
    let checks = [
        Check::at_most("calls_per_minute", 2.0, figures.calls_per_minute),
        Check::at_most("logins", 0.0, number(figures.logins)),
        Check::at_most("status_writes", 0.0, number(figures.status_writes)),
    ];
    finish(idle.json.as_deref(), &figures, &checks)
}
