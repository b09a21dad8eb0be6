//! The floor: the same creates and power-ons by a bare client. Its machines stay: they are alone in a
//! vCenter that ends with the run, and to remove them one by one takes minutes when it is slow.

use std::time::Duration;

use anyhow::Context as _;
use lab::vcenter::USERNAME;
use lab::{DATASTORE, ISO, Lab};
use serde::Deserialize;
use tokio::process::Command;

/// How long the bare client may take.
const PATIENCE: Duration = Duration::from_mins(10);

/// What it prints.
#[derive(Debug, Deserialize)]
struct Printed {
    seconds: f64,
}

/// Runs the bare client at the lab's second vCenter, and returns its seconds.
pub(super) async fn run(lab: &Lab, vms: u32) -> anyhow::Result<f64> {
    let site = lab.sites().get(1).context("the bench has two vCenters")?;
    let output = Command::new(&lab.tools().floor)
        .args(["-url", &format!("https://{}/sdk", site.proxy.address())])
        .args(["-user", USERNAME])
        .arg("-password-file")
        .arg(site.vcenter.password_file())
        .arg("-ca")
        .arg(&lab.certificates().authority)
        .args(["-iso", &format!("[{DATASTORE}] {ISO}")])
        .args(["-vms", &vms.to_string()])
        .args(["-timeout", &format!("{}s", PATIENCE.as_secs())])
        .kill_on_drop(true)
        .output()
        .await
        .context("running the floor")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "the floor failed: {errors}");
    let printed: Printed = serde_json::from_slice(&output.stdout).context("reading the floor")?;
    Ok(printed.seconds)
}
