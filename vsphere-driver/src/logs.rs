//! Where the log goes and what is in it.

use clap::ValueEnum;
use std::io::{self, IsTerminal as _};
use tracing_subscriber::{
    EnvFilter,
    filter::{Directive, LevelFilter, ParseError},
    fmt::time::SystemTime,
};

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// Text, for people.
    Text,
}

/// A filter of `tracing`, with the audit lines in it whatever else it leaves out.
pub fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    let audit: Directive = "audit=info".parse()?;
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    Ok(filter.parse(text)?.add_directive(audit))
}

/// Sends the log of the process to standard error.
pub fn start(filter: EnvFilter, format: LogFormat) {
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(SystemTime)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    match format {
        LogFormat::Json => log.json().flatten_event(true).init(),
        LogFormat::Text => log.init(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audit_lines_pass_every_filter() {
        for text in [
            "",
            "info",
            "error",
            "off",
            "warn,audit=off",
            "vsphere_driver=debug",
        ] {
            let filter = filter(text).unwrap().to_string();
            assert!(filter.contains("audit=info"), "{text}: {filter}");
            assert!(!filter.contains("audit=off"), "{text}: {filter}");
        }
        filter("a=b=c").unwrap_err();
    }
}
