//! The small HTTP servers: metrics, and the probes of the kubelet.

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode, body::Bytes, body::Incoming, header::CONTENT_TYPE,
    server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{encoding::text::encode, registry::Registry};
use std::{
    convert::Infallible,
    io,
    net::{Ipv6Addr, SocketAddr},
    str::FromStr,
    sync::Arc,
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};

/// After a connection that could not be accepted: mostly for want of file handles.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a peer may take for its request, and be silent between two.
const SILENCE: Duration = Duration::from_mins(2);

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What answers a path: content type and text, or nothing where it is not known.
pub type Answers = Arc<dyn Fn(&str) -> Option<(StatusCode, &'static str, String)> + Send + Sync>;

/// Where a small server listens, if it shall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bind(pub Option<SocketAddr>);

/// What is no [`Bind`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected ADDRESS:PORT, :PORT for all addresses, or 0 for none")]
pub struct InvalidBind;

// === impl Bind ===

impl FromStr for Bind {
    type Err = InvalidBind;

    fn from_str(text: &str) -> Result<Self, InvalidBind> {
        if text == "0" {
            return Ok(Self(None));
        }
        let address = match text.strip_prefix(':') {
            Some(port) => port
                .parse()
                .ok()
                .map(|port: u16| (Ipv6Addr::UNSPECIFIED, port).into()),
            None => text.parse().ok(),
        };
        address.map(|_| Self(address)).ok_or(InvalidBind)
    }
}

/// A small server that listens, and does not answer yet.
#[derive(Debug)]
pub struct Endpoint(TcpListener);

// === impl Endpoint ===

impl Endpoint {
    /// Listens, and logs the address under this name.
    pub async fn bind(name: &'static str, address: SocketAddr) -> io::Result<Self> {
        let listener = listen(address).await?;
        let address = listener.local_addr()?;
        tracing::info!(name, %address, "Listening");
        Ok(Self(listener))
    }

    /// Answers until it is dropped.
    pub async fn serve(self, answers: Answers) {
        let Self(listener) = self;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(converse(stream, answers.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "Accepting a connection failed");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Answers `/metrics` from this registry.
pub fn metrics(registry: Registry) -> Answers {
    Arc::new(move |path| {
        let mut text = String::new();
        let encoded = (path == "/metrics").then(|| encode(&mut text, &registry))?;
        let status = match encoded {
            Ok(()) => StatusCode::OK,
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Some((status, OPEN_METRICS, text))
    })
}

/// Answers `/healthz`, and `/readyz` by `ready`.
pub fn probes(ready: impl Fn() -> bool + Send + Sync + 'static) -> Answers {
    Arc::new(move |path| match path {
        "/healthz" => Some((StatusCode::OK, TEXT, "ok".into())),
        "/readyz" if ready() => Some((StatusCode::OK, TEXT, "ok".into())),
        "/readyz" => Some((StatusCode::SERVICE_UNAVAILABLE, TEXT, "not ready".into())),
        _ => None,
    })
}

/// All addresses of both kinds, or of the one kind that this machine has.
async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(_) if address.ip().is_unspecified() && address.is_ipv6() => {
            TcpListener::bind(("0.0.0.0", address.port())).await
        }
        bound => bound,
    }
}

async fn converse(stream: TcpStream, answers: Answers) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(&answers, request.uri().path());
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut http = http1::Builder::new();
    // A peer that sends nothing holds no connection.
    http.timer(TokioTimer::new()).header_read_timeout(SILENCE);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "Connection ended");
    }
}

fn answer(answers: &Answers, path: &str) -> Response<Full<Bytes>> {
    let not_found = || (StatusCode::NOT_FOUND, TEXT, "not found".to_owned());
    let (status, kind, text) = answers(path).unwrap_or_else(not_found);
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_one_of_three_forms() {
        for (text, address) in [
            (":8080", Some("[::]:8080")),
            ("127.0.0.1:0", Some("127.0.0.1:0")),
            ("[::1]:9", Some("[::1]:9")),
            ("0", None),
        ] {
            let address = address.map(|address| address.parse().unwrap());
            assert_eq!(text.parse(), Ok(Bind(address)), "{text}");
        }
        for text in ["8080", "localhost:1", ":70000", "off", ""] {
            assert_eq!(text.parse::<Bind>(), Err(InvalidBind), "{text}");
        }
    }

    #[test]
    fn each_path_has_its_answer() {
        for (path, ready, status) in [
            ("/healthz", false, StatusCode::OK),
            ("/readyz", true, StatusCode::OK),
            ("/readyz", false, StatusCode::SERVICE_UNAVAILABLE),
            ("/", true, StatusCode::NOT_FOUND),
        ] {
            let probes = probes(move || ready);
            assert_eq!(answer(&probes, path).status(), status, "{path}");
        }
        let metrics = metrics(Registry::default());
        assert_eq!(answer(&metrics, "/metrics").status(), StatusCode::OK);
        assert_eq!(answer(&metrics, "/").status(), StatusCode::NOT_FOUND);
    }
}
