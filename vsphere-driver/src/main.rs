//! Starts the driver: arguments, log, configuration, server, stop. Or does an errand to a running one.

mod args;
mod upload_iso;

use anyhow::Context as _;
use args::{Args, Errand};
use clap::Parser as _;
use contract::telemetry::{logs, traces::Traces};
use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::SystemTime,
};
use vsphere_driver::{
    config::Config,
    serve::{Driver, Options},
    shutdown::Stop,
};

/// Gives freed memory back to the system, as `.cargo/config.toml` has it do.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let mut args = Args::parse();
    if let Some(errand) = args.errand.take() {
        return told(do_errand(errand).await);
    }
    let traces = match Traces::to("vsphere-driver", args.otlp_endpoint.as_deref()) {
        Ok(traces) => traces,
        Err(error) => Args::refuse("--otlp-endpoint", &error),
    };
    logs::start(args.log.clone(), args.log_format, &traces);
    let outcome = run(&args).await;
    traces.end().await;
    match outcome {
        Ok(()) => {
            tracing::info!(outcome = "in order", "Stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            // The JSON log keeps only the outermost error, so all of it is put into one string.
            tracing::error!(error = format!("{error:#}"), "Cannot go on");
            ExitCode::FAILURE
        }
    }
}

async fn do_errand(errand: Errand) -> anyhow::Result<()> {
    install_tls()?;
    match errand {
        Errand::UploadIso(upload) => upload.run().await,
    }
}

/// What became of an errand, for the person at the terminal.
fn told(outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    // Where nobody listens, the exit code says it.
    let _ = writeln!(io::stderr(), "error: {error:#}");
    ExitCode::FAILURE
}

fn install_tls() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok()
        .context("another TLS provider was installed before ring")
}

async fn run(args: &Args) -> anyhow::Result<()> {
    install_tls()?;
    let config = match &args.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    #[expect(clippy::disallowed_methods, reason = "the one clock of the program")]
    let now = SystemTime::now;
    let driver = Driver::bind(Options {
        transport: args.transport()?,
        config,
        metrics: args.metrics_bind_address.0,
        grace: args.grace(),
        now,
    });
    // Before anybody can know the address, so that no signal is lost.
    let stop = Stop::on_signals().context("listening to signals")?;
    Ok(driver.await?.run(stop).await?)
}
