//! TLS on both sides of the proxy.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::certificates::Leaf;
use crate::error::{Error, Result};

/// The side of the client.
pub(super) fn acceptor(leaf: &Leaf) -> Result<TlsAcceptor> {
    let chain = certificates(&leaf.certificate)?;
    let key =
        PrivateKeyDer::from_pem_file(&leaf.key).map_err(|error| unreadable(&leaf.key, error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The side of vCenter.
pub(super) fn connector(authority: &Path) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authority)? {
        roots.add(certificate)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
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
