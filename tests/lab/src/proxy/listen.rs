//! Takes the connections of clients.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::forward::{Forwarder, Upstream};
use super::state::{Outage, State};
use crate::control;
use crate::error::Result;

/// What each connection needs.
#[derive(Clone)]
pub(super) struct Listener {
    pub(super) tls: TlsAcceptor,
    pub(super) upstream: Arc<Upstream>,
    pub(super) state: Arc<State>,
}

impl Listener {
    /// Listens until the task is aborted.
    pub(super) async fn start(self, address: SocketAddr) -> Result<(SocketAddr, JoinHandle<()>)> {
        let (listener, address) = control::bind(address).await?;
        let task = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => drop(tokio::spawn(self.clone().connection(stream))),
                    Err(error) => tracing::warn!(%error, "Connection not taken"),
                }
            }
        });
        Ok((address, task))
    }

    async fn connection(self, stream: TcpStream) {
        let mut outage = self.state.outage();
        let serving = pin!(self.serve(stream));
        tokio::select! {
            // In an outage the connection must not get one step further.
            biased;
            () = begun(&mut outage) => {}
            () = serving => return,
        }
        // A silent vCenter keeps its connections, and has lost them when it is back.
        let _ = outage.wait_for(|&outage| outage != Outage::Silent).await;
    }

    async fn serve(self, stream: TcpStream) {
        // Answers are small, and the next call waits for them.
        let _ = stream.set_nodelay(true);
        let Ok(stream) = self.tls.accept(stream).await else {
            return;
        };
        let forwarder = Arc::new(Forwarder::new(self.upstream, self.state));
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

/// Returns when an outage begins.
async fn begun(outage: &mut watch::Receiver<Outage>) {
    let _ = outage.wait_for(|&outage| outage != Outage::None).await;
}
