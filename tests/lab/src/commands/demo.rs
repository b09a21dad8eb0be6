//! `cargo lab demo`: the main job, each step seen from outside.
//!
//! What a step claims is looked up with govc and kubectl; our own word for it does not count.

mod image;
mod look;
mod node_pool;
mod test_mode;

use anyhow::{Context as _, ensure};
use lab::services::{Binaries, Profile};
use lab::{Lab, files};
use serde_json::{Value, json};

use super::steps::Steps;
use crate::args::{Demo, Mode};
use crate::screen::say;

/// Does the main job, and fails when any step was not seen to happen.
pub(crate) async fn run(demo: &Demo) -> anyhow::Result<()> {
    let mut steps = Steps::default();
    let mut lab = None;
    let result = all(demo, &mut steps, &mut lab).await;
    steps.ok = result.is_ok();
    super::write_json(demo.json.as_deref(), &steps)?;
    if let (Err(_), Some(lab)) = (&result, &lab) {
        super::explain(lab, test_mode::NAME).await;
        super::explain(lab, node_pool::NAME).await;
    }
    result?;
    say("Every step was seen to happen");
    match lab {
        Some(lab) if demo.keep => {
            say("The lab stays until Ctrl-C; eval \"$(cargo lab env)\" in another terminal");
            super::keep::hold(lab, super::keep::asked_to_end()?).await
        }
        _ => Ok(()),
    }
}

async fn all(demo: &Demo, steps: &mut Steps, lab: &mut Option<Lab>) -> anyhow::Result<()> {
    steps.step("tools", tools()).await?;
    steps.step("services built", built()).await?;
    steps.step("lab started", start(demo, lab)).await?;
    let lab = lab.as_mut().context("the lab started")?;
    steps.step("driver answers", driver_answers(lab)).await?;
    if demo.mode != Mode::Nodepool {
        test_mode::run(lab, demo.replicas, steps).await?;
    }
    if demo.mode != Mode::Test {
        node_pool::run(lab, demo.replicas, steps).await?;
    }
    if !demo.keep {
        steps
            .step("services stopped, sessions ended", stopped(lab))
            .await?;
    }
    Ok(())
}

async fn tools() -> anyhow::Result<String> {
    let tools = lab::tools::all().await?;
    Ok(format!("vcsim is {}", tools.vcsim.display()))
}

async fn built() -> anyhow::Result<String> {
    let binaries = Binaries::find(Profile::Debug).await?;
    Ok(format!(
        "{}, {}",
        binaries.driver.display(),
        binaries.controller.display()
    ))
}

async fn start(demo: &Demo, lab: &mut Option<Lab>) -> anyhow::Result<String> {
    let folder = files::lab_folder();
    super::up::clear(&folder)?;
    let mut builder = Lab::builder()
        .own_hub()
        .namespace("clusters")
        .folder(&folder);
    builder = match &demo.crds {
        Some(folder) => builder.kinds(folder),
        None => builder.node_pools(),
    };
    let started = builder.start().await?;
    let version = started.kubectl(&["version", "--output", "json"]).await?;
    let version: Value = serde_json::from_str(&version)?;
    let hub = version["serverVersion"]["gitVersion"]
        .as_str()
        .unwrap_or("?");
    let evidence = format!(
        "hub {hub}, vCenter {}, driver {}",
        started.proxy().address(),
        started.driver()?.address()
    );
    *lab = Some(started);
    Ok(evidence)
}

async fn driver_answers(lab: &Lab) -> anyhow::Result<String> {
    let method = "vsphere.driver.v1.Driver/GetDriverInfo";
    let answer = lab.grpcurl()?.call(method, &json!({})).await?;
    let version = answer["version"].as_str().context("no version")?;
    Ok(format!(
        "grpcurl: version {version}, run {}",
        answer["runId"]
    ))
}

async fn stopped(lab: &mut Lab) -> anyhow::Result<String> {
    lab.stop_controller().await?;
    lab.stop_driver().await?;
    let sessions = lab.vcenter().sessions().await?;
    ensure!(
        sessions.is_empty(),
        "left in vCenter: {} sessions: {sessions:?}",
        sessions.len()
    );
    Ok("both exited with 0; vCenter has no session".to_owned())
}
