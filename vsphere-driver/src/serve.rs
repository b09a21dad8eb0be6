//! Serves the contract until it is told to stop, then ends in order.

use crate::{
    config::Config,
    edge::{
        calls::{CallLimits, Calls},
        client::Clients,
        gate::{Gate, GateLayer},
        info::{DriverInfo, Run},
        methods::Methods,
        reflection,
        transport::Transport,
    },
    shutdown::Stop,
};
use contract::v1::driver_server;
use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::{
    service::Routes,
    transport::{self, Server, server::TcpIncoming},
};
use tonic_health::{ServingStatus, server::HealthReporter};

/// Between pings on a connection without traffic: below the idle timers of firewalls.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How long a peer may take to answer a ping.
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(20);

/// Calls at once on one connection: a client cannot take every place of the driver by one of them.
const CALLS_PER_CONNECTION: u32 = 500;

/// How long connections may take to close once their calls have ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The services whose health is told; the empty name is the driver as a whole.
const SERVICES: [&str; 2] = ["", driver_server::SERVICE_NAME];

/// What the driver is started with.
#[derive(Debug)]
pub struct Options {
    /// How it listens.
    pub transport: Transport,
    /// What its configuration file says.
    pub config: Config,
    /// How long calls under way may go on once it stops.
    pub grace: Duration,
    /// Its clock.
    pub now: fn() -> SystemTime,
}

/// A driver that listens and does not serve yet.
#[derive(Debug)]
pub struct Driver {
    listener: TcpListener,
    address: SocketAddr,
    options: Options,
}

/// Why the driver could not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be had.
    #[error("listening on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A certificate, its key or the authorities of clients cannot be used.
    #[error("setting up TLS from --tls-certificate, --tls-key and --tls-client-ca")]
    Tls(#[source] transport::Error),
    /// The built-in descriptors are broken.
    #[error("reading the descriptors of the contract")]
    Descriptors(#[from] prost::DecodeError),
    /// The built-in descriptors do not fit together.
    #[error("setting up reflection")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The server ended by itself.
    #[error("serving")]
    Serve(#[source] transport::Error),
}

// === impl Driver ===

impl Driver {
    /// Takes the address, so that a second driver on it fails at once.
    pub async fn bind(options: Options) -> Result<Self, Error> {
        let address = options.transport.listen();
        let failed = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            address,
            options,
        })
    }

    /// Where it listens: the port is known even if any was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`.
    pub async fn run(self, stop: Stop) -> Result<(), Error> {
        let Self {
            listener,
            address,
            options,
        } = self;
        let Options {
            transport,
            config,
            grace,
            now,
        } = options;
        let run = Run::begin(now);
        let gate = Arc::new(Gate {
            clients: clients(&transport, &config),
            calls: Calls::new(CallLimits::default()),
            methods: Methods::read()?,
            stop: stop.clone(),
        });
        let (health, probes) = tonic_health::server::health_reporter();

        // The services of vCenters, machines and ISOs join here, in `routes` and in `SERVICES`.
        let routes = Routes::new(probes)
            .add_service(reflection::v1()?)
            .add_service(reflection::v1alpha()?)
            .add_service(DriverInfo::server(run.clone()));
        report(&health, ServingStatus::Serving).await;

        let close = CancellationToken::new();
        let served = tokio::spawn(
            server(&transport)?
                .layer(GateLayer(gate.clone()))
                .add_routes(routes)
                .serve_with_incoming_shutdown(
                    TcpIncoming::from(listener).with_nodelay(Some(true)),
                    close.clone().cancelled_owned(),
                ),
        );
        tracing::info!(%address, tls = transport.tls().is_some(), run_id = run.id, "Listening");

        stop.begin.cancelled().await;
        report(&health, ServingStatus::NotServing).await;
        tracing::info!(health = %ServingStatus::NotServing, "Stopping");
        drain(&gate.calls, &stop, grace).await;
        close.cancel();
        closed(served).await
    }
}

fn clients(transport: &Transport, config: &Config) -> Clients {
    if transport.tls().is_none() {
        return Clients::loopback();
    }
    if config.allowed_clients.is_empty() {
        tracing::warn!(
            field = "allowed_clients",
            "Nobody may call: the list is empty"
        );
    }
    Clients::named(&config.allowed_clients)
}

fn server(transport: &Transport) -> Result<Server, Error> {
    let server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER))
        .max_concurrent_streams(CALLS_PER_CONNECTION);
    match transport.tls() {
        Some(tls) => server.tls_config(tls.clone()).map_err(Error::Tls),
        None => Ok(server),
    }
}

async fn report(health: &HealthReporter, status: ServingStatus) {
    for service in SERVICES {
        health.set_service_status(service, status).await;
    }
}

/// Lets the calls under way end, for as long as the grace lasts.
async fn drain(calls: &Calls, stop: &Stop, grace: Duration) {
    tracing::info!(calls = calls.count(), ?grace, "Waiting for calls to end");
    tokio::select! {
        () = calls.ended() => tracing::info!(calls = 0, "Calls ended"),
        () = stop.at_once.cancelled() => {}
        () = tokio::time::sleep(grace) => {}
    }
    if calls.count() > 0 {
        tracing::warn!(calls = calls.count(), "Calls cut off");
        stop.at_once.cancel();
    }
}

/// Waits for the connections to close, but not for a peer that does not read.
async fn closed(served: JoinHandle<Result<(), transport::Error>>) -> Result<(), Error> {
    match timeout(LAST_WORDS, served).await {
        Ok(Ok(served)) => served.map_err(Error::Serve),
        Ok(Err(_)) | Err(_) => {
            tracing::warn!(after = ?LAST_WORDS, "Connections cut off");
            Ok(())
        }
    }
}
