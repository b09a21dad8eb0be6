//! Hostile URLs, each with the rule that refuses it, and good ones that pass.

use super::{
    policy::{Host, Policy, Route, Rules, Whose},
    rule::Rule::{self, *},
};

/// What refuses these whatever the configuration, as mistakes of form.
const MALFORMED: &[(Rule, &str)] = &[
    (Form, ""),
    (Form, "images.example/agent.iso"),
    (Form, "//images.example/agent.iso"),
    (Form, "https:images.example/agent.iso"),
    (Form, "https:/images.example/agent.iso"),
    (Form, "https:///images.example/agent.iso"),
    (Form, "https://"),
    (Form, "https://:443/agent.iso"),
    (Form, "https://[::1/agent.iso"),
    (Form, "https://[fd00::1]443/agent.iso"),
    (Scheme, "file:///etc/shadow"),
    (Scheme, "file://localhost/etc/shadow"),
    (Scheme, "ftp://images.example/agent.iso"),
    (Scheme, "gopher://10.0.0.1:6379/_FLUSHALL"),
    (Scheme, "unix:///var/run/docker.sock"),
    (Scheme, "view-source:https://images.example/"),
    (Form, "data:text/html,agent"),
    (Form, "javascript:alert(1)"),
    (Scheme, "httpss://images.example/agent.iso"),
    (UserInfo, "https://user@images.example/agent.iso"),
    (UserInfo, "https://user:password@images.example/agent.iso"),
    (UserInfo, "https://images.example@127.0.0.1/agent.iso"),
    (
        UserInfo,
        "https://images.example:443@169.254.169.254/agent.iso",
    ),
    (UserInfo, "https://@127.0.0.1/agent.iso"),
    (Fragment, "https://images.example/#@127.0.0.1/agent.iso"),
    (
        Fragment,
        "https://images.example#.allowed.example/agent.iso",
    ),
    (Characters, "https://images.example\\@127.0.0.1/agent.iso"),
    (Characters, "https://127.0.0.1\\.images.example/agent.iso"),
    (Characters, " https://images.example/agent.iso"),
    (Characters, "https://images.example/agent.iso\n"),
    (
        Characters,
        "https://images.example/agent.iso HTTP/1.1\r\nHost: 127.0.0.1",
    ),
    (Characters, "ht\ttps://images.example/agent.iso"),
    (Characters, "https://images.example/\0.iso"),
    (Characters, "https://loc\u{ad}alhost/agent.iso"),
    (Characters, "https://\u{24db}ocalhost/agent.iso"),
    (Characters, "https://l\u{43e}calhost/agent.iso"),
    (
        Characters,
        "https://127\u{3002}0\u{3002}0\u{3002}1/agent.iso",
    ),
    (
        Characters,
        "https://\u{ff11}\u{ff12}\u{ff17}.0.0.1/agent.iso",
    ),
    (Characters, "https://images.example/\u{202e}osi.tnega"),
    (Spelling, "https://2130706433/agent.iso"),
    (Spelling, "https://017700000001/agent.iso"),
    (Spelling, "https://0x7f000001/agent.iso"),
    (Spelling, "https://0x7f.0.0.1/agent.iso"),
    (Spelling, "https://0177.0.0.1/agent.iso"),
    (Spelling, "https://127.1/agent.iso"),
    (Spelling, "https://127.0.0.1./agent.iso"),
    (Spelling, "https://0/agent.iso"),
    (Spelling, "https://169.16689662/agent.iso"),
    (Spelling, "https://0251.0376.0251.0376/agent.iso"),
    (Spelling, "https://%31%32%37.0.0.1/agent.iso"),
    (Spelling, "https://%6cocalhost/agent.iso"),
    (Spelling, "https://localhost./agent.iso"),
    (Spelling, "https://images.example./agent.iso"),
    (Spelling, "https://[fe80::1%25eth0]/agent.iso"),
    (Spelling, "https://[::ffff:127.0.0.1.]/agent.iso"),
    (Spelling, "https://images.example:/agent.iso"),
    (Spelling, "https://images.example:0443/agent.iso"),
    (Spelling, "https://images.example:+443/agent.iso"),
    (Spelling, "https://images.example:65536/agent.iso"),
    (Spelling, "https://images.example:443:443/agent.iso"),
    (Port, "https://images.example:0/agent.iso"),
    (Port, "https://images.example:22/agent.iso"),
    (Port, "https://images.example:25/agent.iso"),
    (Port, "https://10.0.0.1:902/agent.iso"),
];

/// What refuses these without a word in the configuration.
const REFUSED: &[(Rule, &str)] = &[
    (Http, "http://images.example/agent.iso"),
    (Http, "HTTP://127.0.0.1/agent.iso"),
    (Loopback, "https://127.0.0.1/agent.iso"),
    (Loopback, "https://127.99.0.1:8443/agent.iso"),
    (Loopback, "https://[::1]/agent.iso"),
    (Loopback, "https://[0:0:0:0:0:0:0:1]/agent.iso"),
    (Loopback, "https://[::ffff:127.0.0.1]/agent.iso"),
    (Loopback, "https://[::ffff:7f00:1]/agent.iso"),
    (Loopback, "https://[::127.0.0.1]/agent.iso"),
    (Loopback, "https://[64:ff9b::7f00:1]/agent.iso"),
    (Loopback, "https://[2002:7f00:1::1]/agent.iso"),
    (Loopback, "https://localhost/agent.iso"),
    (Loopback, "https://LOCALHOST:8443/agent.iso"),
    (Loopback, "https://a.localhost/agent.iso"),
    (Loopback, "https://localhost.localdomain/agent.iso"),
    (Metadata, "https://169.254.169.254/latest/meta-data/"),
    (
        Metadata,
        "https://[::ffff:169.254.169.254]/latest/meta-data/",
    ),
    (Metadata, "https://[fd00:ec2::254]/latest/meta-data/"),
    (
        Metadata,
        "https://[64:ff9b::169.254.169.254]/latest/meta-data/",
    ),
    (Metadata, "https://[2002:a9fe:a9fe::]/latest/meta-data/"),
    (Metadata, "https://100.100.100.200/latest/meta-data/"),
    (Metadata, "https://168.63.129.16/machine"),
    (
        Metadata,
        "https://metadata.google.internal/computeMetadata/v1/",
    ),
    (LinkLocal, "https://169.254.0.1/agent.iso"),
    (LinkLocal, "https://[fe80::1]/agent.iso"),
    (Unspecified, "https://0.0.0.0/agent.iso"),
    (Unspecified, "https://[::]/agent.iso"),
    (Unspecified, "https://[::ffff:0.0.0.0]/agent.iso"),
    (Multicast, "https://224.0.0.251/agent.iso"),
    (Multicast, "https://[ff02::1]/agent.iso"),
    (Broadcast, "https://255.255.255.255/agent.iso"),
    (Reserved, "https://240.0.0.1/agent.iso"),
    (Reserved, "https://192.0.2.1/agent.iso"),
    (Reserved, "https://[2001:0:7f00:1::]/agent.iso"),
    (Vcenter, "https://vcenter.example/sdk"),
    (Vcenter, "https://VCenter.Example:8443/folder/agent.iso"),
    (Vcenter, "https://10.9.9.9/sdk"),
    (Vcenter, "https://[::ffff:10.9.9.9]/sdk"),
];

/// What refuses these where `images.example`, `*.apps.example` and 10.8.0.0/16 are listed.
const NOT_LISTED: &[(Rule, &str)] = &[
    (NotListed, "https://10.7.0.1/agent.iso"),
    (NotListed, "https://1.1.1.1/agent.iso"),
    (NotListed, "https://[fd00::1]/agent.iso"),
    (NotListed, "https://[::ffff:10.7.0.1]/agent.iso"),
    (Loopback, "https://127.0.0.1/agent.iso"),
    (Loopback, "https://localhost/agent.iso"),
    (Metadata, "https://169.254.169.254/"),
    (Vcenter, "https://vcenter.example/"),
];

const GOOD: &[&str] = &[
    "https://images.example/agent.iso",
    "HTTPS://Images.Example/agent.iso",
    "https://images.example",
    "https://images.example:443/agent.iso",
    "https://images.example:8443/byapikey/e.y.J/4.16/x86_64/minimal.iso",
    "https://images.example/agent.iso?image_token=e.y.J&type=full-iso",
    "https://images.example/a//b/../agent%20one.iso",
    "https://images.example?url=http://127.0.0.1/",
    "https://assisted-image-service-multicluster-engine.apps.example/byid/1/full.iso",
    "https://assisted-image-service.multicluster-engine.svc:8080/full.iso",
    "https://xn--bcher-kva.example/agent.iso",
    "https://10.8.0.1/agent.iso",
    "https://10.8.255.255:6183/agent.iso",
    "https://[::ffff:10.8.0.1]/agent.iso",
    "https://1.1.1.1/agent.iso",
    "https://[fd00:0:0::7]:8443/agent.iso",
    "https://registry/agent.iso",
];

fn policy(allowed: &[&str]) -> Policy {
    let allowed = allowed.iter().map(|entry| entry.parse().expect(entry));
    let policy = Policy::new(Rules {
        allowed: allowed.collect(),
        ..Rules::default()
    });
    let vcenters = ["vcenter.example", "10.9.9.9"];
    policy.refuse(vcenters.iter().map(|vcenter| Host::parse(vcenter).unwrap()));
    policy
}

fn verdict(policy: &Policy, url: &str) -> Result<(), Rule> {
    policy.url(url, Route::Direct).map(drop)
}

#[test]
fn each_hostile_url_is_refused_by_its_rule() {
    let (open, narrow) = (policy(&[]), listed());
    for (rule, url) in MALFORMED {
        assert_eq!(verdict(&open, url), Err(*rule), "{url:?}");
        assert_eq!(verdict(&narrow, url), Err(*rule), "{url:?}");
        assert!(rule.is_of_form(), "{url:?}");
    }
    for (rule, url) in REFUSED {
        assert_eq!(verdict(&open, url), Err(*rule), "{url:?}");
        assert!(!rule.is_of_form(), "{url:?}");
    }
    for (rule, url) in NOT_LISTED {
        assert_eq!(verdict(&narrow, url), Err(*rule), "{url:?}");
    }
    let long = format!("https://images.example/{}", "a".repeat(4 << 10));
    assert_eq!(verdict(&open, &long), Err(Length));
}

#[test]
fn each_good_url_passes() {
    for url in GOOD {
        assert_eq!(verdict(&policy(&[]), url), Ok(()), "{url}");
    }
}

fn listed() -> Policy {
    policy(&["images.example", "*.apps.example", "10.8.0.0/16"])
}

#[test]
fn a_proxy_is_sent_only_to_names_that_are_listed() {
    let through = |policy: &Policy, url: &str| policy.url(url, Route::Proxy).map(drop);
    for (url, verdict) in [
        ("https://images.example/a", Ok(())),
        ("https://a.apps.example/a", Ok(())),
        ("https://10.8.0.1/a", Ok(())),
        // It may resolve into 10.8.0.0/16, which only the proxy would see.
        ("https://other.example/a", Err(NotListed)),
        ("https://localhost/a", Err(Loopback)),
    ] {
        assert_eq!(through(&listed(), url), verdict, "{url}");
    }
    assert_eq!(through(&policy(&[]), "https://other.example/a"), Ok(()));
    // The loopback that the list means is not that of the proxy.
    assert_eq!(
        through(&policy(&["127.0.0.0/8"]), "https://localhost/"),
        Err(Loopback)
    );
}

#[test]
fn http_passes_where_it_is_permitted() {
    let policy = Policy::new(Rules {
        allow_http: true,
        ..Rules::default()
    });
    assert_eq!(verdict(&policy, "http://images.example/a"), Ok(()));
    assert_eq!(verdict(&policy, "http://127.0.0.1/a"), Err(Loopback));
}

#[test]
fn a_refused_address_passes_only_where_the_list_means_it() {
    for (entry, url, expected) in [
        ("127.0.0.0/8", "https://127.0.0.1/", Ok(())),
        ("127.0.0.1", "https://127.0.0.1/", Ok(())),
        ("127.0.0.1", "https://127.0.0.2/", Err(Loopback)),
        ("127.0.0.0/8", "https://localhost/", Ok(())),
        ("localhost", "https://localhost/", Ok(())),
        ("127.0.0.0/8", "https://[::ffff:127.0.0.1]/", Ok(())),
        ("0.0.0.0/0", "https://127.0.0.1/", Err(Loopback)),
        ("0.0.0.0/0", "https://0.0.0.0/", Err(Unspecified)),
        ("126.0.0.0/7", "https://127.0.0.1/", Err(Loopback)),
        ("169.254.0.0/16", "https://169.254.1.1/", Ok(())),
        ("169.254.0.0/16", "https://169.254.169.254/", Err(Metadata)),
        ("169.254.169.254", "https://169.254.169.254/", Ok(())),
        ("10.0.0.0/8", "https://10.9.9.9/", Err(Vcenter)),
        ("10.9.9.9", "https://10.9.9.9/", Ok(())),
        ("::1", "https://[::1]/", Ok(())),
        ("::/0", "https://[::1]/", Err(Loopback)),
    ] {
        assert_eq!(verdict(&policy(&[entry]), url), expected, "{entry} {url}");
    }
}

#[test]
fn an_address_is_judged_again_when_its_name_is_connected_to() {
    let (name, other) = (
        Host::Name("images.example".into()),
        Host::Name("other.example".into()),
    );
    for (host, address, whose, expected) in [
        (&name, "1.1.1.1", Whose::Others, Ok(())),
        (&name, "127.0.0.1", Whose::Others, Err(Loopback)),
        (
            &name,
            "::ffff:169.254.169.254",
            Whose::Others,
            Err(Metadata),
        ),
        (&name, "10.8.0.1", Whose::Driver, Err(Driver)),
        (&name, "10.8.0.1", Whose::Vcenter, Err(Vcenter)),
        (&other, "10.8.0.1", Whose::Others, Ok(())),
        (&other, "64:ff9b::10.8.0.1", Whose::Others, Ok(())),
        (&other, "10.7.0.1", Whose::Others, Err(NotListed)),
    ] {
        let address = address.parse().unwrap();
        assert_eq!(
            listed().address(host, address, whose),
            expected,
            "{host} {address}"
        );
    }
}
