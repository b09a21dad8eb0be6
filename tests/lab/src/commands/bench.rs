//! `cargo lab bench`: how fast, with how many calls and how much memory, beside what was aimed at.

mod clients;
mod idle;
mod iso;
mod lanes;
mod make;
mod node_pool;
mod overload;
mod pools;
mod report;
mod templates;
mod watch;
mod writes;

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Error;
use lab::services::Profile;
use lab::{Builder, Lab};

use crate::args::{Bench, BenchMode, Measure};
use crate::screen::say;

/// Measures, and fails when a run did not end or a budget was not kept.
pub(crate) async fn run(bench: &Bench) -> anyhow::Result<()> {
    if cfg!(debug_assertions) {
        return Err(again_in_release());
    }
    match &bench.what {
        None if bench.make.mode == BenchMode::Nodepool => node_pool::run(&bench.make).await,
        None => make::run(&bench.make).await,
        Some(Measure::Idle(idle)) => idle::run(idle).await,
        Some(Measure::Watch(watch)) => watch::run(watch).await,
        Some(Measure::Templates(templates)) => templates::run(templates).await,
        Some(Measure::Lanes(lanes)) => lanes::run(lanes).await,
        Some(Measure::Overload(overload)) => overload::run(overload).await,
        Some(Measure::Iso(iso)) => iso::run(iso).await,
    }
}

/// A lab whose driver has to be connected by the controller.
fn with_hub() -> Builder {
    Lab::builder()
        .own_hub()
        .without_configured_vcenter()
        .profile(Profile::Release)
}

/// A lab without a hub, whose driver is called by the bench itself.
fn with_driver() -> Builder {
    Lab::builder().without_hub().profile(Profile::Release)
}

/// The proxy is part of what is measured: it has to be fast, too.
fn again_in_release() -> Error {
    say("Building for release");
    let error = Command::new(env!("CARGO"))
        .current_dir(lab::files::workspace())
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "lab",
            "--target-dir",
        ])
        .arg(lab::files::target())
        .arg("--")
        .args(std::env::args_os().skip(1))
        .exec();
    Error::new(error).context("starting cargo")
}
