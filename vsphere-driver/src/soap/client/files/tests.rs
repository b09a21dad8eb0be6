use super::*;
use crate::soap::{
    self, Trust,
    client::{Settings, fixtures::Identity},
};
use futures::stream;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

const CHUNK: usize = 64 << 10;
/// More than the buffers between both ends hold.
const CHUNKS: usize = 256;
const LENGTH: u64 = (CHUNK * CHUNKS) as u64;

/// What a file service does with a request whose head it has read.
#[derive(Clone, Copy, Debug)]
enum Service {
    /// Reads all, then answers.
    Answers(&'static str),
    /// Answers at once, and reads on.
    AnswersEarly(&'static str),
    /// Answers at once, and neither reads on nor closes the connection.
    AnswersAndSleeps(&'static str),
    /// Answers at once, and closes the connection over what is still coming.
    Refuses(&'static str),
    /// Closes the connection in the middle.
    Breaks,
    /// Reads nothing more.
    Sleeps,
    /// Reads all, and never answers.
    Swallows,
}

/// What came of a request: its head, and how long its body was.
type Seen = (String, u64);

type Stream = TlsStream<TcpStream>;

async fn head(stream: &mut Stream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            break;
        };
        head.push(byte);
    }
    String::from_utf8(head).unwrap()
}

/// Reads a body to its end, or to that of the connection.
async fn drain(stream: &mut Stream, head: &str) -> u64 {
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.parse().unwrap())
    });
    let length: u64 = length.unwrap_or_default();
    let (mut read, mut buffer) = (0, vec![0; CHUNK]);
    while read < length {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(some) => read += some as u64,
        }
    }
    read
}

async fn serve(stream: &mut Stream, service: Service) -> Seen {
    let head = head(stream).await;
    let reply = |status| format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    let mut read = 0;
    match service {
        Service::Answers(status) => {
            read = drain(stream, &head).await;
            let _ = stream.write_all(reply(status).as_bytes()).await;
        }
        Service::AnswersEarly(status) => {
            let _ = stream.write_all(reply(status).as_bytes()).await;
            read = drain(stream, &head).await;
        }
        Service::AnswersAndSleeps(status) => {
            let _ = stream.write_all(reply(status).as_bytes()).await;
            std::future::pending::<()>().await;
        }
        Service::Refuses(status) => {
            let _ = stream.write_all(reply(status).as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Service::Breaks => {
            let _ = stream.read(&mut vec![0; CHUNK]).await;
        }
        Service::Sleeps => std::future::pending().await,
        Service::Swallows => {
            drain(stream, &head).await;
            std::future::pending::<()>().await;
        }
    }
    (head, read)
}

/// A client of a service, and what becomes of its one connection.
async fn connect(service: Service) -> (Client, tokio::task::JoinHandle<Seen>) {
    let identity = Identity::new("127.0.0.1", 4096);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(identity.config.clone());
    let seen = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        serve(&mut stream, service).await
    });
    let moment = Duration::from_millis(200);
    let settings = Settings {
        patience: Patience {
            stall: moment,
            answer: moment,
        },
        ..Settings::new("tests/1")
    };
    let server = soap::Server::new("127.0.0.1", port);
    let client = Client::new(&server, &Trust::CaBundle(identity.ca_pem), &settings);
    (client.unwrap(), seen)
}

fn file() -> RemoteFile {
    RemoteFile {
        datacenter: "/a b/DC%2f0".into(),
        datastore: "ds & co".into(),
        path: "isos/ü %.iso".into(),
    }
}

fn content(chunks: usize) -> Content {
    let chunk = Bytes::from(vec![7; CHUNK]);
    stream::iter((0..chunks).map(move |_| Ok(chunk.clone()))).boxed()
}

async fn outcome_of(service: Service) -> Result<(), WriteError> {
    let (client, _seen) = connect(service).await;
    client.write_file(&file(), LENGTH, content(CHUNKS)).await
}

#[tokio::test]
async fn a_file_is_written_whole_and_with_its_length() {
    let (client, seen) = connect(Service::Answers("201 Created")).await;
    let written = client.write_file(&file(), LENGTH, content(CHUNKS)).await;
    written.unwrap();
    let (head, read) = seen.await.unwrap();
    let line =
        "PUT /folder/isos/%C3%BC%20%25.iso?dcPath=%2Fa+b%2FDC%252f0&dsName=ds+%26+co HTTP/1.1";
    assert_eq!(head.lines().next(), Some(line));
    assert!(
        head.contains(&format!("content-length: {LENGTH}")),
        "{head}"
    );
    assert!(!head.contains("chunked"), "{head}");
    assert_eq!(read, LENGTH);
}

#[tokio::test]
async fn an_answer_that_comes_before_all_is_sent_is_taken() {
    for (service, status) in [
        (Service::AnswersEarly("507 X"), "HTTP status 507"),
        (Service::AnswersEarly("404 X"), "HTTP status 404"),
        (Service::AnswersEarly("401 X"), "NotAuthenticated"),
        (Service::Answers("500 X"), "HTTP status 500"),
        (Service::Answers("403 X"), "HTTP status 403"),
    ] {
        let error = outcome_of(service).await.unwrap_err();
        assert!(error.to_string().contains(status), "{service:?}: {error}");
    }
}

#[tokio::test]
async fn sending_ends_with_an_early_answer() {
    let (client, seen) = connect(Service::AnswersEarly("507 X")).await;
    // More than could pass in any test.
    let endless = stream::repeat_with(|| Ok(Bytes::from(vec![7; CHUNK]))).boxed();
    let length = u64::MAX / 2;
    let error = client.write_file(&file(), length, endless).await;
    assert!(matches!(
        error,
        Err(WriteError::Call(Error::Busy { status: 507, .. }))
    ));
    let (_, read) = seen.await.unwrap();
    assert!(read < length);
}

#[tokio::test]
async fn a_connection_that_ends_under_a_file_is_no_success() {
    for service in [Service::Breaks, Service::Refuses("507 X")] {
        let error = outcome_of(service).await.unwrap_err();
        let lost = matches!(
            error,
            WriteError::Call(Error::Lost { .. } | Error::Busy { status: 507, .. })
        );
        assert!(lost, "{service:?}: {error}");
    }
}

#[tokio::test]
async fn a_service_that_stands_still_is_not_waited_for() {
    for service in [Service::Sleeps, Service::Swallows] {
        let error = outcome_of(service).await.unwrap_err();
        assert!(
            matches!(error, WriteError::Stalled { .. }),
            "{service:?}: {error}"
        );
    }
}

#[tokio::test]
async fn a_content_that_takes_its_time_is_waited_for() {
    let (client, seen) = connect(Service::Answers("200 OK")).await;
    let chunk = |_| async {
        tokio::time::sleep(Duration::from_millis(250)).await;
        Ok(Bytes::from(vec![7; CHUNK]))
    };
    let slow = stream::iter(0..3).then(chunk).boxed();
    let written = client.write_file(&file(), 3 * CHUNK as u64, slow).await;
    written.unwrap();
    assert_eq!(seen.await.unwrap().1, 3 * CHUNK as u64);
}

#[tokio::test]
async fn a_content_of_another_length_is_never_a_whole_file() {
    for chunks in [CHUNKS - 1, CHUNKS + 1, 0] {
        let (client, seen) = connect(Service::Answers("201 Created")).await;
        let error = client.write_file(&file(), LENGTH, content(chunks)).await;
        let error = error.unwrap_err();
        assert!(
            matches!(error, WriteError::Length { .. }),
            "{chunks}: {error}"
        );
        drop(client);
        assert!(seen.await.unwrap().1 < LENGTH, "{chunks}");
    }
}

#[tokio::test]
async fn a_content_that_breaks_off_ends_the_file() {
    let (client, seen) = connect(Service::Answers("201 Created")).await;
    let broken = content(3).chain(stream::iter([Err("gone".into())])).boxed();
    let error = client
        .write_file(&file(), LENGTH, broken)
        .await
        .unwrap_err();
    assert!(matches!(error, WriteError::Content(_)), "{error}");
    drop(client);
    assert!(seen.await.unwrap().1 < LENGTH);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_nothing() {
    let read = |service| async move {
        let (client, _seen) = connect(service).await;
        client.read_file(&file(), 10).await
    };
    assert_eq!(read(Service::Answers("404 X")).await.unwrap(), None);
    assert_eq!(
        read(Service::Answers("200 OK")).await.unwrap(),
        Some(Vec::new())
    );
    let error = read(Service::Answers("401 X")).await.unwrap_err();
    assert!(error.is_not_authenticated());
}

#[tokio::test]
async fn a_content_that_ends_badly_never_makes_a_whole_file() {
    let (client, seen) = connect(Service::Answers("201 Created")).await;
    let bad = content(CHUNKS).chain(stream::iter([Err("digest".into())]));
    let error = client.write_file(&file(), LENGTH, bad.boxed()).await;
    assert!(matches!(error, Err(WriteError::Content(_))), "{error:?}");
    drop(client);
    assert!(seen.await.unwrap().1 < LENGTH);
}

#[tokio::test]
async fn content_is_given_up_with_the_file_whatever_the_connection_does() {
    for service in [
        Service::AnswersAndSleeps("507 X"),
        Service::AnswersEarly("507 X"),
        Service::Sleeps,
    ] {
        let (client, _seen) = connect(service).await;
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let chunks = stream::unfold(receiver, |mut receiver| async {
            Some((receiver.recv().await?, receiver))
        });
        let sending = tokio::spawn(async move {
            while sender.send(Ok(Bytes::from(vec![7; CHUNK]))).await.is_ok() {}
        });
        let error = client.write_file(&file(), LENGTH, chunks.boxed()).await;
        assert!(error.is_err(), "{service:?}");
        // Else whoever has the content would wait for ever.
        sending.await.unwrap();
    }
}
