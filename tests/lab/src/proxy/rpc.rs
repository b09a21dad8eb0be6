//! Passes rpcs on, or breaks them: the proxy between the controller and the driver.
//!
//! A connection of the client has one of its own to the driver, and the two end together. The
//! driver sees the certificate that the proxy was given to show, the controller's.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::server::TlsStream;

use super::faults::Action;
use super::forward::{Body, Cut, counted};
use super::hostile;
use super::listen::Speaker;
use super::state::State;
use super::trap::Moment;
use super::upstream::Upstream;

/// Speaks gRPC with the controller.
#[derive(Clone)]
pub(super) struct Rpcs(pub(super) Arc<Upstream>);

impl Speaker for Rpcs {
    async fn serve(self, stream: TlsStream<TcpStream>, state: Arc<State>) {
        let Ok(upstream) = self.0.open().await else {
            return;
        };
        let Ok((driver, connection)) =
            handshake(TokioExecutor::new(), TokioIo::new(upstream)).await
        else {
            return;
        };
        let forwarder = Arc::new(Forwarder {
            state,
            driver,
            cut: Notify::new(),
        });
        let calls = Arc::clone(&forwarder);
        let service = service_fn(move |request| {
            let forwarder = Arc::clone(&calls);
            async move { forwarder.call(request).await }
        });
        let serving = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service);
        // What ends one of the three ends all: a lost connection is lost on both sides.
        tokio::select! {
            _ = serving => {}
            _ = connection => {}
            () = forwarder.cut.notified() => {}
        }
    }
}

/// The rpcs of one connection.
struct Forwarder {
    state: Arc<State>,
    driver: SendRequest<Body>,
    /// The connection is to be cut.
    cut: Notify,
}

impl Forwarder {
    async fn call(&self, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let answer = self.played(request).await;
        if answer.is_err() {
            // Without this only the one stream would end, and the client would read an answer.
            self.cut.notify_one();
        }
        answer
    }

    async fn played(&self, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let method = method(request.uri().path()).to_owned();
        let trapped = self.state.arrived(&method, 0, || vec!["driver".to_owned()]);
        if trapped == Some(Moment::Before) {
            return Err(Cut::Trapped);
        }
        self.state.until_released(&method).await;
        tokio::time::sleep(self.state.delay()).await;
        let answer = match self.state.decide(&method) {
            None => self.pass(&method, request).await,
            Some(Action::Delay { milliseconds }) => {
                tokio::time::sleep(std::time::Duration::from_millis(milliseconds)).await;
                self.pass(&method, request).await
            }
            Some(Action::DropBefore) => Err(Cut::Asked("before the driver saw the call")),
            Some(Action::DropAfter | Action::Truncate) => {
                self.pass(&method, request).await?;
                Err(Cut::Asked("after the driver did the call"))
            }
            Some(Action::Status { code }) => {
                let mut answer = Response::new(empty());
                *answer.status_mut() = StatusCode::from_u16(code)?;
                Ok(answer)
            }
            Some(Action::Reply { fault, .. }) => Ok(unavailable(&fault)),
            Some(Action::Hostile { with }) => Ok(hostile::reply(with)),
        };
        if trapped == Some(Moment::After) {
            self.state.spring(&method);
            return Err(Cut::Trapped);
        }
        answer
    }

    async fn pass(&self, method: &str, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let request = request.map(|body| body.map_err(Cut::Http).boxed_unsync());
        let answer = self.driver.clone().send_request(request).await?;
        self.state.count(method, |count| count.answers += 1);
        let (parts, body) = answer.into_parts();
        Ok(Response::from_parts(
            parts,
            counted(Arc::clone(&self.state), method, body),
        ))
    }
}

/// The method of a path: `/vsphere.driver.v1.Driver/GetDriverInfo`.
fn method(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, method)| method)
}

/// An answer of status UNAVAILABLE with this message.
fn unavailable(message: &str) -> Response<Body> {
    let mut answer = Response::new(empty());
    let headers = answer.headers_mut();
    headers.insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    headers.insert("grpc-status", HeaderValue::from_static("14"));
    if let Ok(message) = HeaderValue::from_str(message) {
        headers.insert("grpc-message", message);
    }
    answer
}

fn empty() -> Body {
    Empty::<Bytes>::new()
        .map_err(|never| match never {})
        .boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rpc_is_known_by_the_last_part_of_its_path() {
        let path = "/vsphere.driver.v1.VirtualMachines/EnsureVirtualMachines";
        assert_eq!(method(path), "EnsureVirtualMachines");
    }
}
