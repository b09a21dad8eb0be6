//! What the tests of the server need: certificates, clients, and services that take their time.

use super::{Driver, Options};
use crate::{
    config::Config,
    edge::{
        client::{AllowedClient, Hubs},
        transport::{TlsFiles, Transport},
    },
    metrics::Metrics,
    shutdown::Stop,
};
use contract::telemetry::rpc::RpcLayer;
use contract::v1::{
    Fault, GetDriverInfoRequest, GetDriverInfoResponse, Reason,
    driver_server::{self, DriverServer},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::{fs, net::SocketAddr, sync::Arc, time::Duration, time::SystemTime};
use tempfile::TempDir;
use tokio::{sync::Notify, task::JoinHandle};
use tonic::{
    Request, Response, Status,
    service::Routes,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

/// An authority, and the folder with the files of a driver that it has signed.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A service `Driver` whose calls begin, and end when they are told to.
#[derive(Clone, Default)]
pub(super) struct Slow {
    pub(super) begun: Arc<Notify>,
    pub(super) end: Arc<Notify>,
}

/// A service `Driver` with a defect.
pub(super) struct Defective;

/// A driver under test.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) stop: Stop,
    pub(super) served: JoinHandle<Result<(), super::Error>>,
}

pub(super) fn options(transport: Transport) -> Options {
    Options {
        transport,
        config: Config::default(),
        metrics: None,
        grace: Duration::from_mins(1),
        now: || SystemTime::UNIX_EPOCH,
    }
}

pub(super) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(super) fn plaintext() -> Options {
    options(Transport::new(any_port(), None, true).unwrap())
}

/// Runs the whole driver.
pub(super) async fn run(options: Options) -> Running {
    let driver = Driver::bind(options).await.unwrap();
    let stop = Stop::default();
    Running {
        address: driver.address(),
        stop: stop.clone(),
        served: tokio::spawn(driver.run(stop)),
    }
}

/// Runs a driver that serves nothing but `service` and its health.
pub(super) async fn run_only<S: driver_server::Driver>(options: Options, service: S) -> Running {
    let driver = Driver::bind(options).await.unwrap();
    let stop = Stop::default();
    let told = stop.clone();
    let (health, probes) = tonic_health::server::health_reporter();
    let routes = Routes::new(probes).add_service(DriverServer::new(service));
    let counted = RpcLayer(Metrics::new().unwrap().rpc);
    Running {
        address: driver.address(),
        stop,
        served: tokio::spawn(async move { driver.serve(routes, counted, &health, &told).await }),
    }
}

/// The reason that a refused call gives.
pub(super) fn reason(status: &Status) -> Option<Reason> {
    Fault::of_status(status).map(|fault| fault.reason())
}

// === impl Authority ===

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// A certificate and its key for this name.
    pub(super) fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Options of a driver that lets this client act for any hub.
    pub(super) fn options(&self, allowed_client: &str) -> Options {
        // Another test may have been first; there is one provider for all.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let path = |name| self.folder.path().join(name);
        let (certificate, key) = self.sign("localhost");
        fs::write(path("certificate"), certificate).unwrap();
        fs::write(path("key"), key).unwrap();
        let files = TlsFiles {
            certificate: path("certificate"),
            key: path("key"),
            client_ca: path("ca"),
        };
        let mut options = options(Transport::new(any_port(), Some(&files), false).unwrap());
        options.config.allowed_clients = vec![AllowedClient {
            name: allowed_client.into(),
            hubs: Hubs::AllButManual,
        }];
        options
    }

    /// How a client trusts the driver and shows who it is.
    pub(super) fn client(&self, name: Option<&str>) -> ClientTlsConfig {
        let config = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.issuer.pem()))
            .domain_name("localhost");
        match name.map(|name| self.sign(name)) {
            Some((certificate, key)) => config.identity(Identity::from_pem(certificate, key)),
            None => config,
        }
    }
}

// === impl Running ===

impl Running {
    pub(super) fn channel(&self) -> Channel {
        let address = format!("http://{}", self.address);
        Endpoint::from_shared(address).unwrap().connect_lazy()
    }

    pub(super) fn tls_channel(&self, config: ClientTlsConfig) -> Channel {
        let endpoint = Endpoint::from_shared(format!("https://{}", self.address)).unwrap();
        endpoint.tls_config(config).unwrap().connect_lazy()
    }

    /// Stops it and waits for its end.
    pub(super) async fn stopped(self) {
        self.stop.begin.cancel();
        self.served.await.unwrap().unwrap();
    }
}

// === impl Slow ===

#[tonic::async_trait]
impl driver_server::Driver for Slow {
    async fn get_driver_info(
        &self,
        _: Request<GetDriverInfoRequest>,
    ) -> Result<Response<GetDriverInfoResponse>, Status> {
        self.begun.notify_one();
        self.end.notified().await;
        Ok(Response::new(GetDriverInfoResponse::default()))
    }
}

// === impl Defective ===

#[tonic::async_trait]
impl driver_server::Driver for Defective {
    async fn get_driver_info(
        &self,
        _: Request<GetDriverInfoRequest>,
    ) -> Result<Response<GetDriverInfoResponse>, Status> {
        panic!("canary")
    }
}
