//! The client against a peer on a real socket.

use super::*;
use crate::driver::{Kind, Ownership, Retry, Trust};
use contract::v1::{
    v_centers_server::{VCenters, VCentersServer},
    virtual_machines_server::{VirtualMachines, VirtualMachinesServer},
};
use futures::stream::{self, BoxStream};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Response, Status,
    transport::{Server, ServerTlsConfig},
};

fn metrics() -> RpcMetrics {
    RpcMetrics::of(&[contract::DESCRIPTORS]).unwrap()
}

#[test]
fn plaintext_is_for_loopback_and_https_needs_certificates() {
    for (endpoint, error) in [
        ("http://driver:50051", "loopback only"),
        ("http://10.0.0.1:50051", "loopback only"),
        ("https://127.0.0.1:50051", "needs --driver-ca"),
        ("ftp://127.0.0.1", "must begin with https"),
    ] {
        let transport = Transport {
            endpoint: Endpoint::from_static(endpoint),
            tls: None,
            server_name: None,
        };
        let refused = GrpcDriver::new(transport, metrics())
            .unwrap_err()
            .to_string();
        assert!(refused.contains(error), "{endpoint}: {refused}");
    }
}

#[tokio::test]
async fn plaintext_is_taken_on_loopback() {
    for endpoint in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"] {
        let transport = Transport {
            endpoint: Endpoint::from_static(endpoint),
            tls: None,
            server_name: None,
        };
        assert!(GrpcDriver::new(transport, metrics()).is_ok(), "{endpoint}");
    }
}

const SERVER: &str = "vsphere-driver.test";

/// A driver that makes nothing, and notes who asked for what.
#[derive(Clone, Default)]
struct Peer(Arc<Mutex<Vec<String>>>);

impl Peer {
    fn note<T>(&self, request: &Request<T>, caller: Option<&pb::Caller>) {
        let caller = caller.cloned().unwrap_or_default();
        let deadline = request.metadata().get("grpc-timeout").is_some();
        let id = contract::identity::is_id(&caller.operation_id);
        let hub = caller.hub_id;
        let line = format!("{hub} {:?} id={id} deadline={deadline}", caller.epoch);
        self.0.lock().unwrap().push(line);
    }
}

#[tonic::async_trait]
impl VCenters for Peer {
    async fn connect_v_center(
        &self,
        request: Request<pb::ConnectVCenterRequest>,
    ) -> Result<Response<pb::ConnectVCenterResponse>, Status> {
        self.note(&request, request.get_ref().caller.as_ref());
        let vcenter = pb::VCenter {
            name: "vc-x".into(),
            server: request.into_inner().server,
            ..pb::VCenter::default()
        };
        Ok(Response::new(pb::ConnectVCenterResponse {
            vcenter: Some(vcenter),
            ..pb::ConnectVCenterResponse::default()
        }))
    }

    async fn get_v_center(
        &self,
        _: Request<pb::GetVCenterRequest>,
    ) -> Result<Response<pb::GetVCenterResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_v_centers(
        &self,
        _: Request<pb::ListVCentersRequest>,
    ) -> Result<Response<pb::ListVCentersResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn disconnect_v_center(
        &self,
        _: Request<pb::DisconnectVCenterRequest>,
    ) -> Result<Response<pb::DisconnectVCenterResponse>, Status> {
        Ok(Response::new(pb::DisconnectVCenterResponse::default()))
    }

    async fn check_placement(
        &self,
        request: Request<pb::CheckPlacementRequest>,
    ) -> Result<Response<pb::CheckPlacementResponse>, Status> {
        let name = request.into_inner().vcenter;
        let unknown = pb::Fault::new(pb::Reason::VcenterUnknown, format!("no vCenter `{name}`"));
        Err(unknown.into_status("op"))
    }

    async fn get_capacity(
        &self,
        _: Request<pb::GetCapacityRequest>,
    ) -> Result<Response<pb::GetCapacityResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl VirtualMachines for Peer {
    async fn ensure_virtual_machines(
        &self,
        request: Request<pb::EnsureVirtualMachinesRequest>,
    ) -> Result<Response<pb::EnsureVirtualMachinesResponse>, Status> {
        self.note(&request, request.get_ref().caller.as_ref());
        let request = request.into_inner();
        let owner = request.owner.unwrap_or_default();
        let result = |identity: pb::VirtualMachineIdentity| pb::VirtualMachineResult {
            machine: Some(machine(&owner.uid, &identity)),
            ..pb::VirtualMachineResult::default()
        };
        Ok(Response::new(pb::EnsureVirtualMachinesResponse {
            results: request.identities.into_iter().map(result).collect(),
            ..pb::EnsureVirtualMachinesResponse::default()
        }))
    }

    async fn delete_virtual_machines(
        &self,
        _: Request<pb::DeleteVirtualMachinesRequest>,
    ) -> Result<Response<pb::DeleteVirtualMachinesResponse>, Status> {
        let results = vec![pb::VirtualMachineResult::default()];
        Ok(Response::new(pb::DeleteVirtualMachinesResponse {
            results,
            ..pb::DeleteVirtualMachinesResponse::default()
        }))
    }

    async fn set_power_state(
        &self,
        _: Request<pb::SetPowerStateRequest>,
    ) -> Result<Response<pb::SetPowerStateResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn adopt_virtual_machines(
        &self,
        _: Request<pb::AdoptVirtualMachinesRequest>,
    ) -> Result<Response<pb::AdoptVirtualMachinesResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn release_virtual_machines(
        &self,
        _: Request<pb::ReleaseVirtualMachinesRequest>,
    ) -> Result<Response<pb::ReleaseVirtualMachinesResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn eject_iso(
        &self,
        _: Request<pb::EjectIsoRequest>,
    ) -> Result<Response<pb::EjectIsoResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_virtual_machine(
        &self,
        _: Request<pb::GetVirtualMachineRequest>,
    ) -> Result<Response<pb::GetVirtualMachineResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_virtual_machines(
        &self,
        _: Request<pb::ListVirtualMachinesRequest>,
    ) -> Result<Response<pb::ListVirtualMachinesResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    type WatchVirtualMachinesStream =
        BoxStream<'static, Result<pb::WatchVirtualMachinesResponse, Status>>;

    async fn watch_virtual_machines(
        &self,
        request: Request<pb::WatchVirtualMachinesRequest>,
    ) -> Result<Response<Self::WatchVirtualMachinesStream>, Status> {
        self.note(&request, request.get_ref().caller.as_ref());
        let token = request.into_inner().resume_token;
        let first = pb::WatchVirtualMachinesResponse {
            token: format!("after {token}"),
            ..pb::WatchVirtualMachinesResponse::default()
        };
        let stopping = pb::Fault::new(pb::Reason::DriverStopping, "it ends").into_status("");
        Ok(Response::new(
            stream::iter([Ok(first), Err(stopping)]).boxed(),
        ))
    }
}

fn machine(owner_uid: &str, identity: &pb::VirtualMachineIdentity) -> pb::VirtualMachine {
    pb::VirtualMachine {
        name: identity.name.clone(),
        key: Some(pb::VirtualMachineKey {
            hub_id: "hub".into(),
            owner_uid: owner_uid.into(),
            slot: identity.slot,
        }),
        mac_addresses: vec!["00:50:56:00:00:03".into()],
        ..pb::VirtualMachine::default()
    }
}

/// An authority, with a certificate and a key for this name.
fn certificates(name: &str) -> [Vec<u8>; 3] {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    [issuer.pem(), certificate.pem(), key.serialize_pem()].map(String::into_bytes)
}

/// A peer over mutual TLS, and a driver that talks to it.
async fn peer() -> (Peer, GrpcDriver) {
    let (peer, transport) = listening().await;
    (peer, GrpcDriver::new(transport, metrics()).unwrap())
}

/// A peer over mutual TLS, and how it is reached.
async fn listening() -> (Peer, Transport) {
    let [server_ca, server, server_key] = certificates(SERVER);
    let [client_ca, client, client_key] = certificates("controller.test");
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(server, server_key))
        .client_ca_root(Certificate::from_pem(client_ca));
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let peer = Peer::default();
    let serving = Server::builder()
        .tls_config(tls)
        .unwrap()
        .add_service(VCentersServer::new(peer.clone()))
        .add_service(VirtualMachinesServer::new(peer.clone()))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(serving);
    let endpoint = Endpoint::from_shared(format!("https://127.0.0.1:{port}")).unwrap();
    let transport = Transport {
        endpoint,
        tls: Some((server_ca, client, client_key)),
        server_name: Some(SERVER.into()),
    };
    (peer, transport)
}

fn hub() -> Caller {
    Caller {
        hub_id: "hub".into(),
        epoch: Some(7),
    }
}

fn owner() -> Owner {
    Owner {
        namespace: "clusters".into(),
        name: "pool".into(),
        uid: "owner".into(),
    }
}

#[tokio::test]
async fn each_mutation_says_who_asks_and_how_long_it_waits() {
    let (peer, driver) = peer().await;
    let login = Login {
        server: "vc".into(),
        username: "u".into(),
        password: "p".into(),
        trust: Trust::System,
    };
    let vcenter = driver.connect(&hub(), &login).await.unwrap();
    assert_eq!(
        (vcenter.name.as_str(), vcenter.freshness.connected),
        ("vc-x", false)
    );
    let caller = hub();
    let on = On {
        caller: &caller,
        vcenter: "vc-x",
    };
    let wanted = Wanted {
        owner: &owner(),
        identities: vec![(3, "pool-n03".into())],
        spec: &MachineSpec::default(),
    };
    let answers = driver.ensure(on, &wanted).await.unwrap();
    let machine = &answers[0].machine;
    assert_eq!(
        (machine.slot(), machine.ownership),
        (Some(3), Ownership::Ours)
    );
    assert_eq!(machine.mac_addresses, ["00:50:56:00:00:03"]);
    drop(driver.watch(on, None).await.unwrap());
    let calls = peer.0.lock().unwrap().clone();
    let (bounded, endless) = (
        "hub Some(7) id=true deadline=true",
        "hub Some(7) id=true deadline=false",
    );
    assert_eq!(calls, [bounded, bounded, endless]);
}

#[tokio::test]
async fn a_fault_comes_through_with_what_to_do_about_it() {
    let (_, driver) = peer().await;
    let spec = MachineSpec::default();
    let fault = driver
        .check_placement("vc-y", &spec, Scope::Machines)
        .await
        .unwrap_err();
    assert_eq!(
        (fault.kind, fault.retry),
        (Kind::VcenterUnknown, Retry::Recover)
    );
    assert!(fault.message.contains("vc-y"), "{fault}");
}

#[tokio::test]
async fn a_reply_that_lacks_what_the_contract_promises_is_a_fault() {
    let (_, driver) = peer().await;
    let caller = hub();
    let on = On {
        caller: &caller,
        vcenter: "vc-x",
    };
    let fault = driver.delete(on, &[]).await.unwrap_err();
    assert_eq!(fault.word, "DriverBadReply");
}

#[tokio::test]
async fn a_watch_passes_over_what_it_does_not_know_and_ends_with_its_fault() {
    let (_, driver) = peer().await;
    let caller = hub();
    let on = On {
        caller: &caller,
        vcenter: "vc-x",
    };
    let changes = driver.watch(on, Some("r1.5")).await.unwrap();
    let messages: Vec<_> = changes.collect().await;
    let first = messages[0].as_ref().unwrap();
    assert_eq!(
        (&first.event, first.token.as_str()),
        (&super::super::Event::Unknown, "after r1.5")
    );
    assert_eq!(messages[1].as_ref().unwrap_err().word, "DriverStopping");
}

#[tokio::test]
async fn a_driver_of_another_authority_is_not_spoken_to() {
    let (_, mut transport) = listening().await;
    let [other, ..] = certificates(SERVER);
    let tls = transport.tls.as_mut().unwrap();
    tls.0 = other;
    let driver = GrpcDriver::new(transport, metrics()).unwrap();
    let fault = driver.disconnect(&hub(), "vc-x").await.unwrap_err();
    assert_eq!(fault.kind, Kind::Unreachable);
    assert!(fault.message.contains("certificate"), "{fault}");
}

#[tokio::test]
async fn a_client_of_another_authority_is_not_listened_to() {
    let (_, mut transport) = listening().await;
    let [_, certificate, key] = certificates("controller.test");
    let tls = transport.tls.as_mut().unwrap();
    (tls.1, tls.2) = (certificate, key);
    let driver = GrpcDriver::new(transport, metrics()).unwrap();
    let fault = driver.disconnect(&hub(), "vc-x").await.unwrap_err();
    assert_eq!(fault.kind, Kind::Unreachable);
}
