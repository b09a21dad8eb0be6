//! What a source of a request has to be.

use super::{at, fault, policy};
use crate::{iso::source::Source, soap::client::fixtures::Identity};
use contract::v1::{HttpProxy, Reason, UrlSource};
use std::collections::BTreeSet;

fn good() -> UrlSource {
    UrlSource {
        url: at(443),
        ..UrlSource::default()
    }
}

/// The fault of a source, which is of a field and shows nothing secret.
fn refused(message: UrlSource) -> (Reason, String) {
    let fault = fault(Source::of(message, &policy(&[])));
    (fault.reason(), fault.field)
}

#[test]
fn a_field_that_cannot_be_is_named_and_not_shown() {
    let url = |url: &str| UrlSource {
        url: url.into(),
        ..good()
    };
    let bundle = |pem: String| UrlSource {
        ca_bundle_pem: pem,
        ..good()
    };
    let sha256 = "canary".into();
    for (field, message) in [
        ("url", url("https://canary@a.example/")),
        ("url", url("canary")),
        ("ca_bundle_pem", bundle("canary".into())),
        ("ca_bundle_pem", bundle("a".repeat(300 << 10))),
        ("sha256", UrlSource { sha256, ..good() }),
    ] {
        let expected = (Reason::InvalidField, format!("source.url.{field}"));
        assert_eq!(refused(message), expected);
    }
}

#[test]
fn a_proxy_is_a_host_and_a_port_with_a_user_or_none() {
    for (field, url, username, password) in [
        ("url", "http://p.example/canary", "", ""),
        ("url", "http://canary@p.example:3128", "", ""),
        ("url", "socks5://p.example:1080", "", ""),
        ("username", "http://p.example:3128", "a:canary", ""),
        ("username", "http://p.example:3128", "", "canary"),
    ] {
        let proxy = HttpProxy {
            url: url.into(),
            username: username.into(),
            password: password.into(),
        };
        let message = UrlSource {
            proxy: Some(proxy),
            ..good()
        };
        let expected = (Reason::InvalidField, format!("source.url.proxy.{field}"));
        assert_eq!(refused(message), expected, "{url}");
    }
}

#[test]
fn a_source_is_known_by_its_url_and_by_whom_is_believed_there() {
    let url = "https://images.example/a";
    let direct = || UrlSource {
        url: url.into(),
        ..UrlSource::default()
    };
    let through = |url: &str, username: &str| UrlSource {
        proxy: Some(HttpProxy {
            url: url.into(),
            username: username.into(),
            ..HttpProxy::default()
        }),
        ..direct()
    };
    let address = |message| {
        let source = Source::of(message, &policy(&[]));
        source.expect("a source").address().expect("no secrets")
    };
    let pem = rcgen::generate_simple_self_signed(["images.example".into()]);
    let ca_bundle_pem = pem.expect("a certificate").cert.pem();
    let sources = [
        direct(),
        UrlSource {
            url: "https://images.example/b".into(),
            ..UrlSource::default()
        },
        UrlSource {
            ca_bundle_pem: ca_bundle_pem.clone(),
            ..direct()
        },
        UrlSource {
            ca_bundle_pem,
            system_authorities: true,
            ..direct()
        },
        through("http://p.example:3128", ""),
        through("http://p.example:3128", "user"),
        through("http://q.example:3128", ""),
    ];
    let all: BTreeSet<_> = sources.iter().cloned().map(address).collect();
    assert_eq!(all.len(), sources.len());
    assert_eq!(all, sources.into_iter().map(address).collect());
}

#[test]
fn a_source_whose_headers_could_be_guessed_has_no_address() {
    let message = UrlSource {
        url: "https://images.example/a".into(),
        headers: [("Authorization".into(), "hunter2".into())].into(),
        ..UrlSource::default()
    };
    let source = Source::of(message, &policy(&[])).expect("a source");
    assert_eq!(source.address(), None);
}

#[test]
fn authorities_are_the_same_however_their_bundle_is_written() {
    let [a, b] = ["a.example", "b.example"].map(|host| Identity::new(host, 2100).ca_pem);
    let known = |pem: String| {
        let message = UrlSource {
            ca_bundle_pem: pem,
            ..good()
        };
        let source = Source::of(message, &policy(&[])).expect("a source");
        (source.key(), source.address())
    };
    let expected = known(format!("{a}{b}"));
    for written in [
        format!("{a}{b}\n\n"),
        format!("{b}\n{a}"),
        format!("# the image service\n{a}{b}{a}"),
        format!("{a}{b}").replace('\n', "\r\n"),
    ] {
        assert_eq!(known(written.clone()), expected, "{written}");
    }
    assert_ne!(known(a), expected);
}

#[test]
fn what_a_caller_calls_a_content_is_no_part_of_its_key_and_all_else_is() {
    let key = |message| Source::of(message, &policy(&[])).expect("a source").key();
    let revision = "r1".into();
    assert_eq!(key(UrlSource { revision, ..good() }), key(good()));
    let sha256 = "a".repeat(64);
    assert_ne!(key(UrlSource { sha256, ..good() }), key(good()));
    let headers = [("X-Token".to_owned(), "canary".to_owned())].into();
    assert_ne!(key(UrlSource { headers, ..good() }), key(good()));
}
