//! The driver, reached over gRPC with mutual TLS.

use super::{
    Adopted, Adopting, Answer, Caller, Capacity, CapacityQuestion, Changes, Driver, Fault, Iso,
    IsoChanges, IsoEvent, IsoWanted, Login, MachineRef, MachineSpec, Message, On, Owner, Placement,
    Scope, Vcenter, Wanted, convert,
};
use contract::telemetry::{
    rpc::{Counted, RpcLayer, RpcMetrics},
    traces::Traced,
};
use contract::v1::{
    self as pb, isos_client::IsosClient, v_centers_client::VCentersClient,
    virtual_machines_client::VirtualMachinesClient,
};
use futures::{StreamExt as _, TryStreamExt as _};
use std::{fmt, time::Duration};
use tonic::{
    Request,
    body::Body,
    codegen::{Service, StdError, http},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use tower::Layer as _;

/// Deadline of a call that does not wait, and what one that waits gets beyond its wait.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a connect waits for the login.
const LOGIN: Duration = Duration::from_secs(10);
/// A check or a batch may need calls of vCenter before it is accepted.
const ACCEPTANCE: Duration = Duration::from_mins(1);
/// Below the idle timers of firewalls.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// As the contract limits messages.
const MESSAGE: usize = 4 * 1024 * 1024;

/// Carries requests to a driver and brings its replies: a connection, as a rule.
pub trait Wire:
    Service<
        http::Request<Body>,
        Response = http::Response<Body>,
        Error: Into<StdError>,
        Future: Send,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

/// A driver reached over gRPC; clones share the connection.
#[derive(Clone, Debug)]
pub struct GrpcDriver<W = Connection>(W);

/// A connection whose calls are counted, and carry their trace along.
pub type Connection = Counted<Traced<Channel>>;

/// How the driver is reached.
#[derive(Clone)]
pub struct Transport {
    /// `https://host:port`, or `http://` on loopback.
    pub endpoint: Endpoint,
    /// Authority of the driver's certificate, then certificate and key of this side, PEM.
    pub tls: Option<(Vec<u8>, Vec<u8>, Vec<u8>)>,
    /// Name in the driver's certificate, where it is not the host of the endpoint.
    pub server_name: Option<String>,
}

/// A transport that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEndpoint {
    /// Plaintext to another machine.
    #[error("`http` is for loopback only; use https:// and certificates")]
    Plaintext,
    /// No certificates.
    #[error(
        "`https` needs --driver-ca, --driver-certificate and --driver-key: the driver asks for a client certificate"
    )]
    NoCertificates,
    /// Neither of the two.
    #[error("the endpoint must begin with https:// (or http:// on loopback)")]
    Scheme,
    /// The certificates cannot be read.
    #[error("setting up TLS")]
    Tls(#[source] tonic::transport::Error),
}

// === impl Wire ===

impl<S> Wire for S where
    S: Service<
            http::Request<Body>,
            Response = http::Response<Body>,
            Error: Into<StdError>,
            Future: Send,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

// === impl Transport ===

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("endpoint", &self.endpoint.uri())
            .finish_non_exhaustive()
    }
}

// === impl GrpcDriver ===

impl GrpcDriver {
    /// Connects in the background, and again whenever it must.
    pub fn new(transport: Transport, metrics: RpcMetrics) -> Result<Self, InvalidEndpoint> {
        let Transport {
            endpoint,
            tls,
            server_name,
        } = transport;
        let endpoint = match (endpoint.uri().scheme_str(), tls) {
            (Some("https"), Some((ca, certificate, key))) => {
                let mut config = ClientTlsConfig::new()
                    .ca_certificate(Certificate::from_pem(ca))
                    .identity(Identity::from_pem(certificate, key));
                if let Some(name) = server_name {
                    config = config.domain_name(name);
                }
                endpoint.tls_config(config).map_err(InvalidEndpoint::Tls)?
            }
            (Some("https"), None) => return Err(InvalidEndpoint::NoCertificates),
            (Some("http"), _) if is_loopback(&endpoint) => endpoint,
            (Some("http"), _) => return Err(InvalidEndpoint::Plaintext),
            _ => return Err(InvalidEndpoint::Scheme),
        };
        let endpoint = endpoint
            .connect_timeout(DEADLINE)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(DEADLINE)
            .keep_alive_while_idle(true);
        let traced = Traced(endpoint.connect_lazy());
        Ok(Self(RpcLayer(metrics).layer(traced)))
    }
}

impl<W: Wire> GrpcDriver<W> {
    /// Reached over this wire.
    pub fn over(wire: W) -> Self {
        Self(wire)
    }

    fn vcenters(&self) -> VCentersClient<W> {
        VCentersClient::new(self.0.clone()).max_decoding_message_size(MESSAGE)
    }

    fn machines(&self) -> VirtualMachinesClient<W> {
        VirtualMachinesClient::new(self.0.clone()).max_decoding_message_size(MESSAGE)
    }

    fn isos(&self) -> IsosClient<W> {
        IsosClient::new(self.0.clone()).max_decoding_message_size(MESSAGE)
    }

    /// Has machines removed, or only says what that would do.
    async fn remove(
        &self,
        on: On<'_>,
        machines: &[MachineRef],
        validate_only: bool,
    ) -> Result<Vec<Answer>, Fault> {
        let request = pb::DeleteVirtualMachinesRequest {
            caller: Some(convert::caller(on.caller)),
            vcenter: on.vcenter.into(),
            machines: machines.iter().map(Into::into).collect(),
            validate_only,
            ..pb::DeleteVirtualMachinesRequest::default()
        };
        let request = within(ACCEPTANCE, request);
        let reply = self.machines().delete_virtual_machines(request).await?;
        let results = reply.into_inner().results;
        results.into_iter().map(TryInto::try_into).collect()
    }
}

impl<W: Wire> Driver for GrpcDriver<W> {
    async fn connect(&self, caller: &Caller, login: &Login) -> Result<Vcenter, Fault> {
        let request = pb::ConnectVCenterRequest {
            wait: prost_types::Duration::try_from(LOGIN).ok(),
            ..convert::connect(caller, login)
        };
        let request = within(LOGIN + DEADLINE, request);
        let reply = self.vcenters().connect_v_center(request).await;
        let reply = reply.map_err(convert::of_connect)?;
        let vcenter = reply.into_inner().vcenter;
        vcenter.ok_or(Fault::bad_reply("the vCenter"))?.try_into()
    }

    async fn disconnect(&self, caller: &Caller, vcenter: &str) -> Result<(), Fault> {
        let request = pb::DisconnectVCenterRequest {
            caller: Some(convert::caller(caller)),
            vcenter: vcenter.into(),
            ..pb::DisconnectVCenterRequest::default()
        };
        let request = within(DEADLINE, request);
        self.vcenters().disconnect_v_center(request).await?;
        Ok(())
    }

    async fn check_placement(
        &self,
        vcenter: &str,
        spec: &MachineSpec,
        scope: Scope,
    ) -> Result<Placement, Fault> {
        let request = pb::CheckPlacementRequest {
            vcenter: vcenter.into(),
            spec: Some(spec.into()),
            ejects_iso: scope == Scope::WithEjection,
            ..pb::CheckPlacementRequest::default()
        };
        let request = within(ACCEPTANCE, request);
        let reply = self.vcenters().check_placement(request).await?;
        let report = reply.into_inner().report;
        Ok(report.ok_or(Fault::bad_reply("the report"))?.into())
    }

    async fn capacity(
        &self,
        vcenter: &str,
        spec: &MachineSpec,
        question: CapacityQuestion,
    ) -> Result<Capacity, Fault> {
        let request = convert::capacity(vcenter, spec, question);
        let request = within(ACCEPTANCE, request);
        let reply = self.vcenters().get_capacity(request).await?;
        reply.into_inner().try_into()
    }

    async fn ensure_iso(&self, on: On<'_>, owner: &Owner, iso: &IsoWanted) -> Result<Iso, Fault> {
        let request = within(ACCEPTANCE, convert::iso(on, owner, iso));
        let reply = self.isos().ensure_iso(request).await;
        let reply = reply.map_err(convert::of_iso)?.into_inner();
        Ok(reply.iso.ok_or(Fault::bad_reply("the ISO"))?.into())
    }

    async fn withdraw_iso(&self, on: On<'_>, owner: &Owner) -> Result<(), Fault> {
        let request = within(DEADLINE, convert::iso_withdrawal(on, owner));
        self.isos().delete_iso(request).await?;
        Ok(())
    }

    async fn watch_isos(&self, on: On<'_>) -> Result<IsoChanges, Fault> {
        let request = pb::WatchIsosRequest {
            vcenter: on.vcenter.into(),
            hub_id: on.caller.hub_id.clone(),
            ..pb::WatchIsosRequest::default()
        };
        let changes = self.isos().watch_isos(request).await?.into_inner();
        Ok(changes.map_ok(IsoEvent::from).map_err(Fault::from).boxed())
    }

    async fn ensure(&self, on: On<'_>, wanted: &Wanted<'_>) -> Result<Vec<Answer>, Fault> {
        let identity = |(slot, name): &(i32, String)| pb::VirtualMachineIdentity {
            slot: *slot,
            name: name.clone(),
        };
        let request = pb::EnsureVirtualMachinesRequest {
            caller: Some(convert::caller(on.caller)),
            vcenter: on.vcenter.into(),
            owner: Some(wanted.owner.into()),
            identities: wanted.identities.iter().map(identity).collect(),
            spec: Some(wanted.spec.into()),
            ..pb::EnsureVirtualMachinesRequest::default()
        };
        let request = within(ACCEPTANCE, request);
        let reply = self.machines().ensure_virtual_machines(request).await?;
        let results = reply.into_inner().results;
        results.into_iter().map(TryInto::try_into).collect()
    }

    async fn delete(&self, on: On<'_>, machines: &[MachineRef]) -> Result<Vec<Answer>, Fault> {
        self.remove(on, machines, false).await
    }

    async fn prove(&self, on: On<'_>, machines: &[MachineRef]) -> Result<Vec<Answer>, Fault> {
        // A plan of a removal proves as much as the removal does.
        self.remove(on, machines, true).await
    }

    async fn adopt(&self, on: On<'_>, adopting: &Adopting<'_>) -> Result<Vec<Adopted>, Fault> {
        let request = pb::AdoptVirtualMachinesRequest {
            caller: Some(convert::caller(on.caller)),
            vcenter: on.vcenter.into(),
            owner: Some(adopting.owner.into()),
            adoptions: adopting.adoptions.iter().map(Into::into).collect(),
            spec: Some(adopting.spec.into()),
            validate_only: adopting.plan,
            ..pb::AdoptVirtualMachinesRequest::default()
        };
        let request = within(ACCEPTANCE, request);
        let reply = self.machines().adopt_virtual_machines(request).await?;
        let results = reply.into_inner().results;
        results.into_iter().map(TryInto::try_into).collect()
    }

    async fn release(
        &self,
        on: On<'_>,
        machines: &[MachineRef],
        template: &str,
    ) -> Result<Vec<Answer>, Fault> {
        use pb::release_virtual_machines_request::Successor;
        let request = pb::ReleaseVirtualMachinesRequest {
            caller: Some(convert::caller(on.caller)),
            vcenter: on.vcenter.into(),
            machines: machines.iter().map(Into::into).collect(),
            successor: Some(Successor::CompanionTemplate(template.into())),
            ..pb::ReleaseVirtualMachinesRequest::default()
        };
        let request = within(ACCEPTANCE, request);
        let reply = self.machines().release_virtual_machines(request).await?;
        let results = reply.into_inner().results;
        results.into_iter().map(TryInto::try_into).collect()
    }

    async fn eject(&self, on: On<'_>, machines: &[MachineRef]) -> Result<Vec<Answer>, Fault> {
        let request = pb::EjectIsoRequest {
            caller: Some(convert::caller(on.caller)),
            vcenter: on.vcenter.into(),
            machines: machines.iter().map(Into::into).collect(),
            only_stored: true,
            ..pb::EjectIsoRequest::default()
        };
        let request = within(ACCEPTANCE, request);
        let results = self.machines().eject_iso(request).await?;
        let results = results.into_inner().results;
        results.into_iter().map(TryInto::try_into).collect()
    }

    async fn watch(&self, on: On<'_>, resume: Option<&str>) -> Result<Changes, Fault> {
        let request = pb::WatchVirtualMachinesRequest {
            vcenter: on.vcenter.into(),
            filter: Some(convert::filter(&on.caller.hub_id)),
            resume_token: resume.unwrap_or_default().into(),
            caller: Some(convert::caller(on.caller)),
        };
        let reply = self.machines().watch_virtual_machines(request).await?;
        let changes = reply.into_inner();
        Ok(changes.map_ok(Message::from).map_err(Fault::from).boxed())
    }
}

fn within<T>(deadline: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

fn is_loopback(endpoint: &Endpoint) -> bool {
    let host = endpoint.uri().host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
