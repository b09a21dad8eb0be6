//! A server for tests: it shows a certificate, notes what it is sent, and answers by a list.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

/// What the server does with one request.
pub(super) enum Answer {
    /// It sends this, and closes the connection.
    Bytes(Vec<u8>),
    /// It never answers.
    Silence,
}

/// A certificate, with the authority that signed it.
pub(crate) struct Identity {
    pub(crate) ca_pem: String,
    pub(super) sha256: [u8; 32],
    pub(crate) config: Arc<ServerConfig>,
}

/// A server that is running for as long as its test.
pub(super) struct Server {
    pub(super) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

// === impl Answer ===

impl Answer {
    /// A reply with this status line, these header lines and this body.
    pub(super) fn http(status: &str, headers: &str, body: &[u8]) -> Self {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        Self::Bytes([head.as_bytes(), body].concat())
    }

    /// A SOAP reply with this in its body.
    pub(super) fn soap(body: &str) -> Self {
        Self::http("200 OK", "", envelope(body).as_bytes())
    }
}

/// A SOAP envelope with this in its body.
pub(super) fn envelope(body: &str) -> String {
    format!("<s:Envelope xmlns:s='s'><s:Body>{body}</s:Body></s:Envelope>")
}

// === impl Identity ===

impl Identity {
    /// A certificate for this name, and valid from 1975 to this year.
    pub(crate) fn new(name: &str, until: i32) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let named = format!("authority of {name}");
        authority.distinguished_name.push(DnType::CommonName, named);
        let authority =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new([name.to_owned()]).unwrap();
        leaf.not_after = rcgen::date_time_ymd(until, 1, 1);
        let leaf = leaf.signed_by(&key, &authority).unwrap();
        let chain = vec![CertificateDer::from(leaf.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self {
            ca_pem: authority.pem(),
            sha256: Sha256::digest(leaf.der()).into(),
            config: Arc::new(config),
        }
    }
}

// === impl Server ===

impl Server {
    /// Answers the requests that come with `answers`, one each.
    pub(super) async fn start(identity: &Identity, answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(identity.config.clone());
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let noted = requests.clone();
        tokio::spawn(async move {
            let mut answers = answers.into_iter();
            while let Ok((stream, _)) = listener.accept().await {
                // A client that does not trust the certificate ends here.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let request = read_request(&mut stream).await;
                noted.lock().unwrap().push(request);
                match answers.next() {
                    Some(Answer::Bytes(bytes)) => {
                        let _ = stream.write_all(&bytes).await;
                        let _ = stream.shutdown().await;
                    }
                    Some(Answer::Silence) => std::future::pending().await,
                    None => {}
                }
            }
        });
        Self { port, requests }
    }

    /// The requests that came: heads and bodies.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn read_request(stream: &mut tokio_rustls::server::TlsStream<TcpStream>) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await.unwrap_or_default();
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request);
        if read == 0 || text.ends_with("</soapenv:Envelope>") {
            return text.into_owned();
        }
    }
}
