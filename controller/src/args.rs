//! The command line; every flag can also come from the environment.

use clap::{CommandFactory as _, Parser, error::ErrorKind};
use contract::telemetry::{endpoint::Bind, logs::LogFormat};
use controller::{hub::IngressCa, validation::go_duration};
use jiff::SignedDuration;
use std::path::PathBuf;
use tonic::transport::Endpoint;
use tracing_subscriber::{EnvFilter, filter::ParseError};

/// Turns `VMwareNodePoolTemplate`s into virtual machines, through the vSphere driver.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// Where the driver listens, as in <https://vsphere-driver:50051>. Plain `http` is for loopback.
    #[arg(long, env = "DRIVER_ENDPOINT")]
    pub(crate) driver_endpoint: Endpoint,

    /// File with the certification authority of the driver's certificate, PEM.
    #[arg(long, env = "DRIVER_CA", requires_all = ["driver_certificate", "driver_key"])]
    pub(crate) driver_ca: Option<PathBuf>,

    /// File with the certificate to show to the driver, PEM.
    #[arg(long, env = "DRIVER_CERTIFICATE", requires = "driver_ca")]
    pub(crate) driver_certificate: Option<PathBuf>,

    /// File with the key of that certificate, PEM.
    #[arg(long, env = "DRIVER_KEY", requires = "driver_ca")]
    pub(crate) driver_key: Option<PathBuf>,

    /// Name in the driver's certificate, where it is not the endpoint's host.
    #[arg(long, env = "DRIVER_SERVER_NAME")]
    pub(crate) driver_server_name: Option<String>,

    /// Where `/metrics` is served; `:8080` is port 8080 on all addresses, `0` nowhere.
    #[arg(long, env = "METRICS_BIND_ADDRESS", default_value = ":8080")]
    pub(crate) metrics_bind_address: Bind,

    /// Where `/healthz` and `/readyz` are served.
    #[arg(long, env = "HEALTH_PROBE_BIND_ADDRESS", default_value = ":8081")]
    pub(crate) health_probe_bind_address: Bind,

    /// Acts only while it holds the Lease, so that several can run.
    #[arg(long, env = "LEADER_ELECT")]
    pub(crate) leader_elect: bool,

    /// Namespace of the Lease; by default the one of the pod or of the kubeconfig.
    #[arg(long, env = "LEASE_NAMESPACE")]
    pub(crate) lease_namespace: Option<String>,

    /// Seconds after which another may take a Lease whose holder gives no sign of life.
    #[arg(
        long,
        env = "LEASE_DURATION",
        value_name = "SECONDS",
        default_value_t = 15,
        value_parser = clap::value_parser!(u16).range(2..=3600)
    )]
    pub(crate) lease_duration: u16,

    /// How long a fall of a node pool's number of machines by more than half is held, as in `5m`; `0` never.
    #[arg(long, env = "SCALE_DOWN_GRACE", default_value = "5m", value_parser = duration)]
    pub(crate) scale_down_grace: SignedDuration,

    /// `NAMESPACE/NAME` of the `ConfigMap` whose `ca-bundle.crt` has the authorities of the hub's routes, which are
    /// trusted as the image service of an `InfraEnv` beside the driver's system's; `none`: no other.
    #[arg(
        long,
        env = "INGRESS_CA",
        value_name = "CONFIGMAP",
        default_value = "openshift-config-managed/default-ingress-cert"
    )]
    pub(crate) ingress_ca: IngressCa,

    /// Identity of this hub towards the driver; by default the UID of the namespace `kube-system`.
    #[arg(long, env = "HUB_ID", value_parser = hub_id)]
    pub(crate) hub_id: Option<String>,

    /// What to log, in `tracing`'s filter syntax.
    #[arg(long, env = "LOG", default_value = "info", value_parser = filter)]
    pub(crate) log: EnvFilter,

    /// Where spans go by OTLP over gRPC, `http://collector:4317`; left out: nowhere.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,

    /// How to log.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub(crate) log_format: LogFormat,
}

// === impl Args ===

impl Args {
    /// Ends the program as for any flag that cannot be used: before there is a log.
    pub(crate) fn refuse(flag: &str, problem: &dyn std::error::Error) -> ! {
        let problem = format!("{flag}: {problem}");
        Self::command()
            .error(ErrorKind::ValueValidation, problem)
            .exit()
    }
}

fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(text)
}

fn duration(text: &str) -> Result<SignedDuration, String> {
    let seconds = go_duration(text).ok_or("expected a duration as in 90s, 5m or 1h30m")?;
    SignedDuration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn hub_id(text: &str) -> Result<String, String> {
    if contract::identity::is_id(text) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 63 characters of A-Za-z0-9._-".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_filter_that_means_nothing_is_refused_at_once() {
        assert!(filter("controller=debug,info").is_ok());
        assert!(filter("a=b=c").is_err());
    }

    #[test]
    fn certificates_come_together() {
        let args = [
            "controller",
            "--driver-endpoint",
            "https://x:1",
            "--driver-ca",
            "ca",
        ];
        assert!(Args::try_parse_from(args).is_err());
    }
}
