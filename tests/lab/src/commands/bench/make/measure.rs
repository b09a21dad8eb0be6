//! One run: from the wish for machines to all of them on and in the status.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::ensure;
use kube::api::{Patch, PatchParams};
use lab::Lab;
use serde_json::json;

use crate::commands::bench::pools;
use crate::commands::bench::report::Memory;
use crate::commands::bench::writes::Writes;

/// The template's name.
pub(super) const NAME: &str = "bench";
/// How long the template without machines may take.
const CONNECT: Duration = Duration::from_mins(1);
/// How long a run may take.
const PATIENCE: Duration = Duration::from_mins(10);

/// What one run took.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) seconds: f64,
    pub(super) by_method: BTreeMap<String, u64>,
    pub(super) status_writes: u64,
    pub(super) peak: Memory,
}

impl Run {
    pub(super) fn calls(&self) -> u64 {
        self.by_method.values().sum()
    }

    pub(super) fn logins(&self) -> u64 {
        self.by_method.get("Login").copied().unwrap_or_default()
    }
}

impl fmt::Display for Run {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} calls, {} status writes",
            self.calls(),
            self.status_writes
        )
    }
}

/// Makes a template without machines, so that the run need not connect first.
async fn connect(lab: &Lab) -> anyhow::Result<()> {
    lab.apply(&lab.template(NAME, 0)).await?;
    until(lab, 0, CONNECT).await
}

/// Makes so many machines, and measures it.
pub(super) async fn run(lab: &Lab, vms: u32) -> anyhow::Result<Run> {
    connect(lab).await?;
    let before = Writes::read(lab).await?;
    lab.proxy().reset();
    let began = Instant::now();
    scale(lab, vms).await?;
    until(lab, vms, PATIENCE).await?;
    let seconds = began.elapsed().as_secs_f64();
    let by_method = lab.proxy().counts().by_method();
    let run = Run {
        seconds,
        by_method,
        status_writes: Writes::read(lab).await?.since(&before).status,
        peak: Memory::peak(lab)?,
    };
    let machines = lab.vcenter().govc().machines().await?;
    let on = machines.iter().filter(|machine| machine.on).count();
    ensure!(
        on == vms as usize,
        "the status says {vms}, but govc sees {on} machines on"
    );
    Ok(run)
}

async fn scale(lab: &Lab, vms: u32) -> anyhow::Result<()> {
    let patch = Patch::Merge(json!({"spec": {"replicas": vms}}));
    lab.templates()?
        .patch(NAME, &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

/// Waits until the status says that there are so many machines, all of them on.
async fn until(lab: &Lab, vms: u32, within: Duration) -> anyhow::Result<()> {
    let wanted = pools::Wanted::from([(NAME.to_owned(), vms)]);
    pools::until_ready(lab, &wanted, within).await
}
