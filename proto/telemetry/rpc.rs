//! Counts calls of the contract, on either side: a layer that sees how each of them ends.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use prost::{DecodeError, Message as _};
use prost_types::FileDescriptorSet;
use std::{
    collections::HashMap,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

/// Upper bounds in seconds: from a reply out of memory to one that waited for its machines.
const SECONDS: [f64; 13] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0,
];

/// How calls ended; clones share the counts.
#[derive(Clone, Debug)]
pub struct RpcMetrics {
    methods: Arc<HashMap<String, Kind>>,
    ended: Family<Ended, Counter>,
    seconds: Family<Method, Histogram, fn() -> Histogram>,
    in_flight: Family<Method, Gauge>,
}

/// A method as it is counted.
#[derive(Clone, Debug)]
struct Kind {
    method: Method,
    /// It lasts for as long as somebody listens: how long says nothing.
    lasts: bool,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Method {
    service: String,
    method: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Ended {
    service: String,
    method: String,
    code: &'static str,
}

/// Puts the counts around a service, of a server or of a client.
#[derive(Clone, Debug)]
pub struct RpcLayer(pub RpcMetrics);

/// A service whose calls are counted.
#[derive(Clone, Debug)]
pub struct Counted<S> {
    metrics: RpcMetrics,
    inner: S,
}

/// A call under way. Dropped before its end, it was given up.
#[derive(Debug)]
struct Call {
    metrics: RpcMetrics,
    kind: Kind,
    since: Instant,
    code: Code,
}

/// A reply whose trailers tell how the call ended.
#[derive(Debug)]
struct Reply {
    inner: Body,
    call: Call,
}

// === impl RpcMetrics ===

impl RpcMetrics {
    /// Counts the methods of these services, each an encoded `FileDescriptorSet`; whatever else is
    /// called is one more.
    ///
    /// # Errors
    /// One of them is none.
    pub fn of(services: &[&[u8]]) -> Result<Self, DecodeError> {
        let mut methods = HashMap::new();
        for descriptors in services {
            methods.extend(kinds(&FileDescriptorSet::decode(*descriptors)?));
        }
        Ok(Self {
            methods: Arc::new(methods),
            ended: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            in_flight: Family::default(),
        })
    }

    /// Puts the metrics into `registry`.
    pub fn register(&self, registry: &mut Registry) {
        let help =
            "Calls that ended, by gRPC code; CANCELLED are also those that nobody waited for";
        registry.register("rpc_calls", help, self.ended.clone());
        let help = "How long calls took, but for streams";
        let seconds = self.seconds.clone();
        registry.register_with_unit("rpc_duration", help, Unit::Seconds, seconds);
        let help = "Calls and streams under way";
        registry.register("rpc_in_flight", help, self.in_flight.clone());
    }

    fn begin(&self, path: &str) -> Call {
        let other = || Kind {
            method: method("other", "other"),
            lasts: false,
        };
        let kind = self.methods.get(path).cloned().unwrap_or_else(other);
        self.in_flight.get_or_create(&kind.method).inc();
        Call {
            metrics: self.clone(),
            kind,
            since: Instant::now(),
            code: Code::Cancelled,
        }
    }
}

fn method(service: &str, method: &str) -> Method {
    Method {
        service: service.to_owned(),
        method: method.to_owned(),
    }
}

fn kinds(descriptors: &FileDescriptorSet) -> impl Iterator<Item = (String, Kind)> {
    descriptors.file.iter().flat_map(|file| {
        file.service.iter().flat_map(move |service| {
            let service_name = format!("{}.{}", file.package(), service.name());
            service.method.iter().map(move |call| {
                let kind = Kind {
                    method: method(&service_name, call.name()),
                    lasts: call.client_streaming() || call.server_streaming(),
                };
                (format!("/{service_name}/{}", call.name()), kind)
            })
        })
    })
}

/// The name of a code, as the gRPC specification writes it.
fn word(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

// === impl Call ===

impl Call {
    /// Notes the code, if it is among these headers or trailers.
    fn see(&mut self, headers: &HeaderMap) {
        if let Some(status) = Status::from_header_map(headers) {
            self.end(status.code());
        }
    }

    fn end(&mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let Self {
            metrics,
            kind: Kind { method, lasts },
            since,
            code,
        } = self;
        metrics.in_flight.get_or_create(method).dec();
        if !*lasts {
            let seconds = since.elapsed().as_secs_f64();
            metrics.seconds.get_or_create(method).observe(seconds);
        }
        let Method { service, method } = mem::replace(method, self::method("", ""));
        let ended = Ended {
            service,
            method,
            code: word(*code),
        };
        metrics.ended.get_or_create(&ended).inc();
    }
}

// === impl RpcLayer ===

impl<S> Layer<S> for RpcLayer {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        let metrics = self.0.clone();
        Counted { metrics, inner }
    }
}

// === impl Counted ===

impl<S, B, R> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut call = self.metrics.begin(request.uri().path());
        let reply = self.inner.call(request);
        Box::pin(async move {
            match reply.await {
                Ok(reply) => {
                    call.see(reply.headers());
                    let inner = |body| Reply {
                        inner: Body::new(body),
                        call,
                    };
                    Ok(reply.map(|body| Body::new(inner(body))))
                }
                Err(error) => {
                    let status = Status::from_error(error.into());
                    call.end(status.code());
                    Err(status.into())
                }
            }
        })
    }
}

// === impl Reply ===

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.call.see(trailers);
                }
            }
            Poll::Ready(Some(Err(status))) => self.call.end(status.code()),
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests;
