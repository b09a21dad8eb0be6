//! `cargo lab soak`: a node pool is played at random while its services are killed and vCenter
//! fails, and the world is looked at with govc and kubectl.

mod plan;
mod play;
mod watchman;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::bail;
use lab::{Lab, files};
use serde::Serialize;

use self::plan::Plan;
use self::play::{Played, Player};
use super::crash::invariants::{Invariant, Judge, Verdict};
use super::crash::rounded;
use super::isos::{self, Figures};
use crate::args::Soak;
use crate::screen::say;

/// The template's name, and how the names of its machines begin.
const NAME: &str = "soak";
/// How long a Lease lasts here, in seconds: what is waited for after each kill of a controller.
const LEASE: &str = "3";

/// What is told of all rounds.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    seed: u64,
    seconds: f64,
    blows: usize,
    invariants: BTreeMap<Invariant, Verdict>,
    isos: Figures,
    rounds: Vec<Played>,
}

/// Plays until the time is over, and fails when any invariant did not hold.
pub(crate) async fn run(soak: &Soak) -> anyhow::Result<()> {
    let mut player = Player::start(start().await?).await?;
    // Until ISOs come and go beside one that is mounted.
    let mut judge = Judge::without(&[Invariant::I9]);
    let began = Instant::now();
    let time = Duration::from_mins(soak.minutes.into());
    let mut rounds = Vec::new();
    let mut stopped = None;
    for round in Plan::of(soak.seed, soak.nodes) {
        if began.elapsed() >= time {
            break;
        }
        judge.round(rounds.len() + 1);
        let what = format!("round {}: {round:?}", rounds.len() + 1);
        match player.play(round, &mut judge).await {
            Ok(seen) => {
                say(&format!("{what}: {} nodes", seen.nodes));
                rounds.push(seen);
            }
            Err(error) => {
                judge.violated(Invariant::I8, &format!("{error:#}"));
                player.nobody_was_taken(&mut judge).await;
                stopped = Some(error.context(what));
                break;
            }
        }
    }
    if stopped.is_none() {
        player.end(&mut judge).await?;
    }
    let report = Report {
        ok: judge.content() && stopped.is_none(),
        seed: soak.seed,
        seconds: rounded(began.elapsed().as_secs_f64()),
        blows: rounds.iter().map(|played| played.round.blows.len()).sum(),
        invariants: judge.verdicts(),
        isos: player.isos(),
        rounds,
    };
    super::write_json(soak.json.as_deref(), &report)?;
    told(&report, player.lab(), stopped).await
}

async fn told(report: &Report, lab: &Lab, stopped: Option<anyhow::Error>) -> anyhow::Result<()> {
    say(&serde_json::to_string_pretty(&report.invariants)?);
    let (blows, count) = (report.blows, report.rounds.len());
    say(&format!(
        "{blows} blows in {count} rounds, {} s; ISOs: {:?}",
        report.seconds, report.isos
    ));
    if let Some(error) = stopped {
        super::explain(lab, NAME).await;
        return Err(error);
    }
    if !report.ok {
        say(&format!("The logs are in {}", lab.folder().display()));
        bail!("not every invariant held");
    }
    Ok(())
}

async fn start() -> anyhow::Result<Lab> {
    let folder = files::lab_folder();
    super::up::clear(&folder)?;
    let builder = Lab::builder()
        .own_hub()
        .node_pools()
        .isos(isos::GRACE)
        .namespace("clusters")
        .folder(&folder)
        .without_configured_vcenter()
        .rpc_proxy()
        // A fall by more than half is not held: what follows it is to be seen.
        .controller_arguments(["--lease-duration", LEASE, "--scale-down-grace", "0"]);
    Ok(builder.start().await?)
}
