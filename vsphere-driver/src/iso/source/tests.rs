//! The fetcher against servers on this machine. Everything secret that a source has or answers is called
//! `canary`, and no fault may show it.

mod addresses;
mod fetching;
mod fields;
mod redirects;
mod server;

use self::server::{Answer, Server};
use super::{Fetcher, Opened, Policy, Rules, Source, fetch::Patience, resolve::Network};
use crate::soap::client::fixtures::Identity;
use contract::v1::{Fault, UrlSource};
use futures::StreamExt as _;
use std::{
    collections::BTreeMap,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

const HOST: &str = "images.example";
/// The address of this machine, as far as the tests go.
const OWN: &str = "10.4.4.4";
const LONG: Duration = Duration::from_mins(1);

/// What names resolve to: at each look the next, the last for ever.
#[derive(Debug, Default)]
struct Names(Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>);

impl Names {
    fn of(names: &[(&str, &[&str])]) -> Arc<Self> {
        let look = |text: &&str| {
            text.split(' ')
                .map(|address| address.parse().unwrap())
                .collect()
        };
        let name = |(name, looks): &(&str, &[&str])| {
            let looks = looks.iter().rev().map(look).collect();
            ((*name).to_owned(), looks)
        };
        Arc::new(Self(Mutex::new(names.iter().map(name).collect())))
    }
}

#[async_trait::async_trait]
impl Network for Names {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut names = self.0.lock().unwrap();
        let looks = names.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        let found = if looks.len() > 1 {
            looks.pop()
        } else {
            looks.last().cloned()
        };
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn is_own(&self, address: IpAddr) -> bool {
        address.to_string() == OWN
    }
}

fn policy(allowed: &[&str]) -> Policy {
    Policy::new(Rules {
        allowed: allowed.iter().map(|entry| entry.parse().unwrap()).collect(),
        max_bytes: 1_000,
        ..Rules::default()
    })
}

/// A fetcher to whom both hosts of the tests are on this machine.
fn fetcher() -> Fetcher {
    let names = Names::of(&[(HOST, &["127.0.0.1"]), ("other.example", &["127.0.0.1"])]);
    over(names, &["127.0.0.0/8"])
}

fn over(names: Arc<Names>, allowed: &[&str]) -> Fetcher {
    let patience = Patience {
        connect: LONG,
        answer: LONG,
        stall: LONG,
        settle: Duration::ZERO,
    };
    Fetcher::over(names, policy(allowed), patience)
}

fn at(port: u16) -> String {
    format!("https://{HOST}:{port}/byapikey/canary/agent.iso?token=canary")
}

fn message(port: u16, ca_bundle_pem: &str) -> UrlSource {
    UrlSource {
        url: at(port),
        ca_bundle_pem: ca_bundle_pem.to_owned(),
        headers: [("Authorization".to_owned(), "Bearer canary".to_owned())].into(),
        ..UrlSource::default()
    }
}

fn source(fetcher: &Fetcher, message: UrlSource) -> Source {
    let source = Source::of(message, fetcher.policy()).expect("a source");
    assert!(!format!("{source:?} {}", source.masked()).contains("canary"));
    source
}

/// The fault, which shows nothing secret.
fn fault<T: std::fmt::Debug>(outcome: Result<T, Fault>) -> Fault {
    let fault = outcome.expect_err("a fault");
    assert!(!format!("{fault:?}").contains("canary"), "{fault:?}");
    fault
}

/// A trusted server of `images.example`, and a source at it.
async fn one(fetcher: &Fetcher, answers: Vec<Answer>) -> (Server, Source) {
    let identity = Identity::new(HOST, 2100);
    let server = Server::https(&identity, answers).await;
    let source = source(fetcher, message(server.port, &identity.ca_pem));
    (server, source)
}

async fn read(opened: Opened) -> (String, Option<Fault>) {
    let (mut text, mut chunks) = (String::new(), opened.chunks);
    while let Some(chunk) = chunks.next().await {
        match chunk {
            Ok(chunk) => text.push_str(std::str::from_utf8(&chunk).unwrap()),
            Err(broken) => {
                assert!(chunks.next().await.is_none(), "a fault is the end");
                return (text, Some(fault::<()>(Err(broken))));
            }
        }
    }
    (text, None)
}
