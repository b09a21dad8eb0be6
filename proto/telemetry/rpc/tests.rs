use super::*;
use http_body_util::{BodyExt as _, Full};
use prometheus_client::encoding::text::encode;
use std::convert::Infallible;
use tower::{ServiceExt as _, service_fn};

const LIST: &str = "/vsphere.driver.v1.VCenters/ListVCenters";
const WATCH: &str = "/vsphere.driver.v1.VirtualMachines/WatchVirtualMachines";

fn metrics() -> RpcMetrics {
    RpcMetrics::of(&[crate::DESCRIPTORS]).unwrap()
}

fn text(metrics: &RpcMetrics) -> String {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

fn request(path: &str) -> Request<Body> {
    Request::builder().uri(path).body(Body::empty()).unwrap()
}

/// A reply of one message, then these trailers.
fn reply(status: &str) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    let message = Full::new(Bytes::from_static(b"message"));
    let body = message.with_trailers(std::future::ready(Some(Ok(trailers))));
    Response::new(Body::new(body))
}

#[tokio::test]
async fn a_call_is_counted_with_the_code_of_its_trailers() {
    let metrics = metrics();
    let service = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(reply("5")));
    let service = RpcLayer(metrics.clone()).layer(service);
    let reply = service.oneshot(request(LIST)).await.unwrap();
    let method = r#"service="vsphere.driver.v1.VCenters",method="ListVCenters""#;
    assert!(text(&metrics).contains(&format!("rpc_in_flight{{{method}}} 1\n")));
    reply.into_body().collect().await.unwrap();
    let text = text(&metrics);
    for line in [
        format!("rpc_in_flight{{{method}}} 0\n"),
        format!("rpc_calls_total{{{method},code=\"NOT_FOUND\"}} 1\n"),
        format!("rpc_duration_seconds_count{{{method}}} 1\n"),
    ] {
        assert!(text.contains(&line), "{line} not in\n{text}");
    }
}

#[tokio::test]
async fn what_is_refused_before_a_message_is_counted_by_its_headers() {
    let metrics = metrics();
    let refuse = async |_: Request<Body>| {
        Ok::<_, Infallible>(Status::unauthenticated("who?").into_http::<Body>())
    };
    let service = RpcLayer(metrics.clone()).layer(service_fn(refuse));
    drop(service.oneshot(request("/no.such/Call")).await.unwrap());
    let line = r#"{service="other",method="other",code="UNAUTHENTICATED"} 1"#;
    assert!(text(&metrics).contains(line), "{}", text(&metrics));
}

#[tokio::test]
async fn a_stream_that_is_left_is_cancelled_and_has_no_latency() {
    let metrics = metrics();
    let service = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(reply("0")));
    let service = RpcLayer(metrics.clone()).layer(service);
    drop(service.oneshot(request(WATCH)).await.unwrap());
    let text = text(&metrics);
    assert!(text.contains(r#"code="CANCELLED"} 1"#), "{text}");
    assert!(!text.contains("rpc_duration_seconds_count"), "{text}");
}

#[tokio::test]
async fn a_call_that_reaches_nobody_is_unavailable() {
    let metrics = metrics();
    let service = service_fn(async |_: Request<Body>| {
        Err::<Response<Body>, _>(Status::unavailable("nobody there"))
    });
    let service = RpcLayer(metrics.clone()).layer(service);
    let error = service.oneshot(request(LIST)).await.unwrap_err();
    assert_eq!(Status::from_error(error).code(), Code::Unavailable);
    let text = text(&metrics);
    assert!(text.contains(r#"code="UNAVAILABLE"} 1"#), "{text}");
}
