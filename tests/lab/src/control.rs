//! A small HTTP service with JSON, on a loopback port: how one process of the lab steers another.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::error::{Error, Result};

/// A request to steer something.
#[derive(Debug)]
pub struct Order {
    /// Its HTTP method.
    pub method: Method,
    /// Its path.
    pub path: String,
    /// Its body.
    pub body: Bytes,
}

/// What answers orders.
pub type Handler = dyn Fn(Order) -> BoxFuture<'static, Result<Value>> + Send + Sync;

/// Serves orders until the runtime ends.
pub async fn serve(address: SocketAddr, handler: Arc<Handler>) -> Result<SocketAddr> {
    let (listener, address) = bind(address).await?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let handler = Arc::clone(&handler);
            let service = service_fn(move |request| answer(Arc::clone(&handler), request));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    Ok(address)
}

async fn answer(
    handler: Arc<Handler>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let order = Order {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        body,
    };
    let (status, answer) = match handler(order).await {
        Ok(answer) => (StatusCode::OK, answer),
        Err(error) => (StatusCode::BAD_REQUEST, json!({"error": error.to_string()})),
    };
    let mut response = Response::new(Full::new(format!("{answer}\n").into()));
    *response.status_mut() = status;
    Ok(response)
}

/// Sends an order, and returns what is answered.
pub async fn ask(address: SocketAddr, method: Method, path: &str, body: &Value) -> Result<Value> {
    let text = send(address, method, path, body.to_string()).await?;
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).map_err(|error| io(address, error.into()))
}

/// Reads the text that is served under a path.
pub async fn get(address: SocketAddr, path: &str) -> Result<String> {
    send(address, Method::GET, path, String::new()).await
}

async fn send(address: SocketAddr, method: Method, path: &str, body: String) -> Result<String> {
    let http = |error: hyper::Error| io(address, std::io::Error::other(error));
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|error| io(address, error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(http)?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::HOST, "localhost")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| io(address, std::io::Error::other(error)))?;
    let response = sender.send_request(request).await.map_err(http)?;
    let accepted = response.status().is_success();
    let said = response.into_body().collect().await.map_err(http)?;
    let text = String::from_utf8_lossy(&said.to_bytes()).trim().to_owned();
    if accepted {
        return Ok(text);
    }
    Err(Error::Refused(format!("{address} refused: {text}")))
}

fn io(address: SocketAddr, source: std::io::Error) -> Error {
    Error::Io {
        doing: format!("asking {address}"),
        source,
    }
}

/// Binds a listener, and says where it is.
pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let error = |source| Error::Io {
        doing: format!("listening on {address}"),
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(error)?;
    let bound = listener.local_addr().map_err(error)?;
    Ok((listener, bound))
}

/// An order that could not be read.
pub(crate) fn unreadable(error: &serde_json::Error) -> Error {
    Error::Refused(format!("the order cannot be read: {error}"))
}
