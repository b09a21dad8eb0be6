//! One trace leads from a reconciliation through the rpc to the call of vCenter.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use lab::Lab;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tonic::transport::{Server, server::TcpIncoming};
use tonic::{Request, Response, Status};

use crate::hub::Hub;
use crate::requests::{ENSURE, machines};
use crate::zone::{Zone, soon, states};

/// A collector as OpenTelemetry's, that keeps what it is sent.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Told>>>,
    more: Arc<Notify>,
}

/// A span and the service that told it.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    service: String,
    span: Span,
}

// === impl Collector ===

impl Collector {
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = TcpListener::bind(any).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = TraceServiceServer::new(collector.clone());
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        (collector, format!("http://{address}"))
    }

    /// The first path from a span of this name up to its root that ends in a span of that name.
    async fn path(&self, from: &str, to: &str) -> Vec<Told> {
        loop {
            let more = self.more.notified();
            let spans = self.spans.lock().unwrap().clone();
            let paths = spans.iter().filter(|told| told.span.name == from);
            let mut paths = paths.map(|told| path(&spans, told));
            if let Some(path) = paths.find(|path| path.last().is_some_and(|it| it.span.name == to))
            {
                return path;
            }
            more.await;
        }
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.unwrap_or_default().attributes;
            let service = attribute(&attributes, "service.name").unwrap_or_default();
            let spans = resource
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans);
            let told = spans.map(|span| Told {
                service: service.clone(),
                span,
            });
            self.spans.lock().unwrap().extend(told);
        }
        self.more.notify_waiters();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

// === impl Told ===

impl Told {
    fn is(&self) -> (&str, SpanKind, &str) {
        (&self.service, self.span.kind(), &self.span.name)
    }

    fn operation_id(&self) -> String {
        attribute(&self.span.attributes, "operation_id").unwrap_or_default()
    }
}

/// A span, its parent, and so on up to the root.
fn path(spans: &[Told], from: &Told) -> Vec<Told> {
    let parent = |told: &&Told| {
        let id = &told.span.parent_span_id;
        spans.iter().find(|other| other.span.span_id == *id)
    };
    std::iter::successors(Some(from), parent).cloned().collect()
}

fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

#[tokio::test]
async fn a_create_is_traced_from_the_reconciliation_to_the_call_of_vcenter() {
    let (collector, endpoint) = Collector::start().await;
    let flag = ["--otlp-endpoint", endpoint.as_str()];
    let hub = Hub::of(
        Lab::builder()
            .controller_arguments(flag)
            .driver_arguments(flag),
    )
    .await;
    hub.lab.prepare().await.unwrap();
    hub.apply(1).await;
    hub.ready(1).await;
    let path = soon("the trace", collector.path("CreateVM_Task", "reconcile")).await;

    let ensure = "vsphere.driver.v1.VirtualMachines/EnsureVirtualMachines";
    let (driver, controller) = ("vsphere-driver", "hcp-vsphere-controller");
    let spans: Vec<_> = path.iter().map(Told::is).collect();
    assert_eq!(
        spans,
        [
            (driver, SpanKind::Client, "CreateVM_Task"),
            (driver, SpanKind::Internal, "VERB_CREATE"),
            (driver, SpanKind::Server, ensure),
            (controller, SpanKind::Client, ensure),
            (controller, SpanKind::Internal, "reconcile"),
        ]
    );
    let trace = &path[0].span.trace_id;
    assert!(path.iter().all(|told| told.span.trace_id == *trace));
    let (soap, rpc) = (path[0].operation_id(), path[2].operation_id());
    assert!(!rpc.is_empty() && soap.starts_with(&rpc), "{soap} {rpc}");
}

#[tokio::test]
async fn a_collector_that_is_not_there_holds_nothing_up() {
    // A port that nobody listens at: its listener is gone.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let flag = ["--otlp-endpoint", endpoint.as_str()];
    let mut zone = Zone::of(Lab::builder().driver_arguments(flag)).await;
    let made = zone.call(ENSURE, &machines("demo", [1])).await;
    assert_eq!(states(&made), ["RUNNING"]);
    soon("the end", zone.lab.stop_driver()).await.unwrap();
}
