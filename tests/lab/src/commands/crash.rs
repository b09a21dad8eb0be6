//! `cargo lab crash`: services are killed at certain calls, and the world is looked at with govc.

mod canary;
pub(super) mod eyes;
pub(super) mod invariants;
mod plan;
mod play;
pub(super) mod world;

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::bail;
use lab::{Lab, files};
use serde::Serialize;

use self::invariants::{Invariant, Judge, Verdict};
use self::plan::Plan;
use self::play::{Played, Player};
use super::isos::{self, Figures};
use crate::args::Crash;
use crate::screen::say;

/// The template's name, and how the names of its machines begin.
const NAME: &str = "crash";

/// How long a Lease lasts here, in seconds: what is waited for after each kill of a controller.
const LEASE: &str = "3";

/// What is told of all rounds.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    seed: u64,
    vms: u32,
    seconds: f64,
    kills: usize,
    invariants: BTreeMap<Invariant, Verdict>,
    isos: Figures,
    rounds: Vec<Played>,
}

/// Plays all rounds, and fails when any invariant did not hold.
pub(crate) async fn run(crash: &Crash) -> anyhow::Result<()> {
    let began = Instant::now();
    let plan = Plan::of(crash.seed, crash.rounds, crash.vms);
    let mut player = Player::start(start().await?, crash.vms).await?;
    // In test mode there are no Agents; ISOs may turn out to be mounted while others come and go.
    let mut judge = Judge::without(&[Invariant::I5, Invariant::I9]);
    let mut rounds = Vec::new();
    let mut stopped = None;
    for (number, round) in plan.rounds.iter().enumerate() {
        judge.round(number + 1);
        match player.play(round, &mut judge).await {
            Ok(seen) => {
                say(&format!("round {:2}: {seen}", number + 1));
                rounds.push(seen);
            }
            Err(error) => {
                stopped = Some(error.context(format!("round {}: {round:?}", number + 1)));
                break;
            }
        }
    }
    if stopped.is_none() {
        player.end(&mut judge).await?;
    }
    let report = Report {
        ok: judge.content() && stopped.is_none(),
        seed: crash.seed,
        vms: crash.vms,
        seconds: rounded(began.elapsed().as_secs_f64()),
        kills: rounds.iter().map(Played::kills).sum(),
        invariants: judge.verdicts(),
        isos: player.isos(),
        rounds,
    };
    super::write_json(crash.json.as_deref(), &report)?;
    say(&serde_json::to_string_pretty(&report.invariants)?);
    let (kills, count) = (report.kills, report.rounds.len());
    say(&format!(
        "{kills} kills in {count} rounds, {} s; ISOs: {:?}",
        report.seconds, report.isos
    ));
    if let Some(error) = stopped {
        super::explain(player.lab(), NAME).await;
        return Err(error);
    }
    if !report.ok {
        say(&format!(
            "The logs are in {}",
            player.lab().folder().display()
        ));
        bail!("not every invariant held");
    }
    Ok(())
}

async fn start() -> anyhow::Result<Lab> {
    let folder = files::lab_folder();
    super::up::clear(&folder)?;
    let lab = Lab::builder()
        .own_hub()
        .namespace("clusters")
        .folder(&folder)
        .node_pools()
        .isos(isos::GRACE)
        .without_configured_vcenter()
        .rpc_proxy()
        .controller_arguments(["--lease-duration", LEASE])
        .start()
        .await?;
    lab.prepare().await?;
    Ok(lab)
}

/// To milliseconds.
pub(super) fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
