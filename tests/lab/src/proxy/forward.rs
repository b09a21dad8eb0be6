//! Passes the calls of one connection on, or breaks them.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use super::faults::Action;
use super::soap;
use super::state::State;

/// Why a connection ends: that is all that a client sees of any error here.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error("cut {0}, as the lab was asked")]
    Asked(&'static str),
    #[error("speaking HTTP")]
    Http(#[from] hyper::Error),
    #[error("connecting to vCenter")]
    Connect(#[from] std::io::Error),
    #[error("answering with a status that does not exist")]
    Status(#[from] http::status::InvalidStatusCode),
}

pub(super) type Body = UnsyncBoxBody<Bytes, Cut>;

/// vCenter.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    pub(super) tls: TlsConnector,
}

impl Upstream {
    async fn connect(&self) -> Result<SendRequest<Body>, Cut> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(self.address.ip());
        let stream = self.tls.connect(name, stream).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// The calls of one connection.
pub(super) struct Forwarder {
    upstream: Arc<Upstream>,
    state: Arc<State>,
    connection: Mutex<Option<SendRequest<Body>>>,
}

impl Forwarder {
    pub(super) fn new(upstream: Arc<Upstream>, state: Arc<State>) -> Self {
        Self {
            upstream,
            state,
            connection: Mutex::new(None),
        }
    }

    /// Handles one call.
    pub(super) async fn call(&self, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let (method, request) = named(request).await?;
        let length = request.body().size_hint().exact().unwrap_or_default();
        self.state.count(&method, |count| {
            count.calls += 1;
            count.request_bytes += length;
        });
        self.state.until_released(&method).await;
        tokio::time::sleep(self.state.delay()).await;
        match self.state.decide(&method) {
            None => self.pass(&method, request).await,
            Some(Action::Delay { milliseconds }) => {
                tokio::time::sleep(std::time::Duration::from_millis(milliseconds)).await;
                self.pass(&method, request).await
            }
            Some(Action::DropBefore) => Err(Cut::Asked("before vCenter saw the call")),
            Some(Action::DropAfter) => {
                self.pass(&method, request)
                    .await?
                    .into_body()
                    .collect()
                    .await?;
                Err(Cut::Asked("after vCenter did the call"))
            }
            Some(Action::Truncate) => truncated(self.pass(&method, request).await?).await,
            Some(Action::Status { code }) => Ok(answer(StatusCode::from_u16(code)?, String::new())),
            Some(Action::Reply { fault, detail }) => Ok(answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                soap::fault(&fault, &detail),
            )),
        }
    }

    async fn pass(&self, method: &str, request: Request<Body>) -> Result<Response<Body>, Cut> {
        let mut connection = self.connection.lock().await;
        let mut sender = match connection.take() {
            Some(sender) => self.still_open(sender).await?,
            None => self.upstream.connect().await?,
        };
        let response = sender.send_request(request).await?;
        *connection = Some(sender);
        drop(connection);
        self.state.count(method, |count| count.answers += 1);
        let (mut parts, body) = response.into_parts();
        parts.headers.remove(CONNECTION);
        Ok(Response::from_parts(parts, self.counted(method, body)))
    }

    /// The connection, or another one: vCenter may have closed it while nobody called.
    async fn still_open(&self, mut sender: SendRequest<Body>) -> Result<SendRequest<Body>, Cut> {
        match sender.ready().await {
            Ok(()) => Ok(sender),
            Err(_) => self.upstream.connect().await,
        }
    }

    /// A body that counts its bytes while they pass.
    fn counted(&self, method: &str, body: Incoming) -> Body {
        let (state, method) = (Arc::clone(&self.state), method.to_owned());
        let counted = body.map_err(Cut::Http).map_frame(move |frame| {
            let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
            state.count(&method, |count| count.response_bytes += bytes);
            frame
        });
        counted.boxed_unsync()
    }
}

/// The method that a request calls. SOAP requests are read for it; files pass as they come.
async fn named(request: Request<Incoming>) -> Result<(String, Request<Body>), Cut> {
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(CONNECTION);
    let kind = parts
        .headers
        .get(CONTENT_TYPE)
        .map(http::HeaderValue::as_bytes);
    if !kind.is_some_and(|kind| kind.starts_with(b"text/xml")) {
        let name = format!("HTTP {}", parts.method);
        return Ok((
            name,
            Request::from_parts(parts, body.map_err(Cut::Http).boxed_unsync()),
        ));
    }
    let bytes = body.collect().await?.to_bytes();
    let name = soap::method(&bytes).unwrap_or_else(|| "unknown".to_owned());
    Ok((name, Request::from_parts(parts, full(bytes))))
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
