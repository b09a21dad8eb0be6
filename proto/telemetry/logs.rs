//! Where the log of a service goes, and how it looks.

use super::traces::Traces;
use clap::ValueEnum;
use std::io::{self, IsTerminal as _};
use tracing_subscriber::{
    EnvFilter, Layer as _, fmt::time::SystemTime, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// Text, for people.
    Text,
}

/// Sends the log of the process to standard error, and its spans to where `traces` go.
pub fn start(filter: EnvFilter, format: LogFormat, traces: &Traces) {
    let log = tracing_subscriber::fmt::layer()
        .with_timer(SystemTime)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let log = match format {
        LogFormat::Json => log.json().flatten_event(true).boxed(),
        LogFormat::Text => log.boxed(),
    };
    tracing_subscriber::registry()
        .with(traces.layer())
        .with(log.with_filter(filter))
        .init();
}
