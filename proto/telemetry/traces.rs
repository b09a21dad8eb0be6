//! Traces by OTLP: one from a reconciliation through the rpc to the call of vCenter.
//!
//! Nothing of it runs unless an endpoint is given. Spans wait in a bounded queue for a thread of their
//! own: a collector that is slow or gone costs spans, never work.

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use opentelemetry::{
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::TracerProvider as _,
};
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter, WithExportConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tonic::{Code, Status, transport::ClientTlsConfig};
use tower::Service;
use tracing::{Instrument as _, Metadata, Span, level_filters::LevelFilter};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::{Layer, Registry, filter::filter_fn};

/// How long the last spans may take at the end of the program.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Crates whose spans are told; those of the libraries below are their own affair.
const CRATES: [&str; 3] = ["contract", "controller", "vsphere_driver"];

/// Spans that last as long as the program: what happens in them begins traces of its own.
const LASTING: [&str; 1] = ["link"];

/// Where spans go: nowhere, unless an endpoint was given.
#[derive(Debug, Default)]
pub struct Traces(Option<SdkTracerProvider>);

/// A client's side of a service whose calls carry their trace along.
#[derive(Clone, Debug)]
pub struct Traced<S>(pub S);

/// Headers as the propagator writes them.
struct Written<'a>(&'a mut HeaderMap);

/// Headers as the propagator reads them.
struct Read<'a>(&'a HeaderMap);

// === impl Traces ===

impl Traces {
    /// Sends the spans of this service to `endpoint`, in the background. The variables of
    /// OpenTelemetry's exporter (headers, timeout, sampler) hold. Needs a runtime, which outlives it.
    ///
    /// # Errors
    /// The endpoint is none. That nobody answers there is no error.
    pub fn to(service: &'static str, endpoint: Option<&str>) -> Result<Self, ExporterBuildError> {
        let Some(endpoint) = endpoint else {
            return Ok(Self(None));
        };
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint);
        let exporter = if endpoint.starts_with("https:") {
            exporter.with_tls_config(ClientTlsConfig::new().with_native_roots())
        } else {
            exporter
        };
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter.build()?)
            .with_resource(Resource::builder().with_service_name(service).build())
            .build();
        Ok(Self(Some(provider)))
    }

    /// What takes the spans of the process in; nothing where they go nowhere.
    pub(super) fn layer(&self) -> Option<impl Layer<Registry> + use<>> {
        let Self(provider) = self;
        let tracer = provider.as_ref()?.tracer("hcp-vsphere");
        let layer = OpenTelemetryLayer::new(tracer)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        let told = filter_fn(is_told).with_max_level_hint(LevelFilter::DEBUG);
        Some(layer.with_filter(told))
    }

    /// Sends what is left, for as long as that takes a moment.
    pub async fn end(self) {
        let Self(Some(provider)) = self else { return };
        let end = move || provider.shutdown_with_timeout(LAST_SPANS);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(end).await {
            tracing::warn!(%error, "The last spans were not sent");
        }
    }
}

fn is_told(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target().split("::").next().unwrap_or_default();
    CRATES.contains(&target) && !LASTING.contains(&metadata.name())
}

/// Makes a span that was just begun part of the trace that a request brings along.
pub fn continue_from(span: &Span, headers: &HeaderMap) {
    let context = TraceContextPropagator::new().extract(&Read(headers));
    // Without an endpoint there is nothing to put it into.
    let _ = span.set_parent(context);
}

/// Makes a span part of the present trace that may end after the present span: that one does not wait
/// for it. To be given a span with `parent: None`.
pub fn beside(span: Span) -> Span {
    // Without an endpoint there is nothing to put it into.
    let _ = span.set_parent(Span::current().context());
    span
}

// === impl Traced ===

impl<S, B, R> Service<Request<B>> for Traced<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let method = request.uri().path().trim_start_matches('/');
        let span = tracing::debug_span!(
            "rpc",
            otel.name = method,
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
        );
        let mut headers = Written(request.headers_mut());
        TraceContextPropagator::new().inject_context(&span.context(), &mut headers);
        let reply = self.0.call(request);
        let call = async move {
            let reply = reply.await;
            // A call that goes well tells so at the end of its reply; one that is refused, here.
            let headers = reply.as_ref().ok().map(Response::headers);
            let status = headers.and_then(Status::from_header_map);
            if reply.is_err() || status.is_some_and(|status| status.code() != Code::Ok) {
                Span::current().record("otel.status_code", "ERROR");
            }
            reply
        };
        Box::pin(call.instrument(span))
    }
}

// === impl Written ===

impl Injector for Written<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (key.parse::<HeaderName>(), HeaderValue::try_from(value)) {
            self.0.insert(key, value);
        }
    }
}

// === impl Read ===

impl Extractor for Read<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
