//! How fast machines of many templates are made.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::Serialize;

use super::pools;
use super::report::{Check, Memory, finish, number, rounded};
use super::writes::Writes;
use crate::args::Templates;

/// How long the machines may take.
const PATIENCE: Duration = Duration::from_mins(10);

#[derive(Debug, Serialize)]
struct Figures {
    templates: u32,
    vms: u32,
    seconds: f64,
    soap_calls: u64,
    calls_per_vm: f64,
    by_method: BTreeMap<String, u64>,
    logins: u64,
    status_writes: u64,
    status_writes_per_template: f64,
    peak_mb: Memory,
}

/// Applies all templates one after the other, and waits until each has its machines.
pub(super) async fn run(templates: &Templates) -> anyhow::Result<()> {
    let lab = super::with_hub().start().await?;
    lab.prepare().await?;
    let wanted = pools::wanted(templates.count, templates.vms);
    let before = Writes::read(&lab).await?;
    lab.proxy().reset();
    let began = Instant::now();
    let ready = pools::until_ready(&lab, &wanted, PATIENCE);
    let (applied, ready) = tokio::join!(pools::apply(&lab, &wanted), ready);
    applied?;
    ready?;
    let seconds = began.elapsed().as_secs_f64();
    let counts = lab.proxy().counts();
    let status_writes = Writes::read(&lab).await?.since(&before).status;

    let all = templates.count * templates.vms;
    let machines = lab.vcenter().govc().machines().await?;
    let on = machines.iter().filter(|machine| machine.on).count();
    ensure!(on == all as usize, "govc sees {on} machines on, not {all}");
    let per_vm = rounded(number(counts.calls()) / f64::from(all));
    let figures = Figures {
        templates: templates.count,
        vms: templates.vms,
        seconds: rounded(seconds),
        soap_calls: counts.calls(),
        calls_per_vm: per_vm,
        logins: counts.of("Login").calls,
        by_method: counts.by_method(),
        status_writes,
        status_writes_per_template: rounded(number(status_writes) / f64::from(templates.count)),
        peak_mb: Memory::peak(&lab)?,
    };
    let checks = [
        Check::at_most("calls_per_vm", if all >= 100 { 1.5 } else { 3.0 }, per_vm),
        Check::at_most("logins", 1.0, number(figures.logins)),
    ];
    finish(templates.json.as_deref(), &figures, &checks)
}
