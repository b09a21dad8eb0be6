//! The server from outside, over real sockets.

use super::fixtures::{
    Authority, Defective, Running, Slow, any_port, plaintext, reason, run, run_only,
};
use crate::edge::transport::Transport;
use contract::v1::{
    Fault, GetDriverInfoRequest, ListVCentersRequest, Reason, driver_client::DriverClient,
    v_centers_client::VCentersClient,
};
use futures::{StreamExt as _, channel::mpsc, stream};
use std::time::Duration;
use tonic::{Code, Status, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

async fn info(channel: Channel) -> Result<String, Status> {
    let mut client = DriverClient::new(channel);
    let reply = client.get_driver_info(GetDriverInfoRequest {}).await?;
    Ok(reply.into_inner().version)
}

async fn health(channel: Channel, service: &str) -> ServingStatus {
    let request = HealthCheckRequest {
        service: service.into(),
    };
    let reply = HealthClient::new(channel).check(request).await.unwrap();
    reply.into_inner().status()
}

/// Begins a call, and comes back when it is under way.
async fn begin(running: &Running, slow: &Slow) -> tokio::task::JoinHandle<Result<String, Status>> {
    let call = tokio::spawn(info(running.channel()));
    slow.begun.notified().await;
    call
}

#[tokio::test]
async fn a_person_on_this_machine_may_call() {
    let running = run(plaintext()).await;
    assert_eq!(info(running.channel()).await.unwrap(), "0.1.0");
    running.stopped().await;
}

#[test]
fn plaintext_is_refused_off_loopback() {
    let mut everywhere = any_port();
    everywhere.set_ip([0, 0, 0, 0].into());
    Transport::new(everywhere, None, true).unwrap_err();
}

#[tokio::test]
async fn only_a_client_on_the_list_may_call() {
    let authority = Authority::new();
    let running = run(authority.options("controller.hub")).await;
    let call = |name| info(running.tls_channel(authority.client(name)));

    assert_eq!(call(Some("controller.hub")).await.unwrap(), "0.1.0");

    let stranger = call(Some("stranger.hub")).await.unwrap_err();
    assert_eq!(stranger.code(), Code::PermissionDenied);
    assert_eq!(reason(&stranger), Some(Reason::ClientNotAllowed));

    // The handshake fails, so that there is nobody to give a reason.
    let nobody = call(None).await.unwrap_err();
    assert_eq!(reason(&nobody), None);
    running.stopped().await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let authority = Authority::new();
    let running = run(authority.options("controller.hub")).await;
    let (certificate, key) = Authority::new().sign("controller.hub");
    let forged = tonic::transport::Identity::from_pem(certificate, key);
    let client = authority.client(None).identity(forged);
    let refused = info(running.tls_channel(client)).await.unwrap_err();
    assert_eq!(reason(&refused), None);
    running.stopped().await;
}

#[tokio::test]
async fn a_probe_needs_no_place_on_the_list() {
    let authority = Authority::new();
    let running = run(authority.options("controller.hub")).await;
    let channel = running.tls_channel(authority.client(Some("kubelet")));
    for service in ["", "vsphere.driver.v1.Driver"] {
        let status = health(channel.clone(), service).await;
        assert_eq!(status, ServingStatus::Serving);
    }
    drop(channel);
    running.stopped().await;
}

#[tokio::test]
async fn a_running_call_ends_well_and_a_new_one_is_refused() {
    let slow = Slow::default();
    let running = run_only(plaintext(), slow.clone()).await;
    let mut probe = HealthClient::new(running.channel());
    let watch = probe.watch(HealthCheckRequest::default()).await.unwrap();
    let mut watch = watch.into_inner();
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    let call = begin(&running, &slow).await;

    running.stop.begin.cancel();
    let last = watch.message().await.unwrap().unwrap();
    assert_eq!(last.status(), ServingStatus::NotServing);
    let end = watch.message().await.unwrap_err();
    assert_eq!(reason(&end), Some(Reason::DriverStopping));

    let refused = info(running.channel()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(reason(&refused), Some(Reason::DriverStopping));
    assert_eq!(
        health(running.channel(), "").await,
        ServingStatus::NotServing
    );

    slow.end.notify_one();
    call.await.unwrap().unwrap();
    running.stopped().await;
}

#[tokio::test]
async fn a_call_that_outlasts_the_grace_is_told_why_it_ends() {
    let mut options = plaintext();
    options.grace = Duration::ZERO;
    let slow = Slow::default();
    let running = run_only(options, slow.clone()).await;
    let call = begin(&running, &slow).await;
    running.stopped().await;
    let cut_off = call.await.unwrap().unwrap_err();
    assert_eq!(reason(&cut_off), Some(Reason::DriverStopping));
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_the_grace() {
    let slow = Slow::default();
    let running = run_only(plaintext(), slow.clone()).await;
    let call = begin(&running, &slow).await;
    running.stop.at_once.cancel();
    running.stopped().await;
    let cut_off = call.await.unwrap().unwrap_err();
    assert_eq!(reason(&cut_off), Some(Reason::DriverStopping));
}

#[tokio::test]
async fn a_stream_is_told_why_it_ends() {
    let running = run(plaintext()).await;
    let mut client = ServerReflectionClient::new(running.channel());
    let (more, questions) = mpsc::unbounded();
    let mut answers = client.server_reflection_info(questions).await.unwrap();
    running.stop.begin.cancel();
    let end = answers.get_mut().message().await.unwrap_err();
    assert_eq!(reason(&end), Some(Reason::DriverStopping));
    drop((client, more));
    running.stopped().await;
}

#[tokio::test]
async fn a_defect_ends_one_call_and_no_connection() {
    let running = run_only(plaintext(), Defective).await;
    let channel = running.channel();
    for _ in 0..2 {
        let defect = info(channel.clone()).await.unwrap_err();
        assert_eq!(reason(&defect), Some(Reason::Internal));
        assert!(!defect.message().contains("canary"), "{defect}");
    }
    drop(channel);
    running.stopped().await;
}

#[tokio::test]
async fn a_call_that_does_not_exist_is_refused_with_a_reason() {
    let running = run_only(plaintext(), Slow::default()).await;
    let mut client = VCentersClient::new(running.channel());
    let request = ListVCentersRequest::default();
    let refused = client.list_v_centers(request).await.unwrap_err();
    let fault = Fault::of_status(&refused).unwrap();
    assert_eq!(fault.reason(), Reason::FeatureUnsupported);
    drop(client);
    running.stopped().await;
}

async fn reflect(channel: Channel, question: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };
    let mut client = ServerReflectionClient::new(channel);
    let questions = stream::iter([request]);
    let mut replies = client.server_reflection_info(questions).await.unwrap();
    let reply = replies.get_mut().next().await.unwrap().unwrap();
    reply.message_response.unwrap()
}

#[tokio::test]
async fn reflection_knows_the_services_and_their_error_details() {
    let running = run(plaintext()).await;
    let question = MessageRequest::ListServices(String::new());
    let MessageResponse::ListServicesResponse(list) = reflect(running.channel(), question).await
    else {
        panic!("services");
    };
    let names: Vec<_> = list
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    for name in [
        "grpc.health.v1.Health",
        "vsphere.driver.v1.Driver",
        "vsphere.driver.v1.Isos",
        "vsphere.driver.v1.VCenters",
        "vsphere.driver.v1.VirtualMachines",
    ] {
        assert!(names.iter().any(|n| n == name), "{name} in {names:?}");
    }
    let question = MessageRequest::FileContainingSymbol("google.rpc.ErrorInfo".into());
    let answer = reflect(running.channel(), question).await;
    assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)));
    running.stopped().await;
}
