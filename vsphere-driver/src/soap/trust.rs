//! Which certificate of a vCenter is accepted, and which one it showed.

mod verifier;

use self::verifier::{Recorder, Unchained};
use super::Server;
use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use rustls_platform_verifier::Verifier;
use std::{
    error::Error as StdError,
    io,
    sync::{Arc, Mutex, PoisonError},
};

/// Whom to trust.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// The certification authorities of the system.
    System,
    /// These authorities (PEM) and no others.
    CaBundle(String),
    /// These authorities (PEM), and those of the system.
    SystemAnd(String),
    /// The certificate with this SHA-256; its name, dates and issuer do not matter.
    Thumbprint([u8; 32]),
    /// Any. Whoever sits between reads the password.
    Insecure,
}

/// Why whom to trust cannot be known.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTrust {
    /// The bundle holds no certificate, or one that is none.
    #[error("the CA bundle holds no valid certificate")]
    CaBundle,
    /// The system has no authorities, as in a container without them.
    #[error("the system's certification authorities cannot be loaded")]
    System(#[source] rustls::Error),
    /// The client cannot be made of it.
    #[error("the TLS client cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// A certificate that is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate of {server} is not trusted: {problem}")]
pub struct Untrusted {
    /// `host:port`.
    pub server: String,
    /// What is wrong with it.
    pub problem: String,
    /// Its SHA-256, 64 hexadecimal digits.
    pub sha256_thumbprint: String,
}

/// The certificate that a server showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenCertificate {
    /// SHA-256 of it.
    pub sha256: [u8; 32],
    /// When it expires, in seconds since 1970; `None` if it does not say in a way that can be read.
    pub expires_at: Option<i64>,
}

/// The last certificate that was seen on any connection of a client.
#[derive(Debug, Default)]
pub(crate) struct LastSeen(Mutex<Option<SeenCertificate>>);

// === impl Trust ===

impl Trust {
    /// The TLS side of a client that trusts so, and where it notes what it sees.
    pub(crate) fn client_config(&self) -> Result<(ClientConfig, Arc<LastSeen>), InvalidTrust> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let seen = Arc::<LastSeen>::default();
        let verifier = Recorder::new(self.verifier(&provider)?, seen.clone());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(InvalidTrust::System)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok((config, seen))
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, InvalidTrust> {
        Ok(match self {
            Self::System => {
                Arc::new(Verifier::new(provider.clone()).map_err(InvalidTrust::System)?)
            }
            Self::SystemAnd(pem) => {
                // Each by itself first: the system's verifier passes over one that it cannot use.
                roots(pem)?;
                let extra = certificates(pem)?;
                let verifier = Verifier::new_with_extra_roots(extra, provider.clone());
                Arc::new(verifier.map_err(InvalidTrust::System)?)
            }
            Self::CaBundle(pem) => {
                let roots = Arc::new(roots(pem)?);
                WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                    .build()
                    .map_err(|_| InvalidTrust::CaBundle)?
            }
            Self::Thumbprint(sha256) => Arc::new(Unchained::new(Some(*sha256), provider)),
            Self::Insecure => Arc::new(Unchained::new(None, provider)),
        })
    }
}

/// The certificates of a bundle, in their order there.
pub(crate) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, InvalidTrust> {
    let all = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>();
    all.map_err(|_| InvalidTrust::CaBundle)
}

fn roots(pem: &str) -> Result<RootCertStore, InvalidTrust> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|_| InvalidTrust::CaBundle)?;
    }
    if roots.is_empty() {
        return Err(InvalidTrust::CaBundle);
    }
    Ok(roots)
}

// === impl SeenCertificate ===

impl SeenCertificate {
    /// Its SHA-256 as 64 hexadecimal digits.
    pub fn thumbprint(&self) -> String {
        hex(&self.sha256)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

// === impl LastSeen ===

impl LastSeen {
    /// The certificate that was seen last.
    pub(crate) fn get(&self) -> Option<SeenCertificate> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, certificate: SeenCertificate) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(certificate);
    }

    /// What is wrong with the certificate, if that is what an error of a connection comes from.
    pub(crate) fn untrusted(
        &self,
        server: &Server,
        error: &(dyn StdError + 'static),
    ) -> Option<Untrusted> {
        let rustls::Error::InvalidCertificate(problem) = tls_error(error)? else {
            return None;
        };
        Some(Untrusted {
            server: server.to_string(),
            problem: words(problem),
            sha256_thumbprint: self.get().map(|seen| seen.thumbprint()).unwrap_or_default(),
        })
    }
}

/// The TLS error that an error comes from.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An `io::Error` names as its source the source of what it wraps, and so hides that itself.
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

fn words(problem: &CertificateError) -> String {
    match problem {
        CertificateError::UnknownIssuer => "signed by an unknown authority".into(),
        // As after the authority of vCenter was made anew.
        CertificateError::BadSignature => {
            "signed by a namesake of the authority that is trusted, with another key".into()
        }
        CertificateError::ApplicationVerificationFailure => {
            "its SHA-256 is not the one that is trusted".into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired".into(),
        other => other.to_string(),
    }
}
