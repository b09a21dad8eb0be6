//! The address that is checked is the one that is connected to, also behind a proxy.

use super::{
    HOST, Names, OWN, at, fault, message, one, over, policy,
    server::{Answer, Server},
    source,
};
use crate::{
    iso::source::{
        Source,
        policy::Host,
        resolve::{Machine, Network as _, Resolver},
    },
    soap::client::fixtures::Identity,
};
use contract::v1::{HttpProxy, Reason, UrlSource};

#[tokio::test]
async fn a_name_that_moves_to_a_refused_address_is_not_followed_there() {
    let names = Names::of(&[(HOST, &["127.0.0.1", "169.254.169.254"])]);
    let fetcher = over(names, &[HOST, "127.0.0.0/8"]);
    let answer = || Answer::whole("0");
    let (server, source) = one(&fetcher, vec![answer(), answer()]).await;
    assert!(fetcher.ask(&source).await.is_ok());
    let refused = fault(fetcher.open(&source, 0, None).await);
    assert_eq!(refused.reason(), Reason::IsoSourceRefused);
    assert_eq!(refused.metadata["rule"], "metadata");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn of_several_addresses_only_those_that_pass_are_connected_to() {
    let names = Names::of(&[(HOST, &["169.254.169.254 10.7.0.1 127.0.0.1"])]);
    let fetcher = over(names, &["127.0.0.0/8"]);
    let (_server, source) = one(&fetcher, vec![Answer::whole("0")]).await;
    assert!(fetcher.ask(&source).await.is_ok());
}

#[tokio::test]
async fn a_vcenter_is_refused_under_any_name_and_also_while_it_cannot_be_resolved() {
    let network = Names::of(&[("vcenter.example", &["10.9.9.9"])]);
    let policy = policy(&[]);
    policy.refuse(Host::parse("vcenter.example"));
    let resolver = Resolver::new(policy, network.clone());
    let host = Host::Name(HOST.into());
    for address in ["10.9.9.9", "::ffff:10.9.9.9"] {
        let asked = [address.parse().unwrap()];
        let refused = resolver
            .let_through(&host, &asked)
            .await
            .expect_err("refused");
        assert_eq!(refused.rule.word(), "vcenter");
        network.0.lock().unwrap().clear();
    }
    let beside = ["10.9.9.8".parse().unwrap()];
    assert_eq!(
        resolver.let_through(&host, &beside).await.expect("passes"),
        beside
    );
}

#[tokio::test]
async fn an_address_of_the_driver_or_of_a_vcenter_is_refused_however_it_is_named() {
    for (url, rule) in [
        (format!("https://{OWN}/a.iso"), "driver"),
        (format!("https://[::ffff:{OWN}]/a.iso"), "driver"),
        ("https://own.example/a.iso".to_owned(), "driver"),
        ("https://10.9.9.9/a.iso".to_owned(), "vcenter"),
        ("https://alias.example/a.iso".to_owned(), "vcenter"),
    ] {
        let names = Names::of(&[
            ("own.example", &[OWN]),
            ("vcenter.example", &["10.9.9.9"]),
            ("alias.example", &["10.9.9.9"]),
        ]);
        let fetcher = over(names, &[]);
        fetcher.policy().refuse(Host::parse("vcenter.example"));
        let message = UrlSource {
            url: url.clone(),
            ..UrlSource::default()
        };
        let refused = fault(fetcher.ask(&source(&fetcher, message)).await);
        assert_eq!(refused.reason(), Reason::IsoSourceRefused, "{url}");
        assert_eq!(refused.metadata["rule"], rule, "{url}");
    }
}

#[test]
fn the_machine_knows_its_own_addresses() {
    for (address, is_own) in [
        ("127.0.0.1", true),
        ("192.0.2.1", false),
        ("1.1.1.1", false),
    ] {
        assert_eq!(
            Machine.is_own(address.parse().unwrap()),
            is_own,
            "{address}"
        );
    }
}

#[tokio::test]
async fn a_proxy_is_gone_through_and_learns_nothing_that_is_not_for_it() {
    let names = Names::of(&[("proxy.example", &["127.0.0.1"])]);
    let fetcher = over(names, &["proxy.example", "127.0.0.0/8", HOST]);
    let identity = Identity::new(HOST, 2100);
    let server = Server::https(&identity, vec![Answer::whole("0")]).await;
    let proxy = Server::http(vec![Answer::tunnel(server.port)]).await;
    let source = source(
        &fetcher,
        UrlSource {
            proxy: Some(HttpProxy {
                url: format!("http://proxy.example:{}", proxy.port),
                username: "user".into(),
                password: "canary".into(),
            }),
            ..message(server.port, &identity.ca_pem)
        },
    );
    assert_eq!(
        fetcher.ask(&source).await.map(|content| content.length),
        Ok(1)
    );
    let [connect] = &proxy.requests()[..] else {
        panic!("one request");
    };
    assert!(
        connect.starts_with(&format!("connect {HOST}:{} ", server.port)),
        "{connect}"
    );
    // `user:canary`, in lower case.
    assert!(
        connect.contains("proxy-authorization: basic dxnlcjpjyw5hcnk="),
        "{connect}"
    );
    assert!(!connect.contains("canary"), "{connect}");
    let [head] = &server.requests()[..] else {
        panic!("one request");
    };
    assert!(!head.contains("proxy-authorization"), "{head}");
}

#[tokio::test]
async fn a_proxy_at_a_refused_address_is_not_spoken_to() {
    let names = Names::of(&[("proxy.example", &["169.254.169.254"])]);
    let fetcher = over(names, &["proxy.example", HOST]);
    let through = |url: &str| UrlSource {
        url: at(443),
        proxy: Some(HttpProxy {
            url: url.into(),
            ..HttpProxy::default()
        }),
        ..UrlSource::default()
    };
    let metadata = source(&fetcher, through("http://proxy.example:3128"));
    let refused = fault(fetcher.ask(&metadata).await);
    let told = (&*refused.metadata["host"], &*refused.metadata["rule"]);
    assert_eq!(told, ("proxy.example", "metadata"));
    let fetcher = over(Names::of(&[]), &[]);
    let own = source(&fetcher, through(&format!("http://{OWN}:3128")));
    assert_eq!(fault(fetcher.ask(&own).await).metadata["rule"], "driver");
    let literal = Source::of(through("http://169.254.169.254:3128"), fetcher.policy());
    assert_eq!(fault(literal).metadata["rule"], "metadata");
}
