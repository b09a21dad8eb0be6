//! A template in test mode: up, down, through a kill, and to nothing.

use anyhow::Context as _;
use lab::agents::InfraEnv;
use lab::{CREDENTIALS, Lab};
use serde_json::Value;

use super::image::Discovery;
use super::look::{PATIENCE, few, machines_on, nothing_left};
use crate::commands::steps::Steps;

/// The template's name.
pub(super) const NAME: &str = "demo";

/// All steps of it.
pub(super) async fn run(lab: &mut Lab, many: u32, steps: &mut Steps) -> anyhow::Result<()> {
    let mut made = None;
    steps
        .step("InfraEnv has an image", prepared(lab, &mut made))
        .await?;
    let discovery = made.context("the image was made")?;
    steps
        .step("template applied", applied(lab, &discovery, many))
        .await?;
    steps
        .step("machines are on", machines_on(lab, many))
        .await?;
    steps
        .step("machines boot the image", discovery.is_booted(lab))
        .await?;
    steps
        .step("machines are in the status", in_status(lab, many))
        .await?;
    steps.step("scaled down", scaled(lab, few(many))).await?;
    steps
        .step("driver killed while it creates", killed(lab, many))
        .await?;
    steps
        .step("machines are on after the restart", machines_on(lab, many))
        .await?;
    steps
        .step("status after the restart", in_status(lab, many))
        .await?;
    steps
        .step("template deleted", deleted(lab, &discovery))
        .await?;
    steps.step("nothing is left", nothing_left(lab)).await
}

async fn prepared(lab: &Lab, made: &mut Option<Discovery>) -> anyhow::Result<String> {
    let discovery = Discovery::made(lab, InfraEnv::new(lab, "image"), 1).await?;
    let evidence = discovery.evidence();
    *made = Some(discovery);
    Ok(evidence)
}

async fn applied(lab: &Lab, discovery: &Discovery, replicas: u32) -> anyhow::Result<String> {
    lab.apply(&lab.credentials(CREDENTIALS)?).await?;
    let template = discovery.booted_by(lab, lab.template(NAME, replicas))?;
    lab.apply(&template).await?;
    Ok(format!("kubectl apply: {NAME}, {replicas} replicas"))
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
    lab.kill_driver_with_its_sessions().await?;
    let there = lab.vcenter().govc().machines().await?;
    lab.restart_driver().await?;
    let again = lab.driver()?.process()?.id();
    Ok(format!(
        "kill -9 {id} with {} of {count} there; now process {again}",
        there.len()
    ))
}

async fn deleted(lab: &Lab, discovery: &Discovery) -> anyhow::Result<String> {
    lab.kubectl(&["delete", "vmtemplate", NAME, "--wait=false"])
        .await?;
    lab.wait_for_template(NAME, PATIENCE, |template| template.is_none())
        .await?;
    discovery.removed(lab).await?;
    Ok("kubectl: the template is gone, and so is its finalizer".to_owned())
}
