//! Takes the connections of clients.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::state::{Outage, State};
use super::under_way::Thing;
use crate::control;
use crate::error::Result;

/// Speaks with clients in one protocol.
pub(super) trait Speaker: Clone + Send + Sync + 'static {
    /// Serves one connection until it ends, on either side.
    fn serve(
        self,
        stream: TlsStream<TcpStream>,
        state: Arc<State>,
    ) -> impl Future<Output = ()> + Send;
}

/// What each connection needs.
#[derive(Clone)]
pub(super) struct Listener<S> {
    pub(super) tls: TlsAcceptor,
    pub(super) speaker: S,
    pub(super) state: Arc<State>,
}

impl<S: Speaker> Listener<S> {
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
        // Ends after all that it stands for.
        let _client = self.state.under_way.begin(Thing::Client);
        let mut outage = self.state.outage();
        let serving = pin!(self.serve(stream));
        tokio::select! {
            // In an outage the connection must not get one step further.
            biased;
            () = begun(&mut outage) => {}
            () = serving => return,
        }
        // A silent peer keeps its connections, and has lost them when it is back.
        let _ = outage.wait_for(|&outage| outage != Outage::Silent).await;
    }

    async fn serve(self, stream: TcpStream) {
        // Answers are small, and the next call waits for them.
        let _ = stream.set_nodelay(true);
        let Ok(stream) = self.tls.accept(stream).await else {
            return;
        };
        self.speaker.serve(stream, self.state).await;
    }
}

/// Returns when an outage begins.
async fn begun(outage: &mut watch::Receiver<Outage>) {
    let _ = outage.wait_for(|&outage| outage != Outage::None).await;
}
