//! Sessions with a server that does not listen.

use super::*;
use crate::soap::{Client, Settings, Trust, counts::SoapMetrics};
use futures::future::join_all;
use prometheus_client::{encoding::text::encode, registry::Registry};

/// A session with nobody, and what is sent for it.
fn session() -> (Session, SoapMetrics) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = Server::new("127.0.0.1", free.local_addr().expect("bound").port());
    drop(free);
    let metrics = SoapMetrics::default();
    let settings = Settings {
        metrics: metrics.clone(),
        ..Settings::new("tests/1")
    };
    let client = Client::new(&server, &Trust::Insecure, &settings).expect("a client");
    let password: Password = Arc::new(|| Ok(Secret::new("p".to_owned())));
    let ledger = Arc::new(Ledger::new([0; 16]));
    let session = Session::new(Arc::new(client), "u".into(), password, ledger);
    (session, metrics)
}

fn text(metrics: &SoapMetrics) -> String {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).expect("text");
    text
}

#[tokio::test]
async fn a_login_that_fails_is_the_answer_for_all_who_waited_for_it() {
    let (session, metrics) = session();
    for tried in [1, 2] {
        let answers = join_all((0..50).map(|_| session.ensure())).await;
        for answer in answers {
            let reason = answer.map_err(|fault| fault.reason()).map(|now| now.number);
            assert_eq!(reason, Err(Reason::VcenterUnreachable));
        }
        let line = format!("method=\"RetrieveServiceContent\",result=\"unreachable\"}} {tried}\n");
        assert!(text(&metrics).contains(&line), "{}", text(&metrics));
    }
}
