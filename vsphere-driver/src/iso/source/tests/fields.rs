//! What a source of a request has to be.

use super::{at, fault, policy};
use crate::iso::source::Source;
use contract::v1::{HttpProxy, Reason, UrlSource};

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
    let revision = "canary".repeat(30);
    for (field, message) in [
        ("url", url("https://canary@a.example/")),
        ("url", url("canary")),
        ("ca_bundle_pem", bundle("canary".into())),
        ("ca_bundle_pem", bundle("a".repeat(300 << 10))),
        ("sha256", UrlSource { sha256, ..good() }),
        ("revision", UrlSource { revision, ..good() }),
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
fn wishes_for_the_same_content_are_alike_and_no_others() {
    let message = |url: &str, header: (&str, &str), revision: &str| UrlSource {
        url: url.into(),
        headers: [(header.0.to_owned(), header.1.to_owned())].into(),
        revision: revision.into(),
        ..UrlSource::default()
    };
    let identity = |message| {
        Source::of(message, &policy(&[]))
            .expect("a source")
            .identity()
    };
    let url = "https://images.example/a";
    let first = identity(message(url, ("A", "b"), "1"));
    assert_eq!(first, identity(message(url, ("a", "b"), "1")));
    for other in [
        message("https://images.example/b", ("A", "b"), "1"),
        message(url, ("Ab", ""), "1"),
        message(url, ("A", "B"), "1"),
        message(url, ("A", "b"), "2"),
        message(url, ("A", "b1"), ""),
    ] {
        assert_ne!(first, identity(other));
    }
}
