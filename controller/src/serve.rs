//! The small HTTP servers: metrics, and the probes of the kubelet.

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode, body::Bytes, body::Incoming, header::CONTENT_TYPE,
    server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use prometheus_client::{encoding::text::encode, registry::Registry};
use std::{convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What answers a path: content type and text, or nothing where it is not known.
pub type Answers = Arc<dyn Fn(&str) -> Option<(StatusCode, &'static str, String)> + Send + Sync>;

/// Listens at once, and serves until dropped. Logs the address under this name.
pub async fn serve(
    name: &'static str,
    address: SocketAddr,
    answers: Answers,
) -> io::Result<impl Future<Output = ()> + Send + use<>> {
    let listener = listen(address).await?;
    let address = listener.local_addr()?;
    tracing::info!(name, %address, "Listening");
    Ok(accept(listener, answers))
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

async fn accept(listener: TcpListener, answers: Answers) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "Accepting a connection failed");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let answers = answers.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer(&answers, request.uri().path());
            async move { Ok::<_, Infallible>(answer) }
        });
        tokio::spawn(async move {
            let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = served.await {
                tracing::debug!(%error, "Connection ended");
            }
        });
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
