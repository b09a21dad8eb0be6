//! Servers on this machine: they note what they are sent, and answer by a list.

use crate::soap::client::fixtures::Identity;
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// What a server does with one request.
pub(super) struct Answer {
    bytes: Vec<u8>,
    then: Then,
}

enum Then {
    Close,
    Silence,
    /// Passes everything on to this port.
    Tunnel(u16),
}

/// A server that is running for as long as its test.
pub(super) struct Server {
    pub(super) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

// === impl Answer ===

impl Answer {
    /// A reply with this status line, these header lines and this body.
    pub(super) fn http(status: &str, headers: &[&str], body: &str) -> Self {
        let status = format!("HTTP/1.1 {status}");
        let head = [&[status.as_str()], headers, &["Connection: close"]].concat();
        let text = format!("{}\r\n\r\n{body}", head.join("\r\n"));
        Self {
            bytes: text.into_bytes(),
            then: Then::Close,
        }
    }

    /// A whole content.
    pub(super) fn whole(body: &str) -> Self {
        Self::http(
            "200 OK",
            &[&format!("Content-Length: {}", body.len())],
            body,
        )
    }

    /// A redirect.
    pub(super) fn to(location: &str) -> Self {
        let location = format!("Location: {location}");
        Self::http("302 Found", &[&location, "Content-Length: 6"], "canary")
    }

    /// The connection becomes a way to a port of this machine.
    pub(super) fn tunnel(port: u16) -> Self {
        Self {
            bytes: b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
            then: Then::Tunnel(port),
        }
    }

    /// The same, and the connection stays open without a word more.
    pub(super) fn then_silence(self) -> Self {
        Self {
            then: Then::Silence,
            ..self
        }
    }
}

// === impl Server ===

impl Server {
    /// Answers the requests that come with `answers`, one each.
    pub(super) async fn https(identity: &Identity, answers: Vec<Answer>) -> Self {
        Self::start(Some(TlsAcceptor::from(identity.config.clone())), answers).await
    }

    /// The same without TLS.
    pub(super) async fn http(answers: Vec<Answer>) -> Self {
        Self::start(None, answers).await
    }

    async fn start(tls: Option<TlsAcceptor>, answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let noted = requests.clone();
        tokio::spawn(async move {
            let mut answers = answers.into_iter();
            while let Ok((stream, _)) = listener.accept().await {
                match &tls {
                    None => serve(stream, &mut answers, &noted).await,
                    Some(tls) => {
                        // A client that does not trust the certificate ends here.
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, &mut answers, &noted).await;
                        }
                    }
                }
            }
        });
        Self { port, requests }
    }

    /// The heads of the requests that came, in lower case.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    answers: &mut impl Iterator<Item = Answer>,
    noted: &Mutex<Vec<String>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    noted.lock().unwrap().push(head);
    let Some(Answer { bytes, then }) = answers.next() else {
        return;
    };
    // A client that has heard enough closes early.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.flush().await;
    match then {
        Then::Close => drop(stream.shutdown().await),
        Then::Silence => drop(tokio::spawn(async move {
            let _ = stream.read_u8().await;
        })),
        Then::Tunnel(port) => {
            let mut to = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut to).await;
        }
    }
}
