//! Passes SOAP calls on, or breaks them: the proxy between the driver and vCenter.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, oneshot};
use tokio_rustls::server::TlsStream;

use super::faults::Action;
use super::listen::Speaker;
use super::state::State;
use super::trap::Moment;
use super::under_way::Thing;
use super::upstream::Upstream;
use super::{hostile, journal, soap};

/// The method by which a client only waits.
const WAITS: &str = "WaitForUpdatesEx";

/// Why a connection ends: that is all that a client sees of any error here.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error("cut {0}, as the lab was asked")]
    Asked(&'static str),
    #[error("cut where a trap was set")]
    Trapped,
    #[error("speaking HTTP")]
    Http(#[from] hyper::Error),
    #[error("connecting")]
    Connect(#[from] std::io::Error),
    #[error("passing a call on")]
    Pass(#[from] oneshot::error::RecvError),
    #[error("answering with a status that does not exist")]
    Status(#[from] http::status::InvalidStatusCode),
}

pub(super) type Body = UnsyncBoxBody<Bytes, Cut>;

/// Speaks SOAP with the driver.
#[derive(Clone)]
pub(super) struct Soap(pub(super) Arc<Upstream>);

impl Speaker for Soap {
    async fn serve(self, stream: TlsStream<TcpStream>, state: Arc<State>) {
        let forwarder = Arc::new(Forwarder {
            upstream: self.0,
            state,
            connection: Mutex::new(None),
        });
        let service = service_fn(move |request| {
            let forwarder = Arc::clone(&forwarder);
            async move { forwarder.call(request).await }
        });
        // An error here is a connection that was cut: by the client, or because it was asked for.
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }
}

/// The calls of one connection.
struct Forwarder {
    upstream: Arc<Upstream>,
    state: Arc<State>,
    connection: Mutex<Option<SendRequest<Body>>>,
}

impl Forwarder {
    /// Handles one call.
    async fn call(self: &Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let Call {
            method,
            objects,
            request,
        } = read(request).await?;
        let length = request.body().size_hint().exact().unwrap_or_default();
        let trapped = self.state.arrived(&method, length, || objects);
        if trapped == Some(Moment::Before) {
            return Err(Cut::Trapped);
        }
        self.state.until_released(&method).await;
        tokio::time::sleep(self.state.delay()).await;
        let answer = self.played(&method, request).await;
        if trapped == Some(Moment::After) {
            if answer.is_ok() {
                self.state.lose(&method);
            }
            self.state.spring(&method);
            return Err(Cut::Trapped);
        }
        answer
    }

    /// Passes it on, or does to it what a fault says.
    async fn played(
        self: &Arc<Self>,
        method: &str,
        request: Request<Body>,
    ) -> Result<Response<Body>, Cut> {
        match self.state.decide(method) {
            None => self.pass(method, request).await,
            Some(Action::Delay { milliseconds }) => {
                tokio::time::sleep(std::time::Duration::from_millis(milliseconds)).await;
                self.pass(method, request).await
            }
            Some(Action::DropBefore) => Err(Cut::Asked("before vCenter saw the call")),
            Some(Action::DropAfter) => {
                self.pass(method, request)
                    .await?
                    .into_body()
                    .collect()
                    .await?;
                self.state.lose(method);
                Err(Cut::Asked("after vCenter did the call"))
            }
            Some(Action::Truncate) => {
                let half = truncated(self.pass(method, request).await?).await?;
                self.state.lose(method);
                Ok(half)
            }
            Some(Action::Status { code }) => Ok(answer(StatusCode::from_u16(code)?, String::new())),
            Some(Action::Reply { fault, detail }) => Ok(answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                soap::fault(&fault, &detail),
            )),
            Some(Action::Hostile { with }) => Ok(hostile::reply(with)),
        }
    }

    async fn pass(
        self: &Arc<Self>,
        method: &str,
        request: Request<Body>,
    ) -> Result<Response<Body>, Cut> {
        let call = Thing::Call(method.to_owned());
        let under_way = self.state.under_way.begin(call);
        let exchange = Arc::clone(self).exchange(request);
        let response = if method == WAITS {
            let _under_way = under_way;
            exchange.await?
        } else {
            // What was passed on is done, also where the client is gone meanwhile.
            let (tell, told) = oneshot::channel();
            let (state, method) = (Arc::clone(&self.state), method.to_owned());
            tokio::spawn(async move {
                if let Err(Ok(_)) = tell.send(exchange.await) {
                    state.lose(&method);
                }
                drop(under_way);
            });
            told.await??
        };
        self.state.count(method, |count| count.answers += 1);
        let (mut parts, body) = response.into_parts();
        parts.headers.remove(CONNECTION);
        let body = counted(Arc::clone(&self.state), method, body);
        Ok(Response::from_parts(parts, body))
    }

    async fn exchange(self: Arc<Self>, request: Request<Body>) -> Result<Response<Incoming>, Cut> {
        let mut connection = self.connection.lock().await;
        let mut sender = match connection.take() {
            Some(sender) => self.still_open(sender).await?,
            None => self.connect().await?,
        };
        let response = sender.send_request(request).await?;
        *connection = Some(sender);
        Ok(response)
    }

    /// The connection, or another one: vCenter may have closed it while nobody called.
    async fn still_open(&self, mut sender: SendRequest<Body>) -> Result<SendRequest<Body>, Cut> {
        match sender.ready().await {
            Ok(()) => Ok(sender),
            Err(_) => self.connect().await,
        }
    }

    async fn connect(&self) -> Result<SendRequest<Body>, Cut> {
        let (sender, connection) = handshake(TokioIo::new(self.upstream.open().await?)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// A call of a client.
struct Call {
    method: String,
    /// The machines that it names, if it changes something.
    objects: Vec<String>,
    request: Request<Body>,
}

/// A body that counts its bytes while they pass.
pub(super) fn counted(state: Arc<State>, method: &str, body: Incoming) -> Body {
    let method = method.to_owned();
    let counted = body.map_err(Cut::Http).map_frame(move |frame| {
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        state.count(&method, |count| count.response_bytes += bytes);
        frame
    });
    counted.boxed_unsync()
}

/// Reads what a request calls. SOAP requests are read for it; files pass as they come.
async fn read(request: Request<Incoming>) -> Result<Call, Cut> {
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(CONNECTION);
    let kind = parts
        .headers
        .get(CONTENT_TYPE)
        .map(http::HeaderValue::as_bytes);
    if !kind.is_some_and(|kind| kind.starts_with(b"text/xml")) {
        return Ok(Call {
            method: format!("HTTP {}", parts.method),
            objects: vec![parts.uri.path().to_owned()],
            request: Request::from_parts(parts, body.map_err(Cut::Http).boxed_unsync()),
        });
    }
    let bytes = body.collect().await?.to_bytes();
    let method = soap::method(&bytes).unwrap_or_else(|| "unknown".to_owned());
    let objects = if journal::changes(&method) {
        soap::objects(&bytes)
    } else {
        Vec::new()
    };
    Ok(Call {
        method,
        objects,
        request: Request::from_parts(parts, full(bytes)),
    })
}

/// The first half of an answer, and an end that comes too early.
async fn truncated(response: Response<Body>) -> Result<Response<Body>, Cut> {
    let (mut parts, body) = response.into_parts();
    let bytes = body.collect().await?.to_bytes();
    parts.headers.insert(CONTENT_LENGTH, bytes.len().into());
    let half = Ok(Frame::data(bytes.slice(..bytes.len() / 2)));
    let end = Err(Cut::Asked("in the middle of the answer"));
    let frames = futures::stream::iter([half, end]);
    Ok(Response::from_parts(
        parts,
        StreamBody::new(frames).boxed_unsync(),
    ))
}

fn answer(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(full(text.into()));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static("text/xml; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}
