//! TLS: the side of a server, and both sides of the proxy.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::certificates::Leaf;
use crate::error::{Error, Result};

/// What HTTP/2 calls itself in a handshake of TLS.
const HTTP2: &[u8] = b"h2";

/// The side of the client.
pub(crate) fn acceptor(leaf: &Leaf) -> Result<TlsAcceptor> {
    Ok(TlsAcceptor::from(Arc::new(server(leaf)?)))
}

/// The side of a client that speaks HTTP/2.
pub(crate) fn http2_acceptor(leaf: &Leaf) -> Result<TlsAcceptor> {
    let mut config = server(leaf)?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn server(leaf: &Leaf) -> Result<ServerConfig> {
    let (chain, key) = identity(leaf)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(config)
}

/// The side of vCenter.
pub(crate) fn connector(authority: &Path) -> Result<TlsConnector> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(authority)?)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The side of the driver, which is shown this certificate.
pub(crate) fn http2_connector(authority: &Path, client: &Leaf) -> Result<TlsConnector> {
    let (chain, key) = identity(client)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(authority)?)
        .with_client_auth_cert(chain, key)?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn roots(authority: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authority)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(leaf: &Leaf) -> Result<Identity> {
    let chain = certificates(&leaf.certificate)?;
    let key =
        PrivateKeyDer::from_pem_file(&leaf.key).map_err(|error| unreadable(&leaf.key, error))?;
    Ok((chain, key))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, error: pem::Error) -> Error {
    let source = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
    Error::Io {
        doing: format!("reading {}", path.display()),
        source,
    }
}
