//! `cargo lab demo`: the main job, each step seen from outside.
//!
//! What a step claims is looked up with govc and kubectl; our own word for it does not count.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use lab::services::{Binaries, Profile};
use lab::vcenter::Machine;
use lab::{CREDENTIALS, Lab, files};
use serde_json::{Value, json};

use super::steps::Steps;
use crate::args::{Demo, Mode};
use crate::screen::say;

/// The template's name.
const NAME: &str = "demo";
/// How many machines are left after scaling down.
const FEW: u32 = 2;
/// How long each change may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// Does the main job, and fails when any step was not seen to happen.
pub(crate) async fn run(demo: &Demo) -> anyhow::Result<()> {
    let Mode::Test = demo.mode;
    let mut steps = Steps::default();
    let mut lab = None;
    let result = all(demo, &mut steps, &mut lab).await;
    steps.ok = result.is_ok();
    super::write_json(demo.json.as_deref(), &steps)?;
    if let (Err(_), Some(lab)) = (&result, &lab) {
        super::explain(lab, NAME).await;
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
    steps.step("lab started", start(lab)).await?;
    let lab = lab.as_mut().context("the lab started")?;
    let many = demo.replicas;
    steps.step("driver answers", driver_answers(lab)).await?;
    steps
        .step("ISO file uploaded", async { Ok(lab.upload_iso().await?) })
        .await?;
    steps.step("template applied", applied(lab, many)).await?;
    steps
        .step("machines are on", machines_on(lab, many))
        .await?;
    steps
        .step("machines are in the status", in_status(lab, many))
        .await?;
    steps.step("scaled down", scaled(lab, FEW)).await?;
    steps
        .step("driver killed while it creates", killed(lab, many))
        .await?;
    steps
        .step("machines are on after the restart", machines_on(lab, many))
        .await?;
    steps
        .step("status after the restart", in_status(lab, many))
        .await?;
    steps.step("template deleted", deleted(lab)).await?;
    steps.step("nothing is left", nothing_left(lab)).await?;
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

async fn start(lab: &mut Option<Lab>) -> anyhow::Result<String> {
    let folder = files::lab_folder();
    super::up::clear(&folder)?;
    let started = Lab::builder()
        .own_hub()
        .namespace("clusters")
        .folder(&folder)
        .start()
        .await?;
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

async fn applied(lab: &Lab, replicas: u32) -> anyhow::Result<String> {
    lab.apply(&lab.credentials(CREDENTIALS)?).await?;
    lab.apply(&lab.template(NAME, replicas)).await?;
    Ok(format!("kubectl apply: {NAME}, {replicas} replicas"))
}

async fn machines_on(lab: &Lab, count: u32) -> anyhow::Result<String> {
    let what = format!("{count} machines that are on");
    let reached = |machines: &[Machine]| {
        machines.len() == count as usize && machines.iter().all(|machine| machine.on)
    };
    let machines = lab.wait_for_machines(&what, PATIENCE, reached).await?;
    no_twins(&machines)?;
    Ok(format!("govc: {}", names(&machines)))
}

/// A machine that was made twice would have a name or an identity twice.
fn no_twins(machines: &[Machine]) -> anyhow::Result<()> {
    for key in [
        |it: &Machine| it.name.clone(),
        |it: &Machine| it.instance_uuid.clone(),
    ] {
        let mut keys: Vec<_> = machines.iter().map(key).collect();
        keys.sort();
        keys.dedup();
        ensure!(
            keys.len() == machines.len(),
            "some machine is there twice: {}",
            names(machines)
        );
    }
    Ok(())
}

fn names(machines: &[Machine]) -> String {
    let names: Vec<_> = machines.iter().take(8).map(|it| it.name.as_str()).collect();
    let more = if machines.len() > names.len() {
        ", …"
    } else {
        ""
    };
    format!("{} machines, {}{more}", machines.len(), names.join(", "))
}

async fn in_status(lab: &Lab, count: u32) -> anyhow::Result<String> {
    let ready = |template: Option<&Value>| {
        let status = template.map_or(&Value::Null, |template| &template["status"]);
        let listed = status["vmStatus"].as_array().map_or(0, Vec::len);
        status["readyReplicas"] == count && listed == count as usize && is_ready(status)
    };
    lab.wait_for_template(NAME, PATIENCE, ready).await?;
    let columns = "custom-columns=READY:.status.readyReplicas,VMS:.status.vmStatus[*].name";
    let shown = lab
        .kubectl(&["get", "vmtemplate", NAME, "--no-headers", "-o", columns])
        .await?;
    Ok(format!(
        "kubectl: {}",
        shown
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ready: ")
    ))
}

fn is_ready(status: &Value) -> bool {
    let conditions = status["conditions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    conditions
        .iter()
        .any(|it| it["type"] == "Ready" && it["status"] == "True")
}

async fn scale(lab: &Lab, count: u32) -> anyhow::Result<()> {
    let replicas = format!("--replicas={count}");
    lab.kubectl(&["scale", "vmtemplate", NAME, &replicas])
        .await?;
    Ok(())
}

async fn scaled(lab: &Lab, count: u32) -> anyhow::Result<String> {
    scale(lab, count).await?;
    machines_on(lab, count).await
}

/// Kills the driver as soon as vCenter has seen a create, and starts it again.
async fn killed(lab: &mut Lab, count: u32) -> anyhow::Result<String> {
    lab.proxy().reset();
    scale(lab, count).await?;
    let seen = lab.proxy().seen("CreateVM_Task", 1);
    tokio::time::timeout(PATIENCE, seen)
        .await
        .context("waiting for a create")?;
    let id = lab.driver()?.process()?.id();
    lab.kill_driver()?;
    let there = lab.vcenter().govc().machines().await?;
    // Whoever is killed cannot log out; vCenter would end these sessions when they are idle.
    lab.vcenter().end_sessions().await?;
    lab.restart_driver().await?;
    let again = lab.driver()?.process()?.id();
    Ok(format!(
        "kill -9 {id} with {} of {count} there; now process {again}",
        there.len()
    ))
}

async fn deleted(lab: &Lab) -> anyhow::Result<String> {
    lab.kubectl(&["delete", "vmtemplate", NAME, "--wait=false"])
        .await?;
    lab.wait_for_template(NAME, PATIENCE, |template| template.is_none())
        .await?;
    Ok("kubectl: the template is gone, and so is its finalizer".to_owned())
}

async fn nothing_left(lab: &Lab) -> anyhow::Result<String> {
    let machines = lab.vcenter().govc().machines().await?;
    ensure!(machines.is_empty(), "left in vCenter: {}", names(&machines));
    Ok("govc: no machine".to_owned())
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
