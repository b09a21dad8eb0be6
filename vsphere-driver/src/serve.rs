//! Serves the contract until it is told to stop, then ends in order.

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;

use crate::{
    config::{Config, IsoConfig},
    core::{self, Core},
    edge::{
        calls::{CallLimits, Calls},
        client::Clients,
        gate::{Gate, GateLayer},
        info::{DriverInfo, MAX_MESSAGE_BYTES, Run},
        methods::Methods,
        reflection,
        transport::Transport,
    },
    grpc::{IsosService, VCentersService, VirtualMachinesService},
    iso::{store::Store, sweep},
    metrics::Metrics,
    shutdown::Stop,
};
use contract::telemetry::{
    endpoint::{self, Endpoint},
    rpc::RpcLayer,
};
use contract::v1::{
    driver_server,
    isos_server::{self, IsosServer},
    v_centers_server::{self, VCentersServer},
    virtual_machines_server::{self, VirtualMachinesServer},
};
use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    net::TcpListener,
    task::{JoinError, JoinHandle},
    time::timeout,
};
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
const SERVICES: [&str; 5] = [
    "",
    driver_server::SERVICE_NAME,
    v_centers_server::SERVICE_NAME,
    virtual_machines_server::SERVICE_NAME,
    isos_server::SERVICE_NAME,
];

/// What the driver is started with.
#[derive(Debug)]
pub struct Options {
    /// How it listens.
    pub transport: Transport,
    /// What its configuration file says.
    pub config: Config,
    /// Where it serves its metrics, if anywhere.
    pub metrics: Option<SocketAddr>,
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
    metrics: Option<Endpoint>,
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
    /// A configured vCenter cannot be set up.
    #[error("setting up a vCenter of the configuration")]
    VCenter(#[from] core::Error),
    /// The server ended by itself.
    #[error("serving")]
    Serve(#[source] transport::Error),
    /// The server panicked.
    #[error("serving")]
    Panicked(#[from] JoinError),
}

// === impl Driver ===

impl Driver {
    /// Takes the address, so that a second driver on it fails at once.
    pub async fn bind(options: Options) -> Result<Self, Error> {
        let address = options.transport.listen();
        let failed = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let metrics = match options.metrics {
            Some(address) => {
                let failed = |source| Error::Listen { address, source };
                Some(Endpoint::bind("metrics", address).await.map_err(failed)?)
            }
            None => None,
        };
        Ok(Self {
            listener,
            address,
            metrics,
            options,
        })
    }

    /// Where it listens: the port is known even if any was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`.
    pub async fn run(mut self, stop: Stop) -> Result<(), Error> {
        let run = Run::begin(self.options.now);
        let (health, probes) = tonic_health::server::health_reporter();
        let metrics = Metrics::new()?;
        let soap = metrics.soap.clone();
        let core = Arc::new(Core::new(run.id.clone(), health.clone(), soap));
        let IsoConfig { sources, files } = self.options.config.iso.clone();
        let max_iso_bytes = sources.max_bytes;
        let store = Arc::new(Store::new(sources, files, metrics.isos.clone()));
        core.keep_sources_off(store.policy.clone());
        sweep::keep_all_clean(&core, &store);
        let isos = IsosService::new(core.clone(), Arc::clone(&store));
        core.start(&self.options.config.vcenters)?;
        let routes = Routes::new(probes)
            .add_service(reflection::v1()?)
            .add_service(reflection::v1alpha()?)
            .add_service(DriverInfo::server(run, max_iso_bytes))
            .add_service(
                VCentersServer::new(VCentersService::new(core.clone()))
                    .max_decoding_message_size(MAX_MESSAGE_BYTES),
            )
            .add_service(
                VirtualMachinesServer::new(VirtualMachinesService::new(core.clone(), store))
                    .max_decoding_message_size(MAX_MESSAGE_BYTES),
            )
            .add_service(IsosServer::new(isos).max_decoding_message_size(MAX_MESSAGE_BYTES));
        let shown = self.metrics.take().map(|endpoint| {
            let answers = endpoint::metrics(metrics.registry(core.clone()));
            tokio::spawn(endpoint.serve(answers))
        });
        let counted = RpcLayer(metrics.rpc);
        let served = self.serve(routes, counted, &health, &stop).await;
        core.shutdown().await;
        if let Some(shown) = shown {
            shown.abort();
        }
        served
    }

    /// Serves `routes` behind the gate until `stop`, then lets the calls under way end.
    async fn serve(
        self,
        routes: Routes,
        counted: RpcLayer,
        health: &HealthReporter,
        stop: &Stop,
    ) -> Result<(), Error> {
        let transport = &self.options.transport;
        let gate = Arc::new(Gate {
            clients: clients(transport, &self.options.config),
            calls: Calls::new(CallLimits::default()),
            methods: Methods::read()?,
            stop: stop.clone(),
        });
        report(health, ServingStatus::Serving).await;

        let close = CancellationToken::new();
        let mut server = tokio::spawn(
            builder(transport)?
                .layer(counted)
                .layer(GateLayer(gate.clone()))
                .add_routes(routes)
                .serve_with_incoming_shutdown(
                    TcpIncoming::from(self.listener).with_nodelay(Some(true)),
                    close.clone().cancelled_owned(),
                ),
        );
        let tls = transport.tls().is_some();
        tracing::info!(name = "grpc", address = %self.address, tls, "Listening");

        tokio::select! {
            ended = &mut server => return outcome(ended),
            () = stop.begin.cancelled() => {}
        }
        report(health, ServingStatus::NotServing).await;
        tracing::info!(health = %ServingStatus::NotServing, "Stopping");
        drain(&gate.calls, stop, self.options.grace).await;
        close.cancel();
        closed(server).await
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

fn builder(transport: &Transport) -> Result<Server, Error> {
    let builder = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER))
        .max_concurrent_streams(CALLS_PER_CONNECTION);
    match transport.tls() {
        Some(tls) => builder.tls_config(tls.clone()).map_err(Error::Tls),
        None => Ok(builder),
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
async fn closed(server: JoinHandle<Result<(), transport::Error>>) -> Result<(), Error> {
    if let Ok(ended) = timeout(LAST_WORDS, server).await {
        return outcome(ended);
    }
    tracing::warn!(after = ?LAST_WORDS, "Connections cut off");
    Ok(())
}

fn outcome(ended: Result<Result<(), transport::Error>, JoinError>) -> Result<(), Error> {
    ended?.map_err(Error::Serve)
}
