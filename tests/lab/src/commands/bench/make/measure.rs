//! One run: from the wish for machines to all of them on and in the status.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kube::api::{Patch, PatchParams};
use lab::Lab;
use serde_json::json;

use crate::commands::bench::pools;
use crate::commands::bench::report::Memory;

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
    let writes = status_writes(lab).await?;
    lab.proxy().reset();
    let began = Instant::now();
    scale(lab, vms).await?;
    until(lab, vms, PATIENCE).await?;
    let seconds = began.elapsed().as_secs_f64();
    let by_method = lab.proxy().counts().by_method();
    let run = Run {
        seconds,
        by_method,
        status_writes: status_writes(lab).await? - writes,
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

/// Writes of the status that the API server has taken, by its own count.
pub(in crate::commands::bench) async fn status_writes(lab: &Lab) -> anyhow::Result<u64> {
    let metrics = metrics(lab).await?;
    Ok(metrics.lines().filter_map(status_write).sum())
}

/// Server-side applies of Agents that the API server has taken.
pub(in crate::commands::bench) async fn agent_writes(lab: &Lab) -> anyhow::Result<u64> {
    let metrics = metrics(lab).await?;
    Ok(metrics.lines().filter_map(agent_write).sum())
}

async fn metrics(lab: &Lab) -> anyhow::Result<String> {
    let request = http::Request::get("/metrics").body(Vec::new())?;
    let metrics = lab.client()?.request_text(request).await;
    metrics.context("reading the hub's metrics")
}

/// The count in a line of metrics, if it counts writes of our status.
fn status_write(line: &str) -> Option<u64> {
    let verbs = ["APPLY", "PATCH", "PUT"];
    counted(line, ("vmwarenodepooltemplates", "status"), &verbs)
}

/// The count in a line of metrics, if it counts applies of Agents.
fn agent_write(line: &str) -> Option<u64> {
    counted(line, ("agents", ""), &["APPLY"])
}

/// The count in a line of metrics, if it counts requests of one of these verbs.
fn counted(line: &str, (resource, subresource): (&str, &str), verbs: &[&str]) -> Option<u64> {
    let (labels, count) = line
        .strip_prefix("apiserver_request_total{")?
        .rsplit_once("} ")?;
    let has = |name: &str, value: &str| {
        let label = format!("{name}=\"{value}\"");
        labels.split(',').any(|it| it == label)
    };
    let verb = verbs.iter().any(|verb| has("verb", verb));
    if !(verb && has("resource", resource) && has("subresource", subresource)) {
        return None;
    }
    // Written as a float where it is large.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is a count"
    )]
    count.parse::<f64>().ok().map(|count| count as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_writes_of_our_status_are_counted() {
        let line = |verb, sub| {
            format!(
                r#"apiserver_request_total{{code="200",resource="vmwarenodepooltemplates",subresource="{sub}",verb="{verb}"}} 7"#
            )
        };
        assert_eq!(status_write(&line("PATCH", "status")), Some(7));
        assert_eq!(status_write(&line("GET", "status")), None);
        assert_eq!(status_write(&line("PATCH", "")), None);
        let applied = r#"apiserver_request_total{resource="agents",subresource="",verb="APPLY"} 3"#;
        assert_eq!(
            (agent_write(applied), status_write(applied)),
            (Some(3), None)
        );
        assert_eq!(agent_write(&applied.replace("APPLY", "PATCH")), None);
        assert_eq!(status_write("# HELP apiserver_request_total {"), None);
    }
}
