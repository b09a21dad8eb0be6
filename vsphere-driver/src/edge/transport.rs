//! How the driver listens: mutual TLS anywhere, or plaintext on loopback.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

/// How long a client may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Where and how the driver listens. Only [`Transport::new`] makes one, so that there is no plaintext
/// off loopback.
#[derive(Clone, Debug)]
pub struct Transport {
    listen: SocketAddr,
    tls: Option<ServerTlsConfig>,
}

/// The files of mutual TLS, all PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The driver's certificate, with those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities that sign clients.
    pub client_ca: PathBuf,
}

/// A transport that the driver refuses to serve on.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTransport {
    /// Plaintext where others can read it.
    #[error(
        "--plaintext is for loopback only, and {0} is not: listen on 127.0.0.1, or give \
         --tls-certificate, --tls-key and --tls-client-ca"
    )]
    PlaintextOffLoopback(SocketAddr),
    /// Neither TLS nor an explicit wish for plaintext.
    #[error(
        "no TLS: give --tls-certificate, --tls-key and --tls-client-ca, or --plaintext to serve \
         everybody on this machine"
    )]
    Unprotected,
    /// Both of them.
    #[error("--plaintext and the --tls flags exclude each other: leave one of them out")]
    Contradiction,
    /// A file that cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

// === impl Transport ===

impl Transport {
    /// A transport on `listen`, by exactly one of `tls` and `plaintext`.
    pub fn new(
        listen: SocketAddr,
        tls: Option<&TlsFiles>,
        plaintext: bool,
    ) -> Result<Self, InvalidTransport> {
        let tls = match (tls, plaintext) {
            (Some(_), true) => return Err(InvalidTransport::Contradiction),
            (None, false) => return Err(InvalidTransport::Unprotected),
            (None, true) if !listen.ip().is_loopback() => {
                return Err(InvalidTransport::PlaintextOffLoopback(listen));
            }
            (None, true) => None,
            (Some(files), false) => Some(files.load()?),
        };
        Ok(Self { listen, tls })
    }

    /// Where to listen.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The configuration of mutual TLS. `None`: plaintext on loopback.
    pub(crate) fn tls(&self) -> Option<&ServerTlsConfig> {
        self.tls.as_ref()
    }
}

// === impl TlsFiles ===

impl TlsFiles {
    fn load(&self) -> Result<ServerTlsConfig, InvalidTransport> {
        let Self {
            certificate,
            key,
            client_ca,
        } = self;
        // With an authority for clients, a client without a certificate fails its handshake.
        Ok(ServerTlsConfig::new()
            .identity(Identity::from_pem(read(certificate)?, read(key)?))
            .client_ca_root(Certificate::from_pem(read(client_ca)?))
            .timeout(HANDSHAKE))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, InvalidTransport> {
    fs::read(path).map_err(|source| InvalidTransport::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_is_asked_for_and_stays_on_loopback() {
        for (listen, plaintext, refusal) in [
            ("127.0.0.1:0", true, None),
            ("127.8.0.1:0", true, None),
            ("[::1]:0", true, None),
            (
                "0.0.0.0:50051",
                true,
                Some("--plaintext is for loopback only, and 0.0.0.0:50051"),
            ),
            ("[::]:1", true, Some("--plaintext is for loopback only")),
            (
                "192.0.2.1:1",
                true,
                Some("--plaintext is for loopback only"),
            ),
            ("127.0.0.1:0", false, Some("no TLS: give --tls-certificate")),
        ] {
            let answer = Transport::new(listen.parse().unwrap(), None, plaintext);
            match (answer, refusal) {
                (Ok(transport), None) => assert!(transport.tls().is_none()),
                (Err(error), Some(start)) => {
                    assert!(error.to_string().starts_with(start), "{error}");
                }
                (answer, _) => panic!("{listen} {plaintext}: {answer:?}"),
            }
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let files = TlsFiles {
            certificate: "/no/such/certificate".into(),
            key: "/no/such/key".into(),
            client_ca: "/no/such/ca".into(),
        };
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let error = Transport::new(listen, Some(&files), false).unwrap_err();
        assert_eq!(error.to_string(), "reading /no/such/certificate");
        let both = Transport::new(listen, Some(&files), true).unwrap_err();
        assert!(matches!(both, InvalidTransport::Contradiction));
    }
}
