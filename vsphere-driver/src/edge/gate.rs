//! The gate before all services: refuses strangers, calls too many, and everybody once the driver
//! stops; ends streams when it begins to stop, and calls when its grace is over.
//!
//! What it refuses, it refuses with a reason of the contract, before a byte of the request is read.

use super::{
    caller::new_operation_id,
    calls::{Calls, Ticket},
    client::Clients,
    explain,
    methods::{Kind, Methods},
};
use crate::shutdown::Stop;
use contract::telemetry::traces;
use contract::v1::{Fault, Reason};
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use std::{
    any::Any,
    mem,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{
    Status,
    body::Body,
    transport::server::{TcpConnectInfo, TlsConnectInfo},
};
use tower::{Layer, Service};
use tracing::Instrument as _;

/// What the gate decides by.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Who may call.
    pub(crate) clients: Clients,
    /// What is under way.
    pub(crate) calls: Calls,
    /// Which calls last.
    pub(crate) methods: Methods,
    /// Whether the driver stops.
    pub(crate) stop: Stop,
}

/// Puts the gate before a service.
#[derive(Clone, Debug)]
pub(crate) struct GateLayer(pub(crate) Arc<Gate>);

/// A service behind the gate.
#[derive(Clone, Debug)]
pub(crate) struct Gated<S> {
    gate: Arc<Gate>,
    inner: S,
}

/// A call that was let in.
#[derive(Debug)]
struct Pass {
    _ticket: Option<Ticket>,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// A reply that holds its place until it has ended.
#[derive(Debug)]
struct Reply {
    inner: Body,
    /// Absent: the reply was cut off.
    pass: Option<Pass>,
}

fn refused(fault: Fault) -> Response<Body> {
    fault.into_status("").into_http()
}

/// Strangers are for people to know about; the rest is between the driver and its clients.
fn note(fault: &Fault) {
    if fault.reason() == Reason::ClientNotAllowed {
        tracing::warn!(%fault, "Refused a stranger");
    } else {
        tracing::debug!(%fault, "Refused");
    }
}

fn stopping() -> Fault {
    Fault::new(Reason::DriverStopping, "the driver is stopping")
}

/// The trailers of a reply that is cut off.
fn last_words() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    // Fails only for a header that cannot be written, and then the reply ends without a status, which
    // every client takes for an error as well.
    let _ = stopping().into_status("").add_header(&mut trailers);
    trailers
}

/// The reply to a call whose handler panicked.
fn defect(panic: &(dyn Any + Send)) -> Response<Body> {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    let operation_id = new_operation_id();
    tracing::error!(operation_id, panic = text, "Call panicked");
    let fault = Fault::new(Reason::Internal, "the driver has a defect");
    fault.into_status(&operation_id).into_http()
}

/// The same reply, with a reason of the contract if the transport made it without one.
fn explained(reply: Response<Body>, path: &str) -> Response<Body> {
    match Status::from_header_map(reply.headers()).and_then(|s| explain::fault(&s, path)) {
        Some(fault) => refused(fault),
        None => reply,
    }
}

// === impl Gate ===

impl Gate {
    /// Lets a call in, as the client that it comes from.
    fn admit(&self, request: &mut Request<Body>) -> Result<Pass, Fault> {
        let kind = self.methods.kind(request.uri().path());
        let ticket = match kind {
            Kind::Probe | Kind::ProbeStream => None,
            Kind::Unary | Kind::Stream => Some(self.place(kind, request)?),
        };
        let end = match kind {
            Kind::ProbeStream | Kind::Stream => &self.stop.begin,
            Kind::Probe | Kind::Unary => &self.stop.at_once,
        };
        let end = Box::pin(end.clone().cancelled_owned());
        Ok(Pass {
            _ticket: ticket,
            end,
        })
    }

    fn place(&self, kind: Kind, request: &mut Request<Body>) -> Result<Ticket, Fault> {
        if self.stop.begin.is_cancelled() {
            return Err(stopping());
        }
        let certificates = request
            .extensions()
            .get::<TlsConnectInfo<TcpConnectInfo>>()
            .and_then(TlsConnectInfo::peer_certs);
        let leaf = certificates.as_ref().and_then(|chain| chain.first());
        let client = self.clients.identify(leaf)?;
        let ticket = if kind == Kind::Stream {
            self.calls.begin_stream(client.name())
        } else {
            self.calls.begin()
        }?;
        tracing::Span::current().record("client", client.name());
        request.extensions_mut().insert(client);
        Ok(ticket)
    }
}

// === impl GateLayer ===

impl<S> Layer<S> for GateLayer {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        let gate = self.0.clone();
        Gated { gate, inner }
    }
}

// === impl Gated ===

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        let span = tracing::info_span!(
            "call",
            path,
            client = tracing::field::Empty,
            operation_id = tracing::field::Empty,
            otel.name = path.trim_start_matches('/'),
            otel.kind = "server",
        );
        traces::continue_from(&span, request.headers());
        let pass = match span.in_scope(|| self.gate.admit(&mut request)) {
            Ok(pass) => pass,
            Err(fault) => {
                span.in_scope(|| note(&fault));
                return Box::pin(async { Ok(refused(fault)) });
            }
        };
        // The clone takes the place of the one that was polled ready, not the other way round.
        let clone = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, clone);
        let answer = async move { answer(ready.call(request), pass, &path).await };
        Box::pin(answer.instrument(span))
    }
}

async fn answer<E>(
    call: impl Future<Output = Result<Response<Body>, E>> + Send,
    mut pass: Pass,
    path: &str,
) -> Result<Response<Body>, E> {
    let reply = tokio::select! {
        // A reply that is there is not thrown away.
        biased;
        reply = AssertUnwindSafe(call).catch_unwind() => match reply {
            Ok(reply) => explained(reply?, path),
            Err(panic) => return Ok(defect(&*panic)),
        },
        () = &mut pass.end => return Ok(refused(stopping())),
    };
    let pass = Some(pass);
    Ok(reply.map(|inner| Body::new(Reply { inner, pass })))
}

// === impl Reply ===

impl http_body::Body for Reply {
    type Data = <Body as http_body::Body>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        let Self { inner, pass } = &mut *self;
        let Some(Pass { end, .. }) = pass else {
            return Poll::Ready(None);
        };
        // What is there is sent first: the last news of a health watch is that the driver stops.
        if let Poll::Ready(frame) = Pin::new(&mut *inner).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        ready!(end.as_mut().poll(cx));
        *pass = None;
        *inner = Body::empty();
        Poll::Ready(Some(Ok(Frame::trailers(last_words()))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}
