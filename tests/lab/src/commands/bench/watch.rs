//! How soon a change by others is in the status, and what it costs, when there are many machines.

mod changes;
mod resume;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use lab::Lab;
use serde::Serialize;

use super::clients::Machines;
use super::pools;
use super::report::{Check, Memory, finish, number, percentile, rounded};
use super::writes::Writes;
use crate::args::Watch;
use crate::screen::say;

/// As many as a template may have.
const TEMPLATE: u32 = 2_000;
/// How long the machines may take.
const PATIENCE: Duration = Duration::from_mins(30);
/// Where nothing happened for so long, what follows the making is done, such as reading the addresses.
const QUIET: Duration = Duration::from_secs(10);
/// The most memory of each service with 10,000 machines, in MB.
const MEMORY_MB: (f64, f64) = (60.0, 50.0);

#[derive(Debug, Serialize)]
struct Figures {
    vms: u32,
    templates: usize,
    /// Seconds until all machines were made.
    seconds_to_make: f64,
    changes: u32,
    /// From a change by others to the status that tells it.
    status_seconds: Percentiles,
    /// From a change by others to the driver's watch that tells it.
    stream_seconds: Percentiles,
    /// Messages of the watch, and machines in them, for each change.
    messages_per_change: f64,
    machines_per_change: f64,
    /// Bytes of a whole snapshot.
    bytes_of_snapshot: u64,
    /// Bytes of the watch that goes on where it was left, up to its first bookmark.
    bytes_after_resume: u64,
    /// Bytes of the same for each change that it had missed.
    bytes_per_missed_change: f64,
    calls_per_change: f64,
    status_writes_per_change: f64,
    rss_mb: Memory,
    peak_mb: Memory,
}

#[derive(Debug, Serialize)]
struct Percentiles {
    p50: f64,
    p99: f64,
    max: f64,
}

/// Makes the machines, changes some from outside, and sees how that comes about.
pub(super) async fn run(watch: &Watch) -> anyhow::Result<()> {
    let lab = super::with_hub().start().await?;
    lab.prepare().await?;
    let wanted = split(watch.vms);
    let began = Instant::now();
    pools::apply(&lab, &wanted).await?;
    pools::until_ready(&lab, &wanted, PATIENCE).await?;
    let seconds_to_make = began.elapsed().as_secs_f64();
    say(&format!(
        "{} machines made in {seconds_to_make:.0} s",
        watch.vms
    ));
    settled(&lab).await?;
    let rss_mb = Memory::now(&lab)?;

    let client = Machines::of(&lab).await?;
    let vcenter = client.connected().await?;
    let hub = lab.hub_id().await?;
    let before = Writes::read(&lab).await?;
    lab.proxy().reset();
    let mut stream = resume::Reader::open(&client, (&vcenter, &hub), "").await?;
    let snapshot = stream.snapshot().await?;
    let told = changes::play(&lab, watch.changes, stream).await?;
    let calls = number(lab.proxy().counts().calls());
    let status_writes = number(Writes::read(&lab).await?.since(&before).status);

    let resumed = resume::measure(&lab, &client, (&vcenter, &hub)).await?;
    let changes = f64::from(watch.changes);
    let figures = Figures {
        vms: watch.vms,
        templates: wanted.len(),
        seconds_to_make: rounded(seconds_to_make),
        changes: watch.changes,
        status_seconds: Percentiles::of(&told.seconds),
        stream_seconds: Percentiles::of(&told.stream_seconds),
        messages_per_change: rounded(number(told.messages) / changes),
        machines_per_change: rounded(number(told.machines) / changes),
        bytes_of_snapshot: snapshot.bytes,
        bytes_after_resume: resumed.unchanged,
        bytes_per_missed_change: rounded(resumed.per_change),
        calls_per_change: rounded(calls / changes),
        status_writes_per_change: rounded(status_writes / changes),
        rss_mb,
        peak_mb: Memory::peak(&lab)?,
    };
    finish(watch.json.as_deref(), &figures, &checks(&figures)?)
}

/// Waits until nothing was read of vCenter and no status was written for a while.
async fn settled(lab: &Lab) -> anyhow::Result<()> {
    let look = async {
        let mut before = None;
        loop {
            let reads = lab.proxy().counts().of("RetrievePropertiesEx").calls;
            let now = Some((reads, Writes::read(lab).await?.status));
            if before == now {
                return Ok(());
            }
            before = now;
            tokio::time::sleep(QUIET).await;
        }
    };
    let settled = tokio::time::timeout(PATIENCE, look).await;
    settled.context("waiting until what follows the making is done")?
}

fn checks(figures: &Figures) -> anyhow::Result<Vec<Check>> {
    let controller = figures
        .rss_mb
        .controller
        .context("the bench has a controller")?;
    Ok(vec![
        Check::at_most("status_seconds_p99", 2.0, figures.status_seconds.p99),
        Check::at_most("driver_mb", MEMORY_MB.0, figures.rss_mb.driver),
        Check::at_most("controller_mb", MEMORY_MB.1, controller),
        Check::at_most("messages_per_change", 1.1, figures.messages_per_change),
        Check::at_most(
            "kb_after_resume",
            1.0,
            number(figures.bytes_after_resume) / 1000.0,
        ),
    ])
}

// === impl Percentiles ===

impl Percentiles {
    fn of(seconds: &[f64]) -> Self {
        let part = |part| rounded(percentile(seconds, part));
        Self {
            p50: part(0.5),
            p99: part(0.99),
            max: part(1.0),
        }
    }
}

/// As few templates as hold so many machines.
fn split(vms: u32) -> pools::Wanted {
    let templates = vms.div_ceil(TEMPLATE);
    let names = pools::wanted(templates, TEMPLATE).into_keys();
    let rest = |index| vms.saturating_sub(index * TEMPLATE).min(TEMPLATE);
    names
        .zip((0..templates).map(rest))
        .collect::<BTreeMap<_, _>>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_template_has_more_machines_than_it_may() {
        let sizes = |vms| split(vms).into_values().collect::<Vec<_>>();
        assert_eq!(sizes(10_000), [2_000; 5]);
        assert_eq!(sizes(2_010), [2_000, 10]);
        assert_eq!(sizes(10), [10]);
    }
}
