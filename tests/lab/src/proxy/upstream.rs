//! What is behind a proxy.

use std::net::SocketAddr;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where it listens, and how it is trusted.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    pub(super) tls: TlsConnector,
}

impl Upstream {
    /// Opens a connection.
    pub(super) async fn open(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(self.address.ip());
        self.tls.connect(name, stream).await
    }
}
