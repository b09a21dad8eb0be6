//! `cargo lab`: the lab for a person.

mod args;
mod commands;
mod screen;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use self::args::{Args, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    // Whoever starts TLS without naming a provider gets this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&args.log))
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    match run(args.command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(demo) => commands::demo::run(&demo).await,
        Command::Up(up) => commands::up::run(&up).await,
        Command::Keep(up) => commands::keep::run(&up).await,
        Command::Status(status) => commands::status::run(&status),
        Command::Restart(restart) => commands::restart::run(&restart).await,
        Command::Down => commands::down::run().await,
        Command::Env => commands::env::run(),
        Command::Fault(fault) => commands::fault::run(&fault).await,
        Command::Image(image) => commands::image::run(&image).await,
        Command::Bench(bench) => commands::bench::run(&bench).await,
        Command::Crash(crash) => commands::crash::run(&crash).await,
        Command::Soak(soak) => commands::soak::run(&soak).await,
        Command::Canary(canary) => commands::canary::run(&canary),
        Command::Tools => commands::tools::run().await,
    }
}
