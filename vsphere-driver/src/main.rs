//! Starts the driver: arguments, log, configuration, server, stop.

mod args;

use anyhow::Context as _;
use args::Args;
use clap::Parser as _;
use contract::telemetry::{logs, traces::Traces};
use std::{process::ExitCode, time::SystemTime};
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
    let args = Args::parse();
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

async fn run(args: &Args) -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok()
        .context("another TLS provider was installed before ring")?;
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
