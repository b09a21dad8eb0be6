//! The command line; every flag can also come from the environment.

use crate::upload_iso::UploadIso;
use clap::{CommandFactory as _, Parser, Subcommand, error::ErrorKind};
use contract::telemetry::{endpoint::Bind, logs::LogFormat};
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use tracing_subscriber::EnvFilter;
use vsphere_driver::{
    edge::transport::{InvalidTransport, TlsFiles, Transport},
    logs,
};

/// Does beside vCenter what controllers and people ask for.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// An errand to a running driver, in place of being one.
    #[command(subcommand)]
    pub(crate) errand: Option<Errand>,

    /// Where to listen: an address and a port. Port 0 takes any; the log says which.
    #[arg(
        long,
        env = "DRIVER_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:50051"
    )]
    listen: SocketAddr,

    /// The driver's certificate, PEM, with those between it and its authority.
    #[arg(long, env = "DRIVER_TLS_CERTIFICATE", value_name = "FILE")]
    #[arg(requires_all = ["tls_key", "tls_client_ca"])]
    tls_certificate: Option<PathBuf>,

    /// The private key of that certificate, PEM.
    #[arg(long, env = "DRIVER_TLS_KEY", value_name = "FILE")]
    #[arg(requires_all = ["tls_certificate", "tls_client_ca"])]
    tls_key: Option<PathBuf>,

    /// The authorities that sign clients, PEM: a client must show a certificate from one of them.
    #[arg(long, env = "DRIVER_TLS_CLIENT_CA", value_name = "FILE")]
    #[arg(requires_all = ["tls_certificate", "tls_key"])]
    tls_client_ca: Option<PathBuf>,

    /// Serve without TLS, to everybody on this machine; refused off loopback.
    #[arg(long, env = "DRIVER_PLAINTEXT")]
    plaintext: bool,

    /// The configuration file, TOML: allowed clients, and vCenters with fixed names.
    #[arg(long, env = "DRIVER_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Where `/metrics` is served, without TLS; `0`: nowhere.
    #[arg(
        long,
        env = "DRIVER_METRICS_BIND_ADDRESS",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9464"
    )]
    pub(crate) metrics_bind_address: Bind,

    /// What to log, in `tracing`'s filter syntax. Audit lines are always logged.
    #[arg(
        long,
        env = "DRIVER_LOG",
        value_name = "FILTER",
        default_value = "info"
    )]
    #[arg(value_parser = logs::filter)]
    pub(crate) log: EnvFilter,

    /// How log lines look.
    #[arg(long, env = "DRIVER_LOG_FORMAT", value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,

    /// Where spans go by OTLP over gRPC, `http://collector:4317`; left out: nowhere.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,

    /// How many seconds calls under way may go on once the driver is asked to stop.
    #[arg(
        long,
        env = "DRIVER_SHUTDOWN_GRACE",
        value_name = "SECONDS",
        default_value = "20"
    )]
    shutdown_grace: u64,
}

/// What is asked of a running driver.
#[derive(Debug, Subcommand)]
pub(crate) enum Errand {
    /// Send an ISO to a running driver, which puts it onto datastores; prints the paths.
    UploadIso(UploadIso),
}

// === impl Args ===

impl Args {
    /// How to listen, as far as that may be.
    pub(crate) fn transport(&self) -> Result<Transport, InvalidTransport> {
        Transport::new(self.listen, self.tls_files().as_ref(), self.plaintext)
    }

    /// Ends the program as for any flag that cannot be used: before there is a log.
    pub(crate) fn refuse(flag: &str, problem: &dyn std::error::Error) -> ! {
        let problem = format!("{flag}: {problem}");
        Self::command()
            .error(ErrorKind::ValueValidation, problem)
            .exit()
    }

    pub(crate) fn grace(&self) -> Duration {
        Duration::from_secs(self.shutdown_grace)
    }

    // clap lets only all of them through, or none.
    fn tls_files(&self) -> Option<TlsFiles> {
        Some(TlsFiles {
            certificate: self.tls_certificate.clone()?,
            key: self.tls_key.clone()?,
            client_ca: self.tls_client_ca.clone()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(flags: &[&str]) -> Result<Args, ErrorKind> {
        let flags = ["vsphere-driver"].iter().chain(flags);
        Args::try_parse_from(flags).map_err(|error| error.kind())
    }

    #[test]
    fn tls_takes_all_of_its_files_or_none() {
        let files = ["--tls-certificate=c", "--tls-key=k", "--tls-client-ca=a"];
        let files_of = |flags: &[&str]| parsed(flags).map(|args| args.tls_files());
        let all = TlsFiles {
            certificate: "c".into(),
            key: "k".into(),
            client_ca: "a".into(),
        };
        assert_eq!(files_of(&files), Ok(Some(all)));
        assert_eq!(files_of(&[]), Ok(None));
        for missing in 0..files.len() {
            let mut flags = files.to_vec();
            flags.remove(missing);
            assert_eq!(files_of(&flags), Err(ErrorKind::MissingRequiredArgument));
        }
    }

    #[test]
    fn a_driver_without_flags_would_listen_on_loopback_only() {
        let args = parsed(&[]).unwrap();
        assert!(args.listen.ip().is_loopback());
        let metrics = args.metrics_bind_address.0.unwrap();
        assert!(metrics.ip().is_loopback());
        assert_eq!(args.grace(), Duration::from_secs(20));
        let refused = args.transport().unwrap_err();
        assert!(matches!(refused, InvalidTransport::Unprotected));
    }

    #[test]
    fn an_errand_takes_what_it_needs_and_no_more() {
        let flags = ["upload-iso", "a.iso", "--address=http://x", "--vcenter=lab"];
        let with = |more: &[&str]| parsed(&[&flags[..], more].concat()).map(|args| args.errand);
        assert!(matches!(
            with(&["--datastore=a", "--datastore=b"]),
            Ok(Some(_))
        ));
        assert!(matches!(with(&[]), Err(ErrorKind::MissingRequiredArgument)));
        let key = with(&["--datastore=a", "--key=k"]);
        assert!(matches!(key, Err(ErrorKind::MissingRequiredArgument)));
    }

    #[test]
    fn a_flag_that_means_nothing_is_refused_at_once() {
        for flag in [
            "--listen=localhost",
            "--metrics-bind-address=off",
            "--log=a=b=c",
            "--log-format=xml",
            "--shutdown-grace=-1",
        ] {
            assert!(parsed(&[flag]).is_err(), "{flag}");
        }
    }
}
