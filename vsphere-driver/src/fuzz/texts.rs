//! Texts of people: paths on datastores, URLs of ISOs, names in the inventory, addresses of servers.

use super::Target;
use crate::{
    inventory::path,
    iso::{
        path::DatastorePath,
        source::{
            Policy, Rules, Source,
            policy::{Host, Route},
        },
    },
    soap::Server,
};
use contract::v1::UrlSource;

/// What URLs are made of, and hosts that are none of a source.
const URL_WORDS: &[&str] = &[
    "https://",
    "http://",
    "file://",
    "//",
    "/",
    "\\",
    ":",
    ":0",
    ":443",
    "@",
    "?",
    "#",
    "%",
    "%00",
    "%2f",
    "%2e",
    "[",
    "]",
    "::",
    "::ffff:",
    "64:ff9b::",
    "2002:",
    "127.0.0.1",
    "127.1",
    "0x7f",
    "0177.",
    "2130706433",
    "0.0.0.0",
    "169.254.169.254",
    "fe80::1%25",
    "localhost",
    "metadata.google.internal",
    ".",
    "..",
    " ",
    "\t",
    "\r\n",
    "\0",
    "é",
    "\u{ff0e}",
    "\u{3002}",
    "\u{ad}",
    "xn--",
    "canary",
];

#[test]
fn a_datastore_path_that_is_taken_leads_nowhere_else() {
    Target {
        name: "datastore_path",
        seeds: [
            "[LocalDS_0] isos/agent.iso",
            "[a b] x.ISO",
            "[d] a/b/c/d.iso",
        ]
        .map(|text| text.as_bytes().to_vec())
        .into(),
        words: &[
            "[", "]", "[x] ", "/", "..", "/../", "\\", "%2f", "%", "*", "?", ".iso", " ", "\0",
            "é", "\u{202e}",
        ],
        try_one: |input| {
            let Ok(text) = str::from_utf8(input) else {
                return;
            };
            let Ok(path) = DatastorePath::parse(text) else {
                return;
            };
            assert_eq!(DatastorePath::parse(&path.to_string()).as_ref(), Ok(&path));
            let (_, inside) = text.split_once("] ").unwrap();
            assert!(
                !inside.starts_with('/')
                    && !inside
                        .split('/')
                        .any(|name| matches!(name, "" | "." | ".."))
            );
            assert!(inside.ends_with(path.file()) && !path.file().contains('/'));
            assert!(!text.contains(char::is_control), "{text:?}");
        },
    }
    .run();
}

#[test]
fn a_url_that_is_taken_is_read_alike_by_all_and_leads_nowhere_else() {
    Target {
        name: "source_url",
        seeds: [
            "https://images.example/agent.iso",
            "https://10.8.0.1:8443/byapikey/canary/4.16/x86_64/full.iso?token=canary",
            "https://[fd00::7]/a//b/../agent%20one.iso",
            "https://[::ffff:127.0.0.1]:443/",
            "https://user:canary@xn--bcher-kva.example:6183?a#b",
            "http://169.254.169.254/latest/meta-data/",
        ]
        .map(|text| text.as_bytes().to_vec())
        .into(),
        words: URL_WORDS,
        try_one: |input| {
            if let Ok(text) = str::from_utf8(input) {
                try_url(text);
            }
        },
    }
    .run();
}

fn try_url(text: &str) {
    let policy = Policy::new(Rules::default());
    let message = UrlSource {
        url: text.into(),
        ..UrlSource::default()
    };
    let source = match Source::of(message, &policy) {
        Ok(source) => source,
        Err(fault) => {
            assert!(!fault.message.is_empty());
            return;
        }
    };
    let url = policy.url(text, Route::Direct).unwrap();
    assert_eq!(url.scheme(), "https");
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
    // What is sent out is taken again, and as the same host: there is one reading of it.
    let again = policy.url(url.as_str(), Route::Direct).unwrap();
    let host = Host::of(&url).unwrap();
    assert_eq!((Host::of(&again).unwrap(), &again), (host.clone(), &url));
    let authority = text.split("://").nth(1).unwrap();
    let authority = authority.split(['/', '?']).next().unwrap();
    let bare = authority.trim_start_matches('[').to_ascii_lowercase();
    match host {
        Host::Name(name) => assert!(bare.starts_with(&name), "{text:?}"),
        Host::Address(address) => assert!(!address.is_loopback() && !address.is_unspecified()),
    }
    let masked = source.masked();
    assert!(
        !masked.contains(['?', '#', '@']) && masked.starts_with("https://"),
        "{masked:?}"
    );
}

#[test]
fn a_name_survives_being_written_as_vcenter_does() {
    Target {
        name: "names",
        seeds: [
            "/DC0/vm/a%2fb",
            "100%",
            "https://vcenter.example:8443/sdk",
            "[::1]:443",
            "10.0.0.1",
        ]
        .map(|text| text.as_bytes().to_vec())
        .into(),
        words: &[
            "/", "%2F", "%2f", "%5c", "%25", "%", "https://", "http://", ":", "[", "]", "@", "#",
            "?", "é", "..",
        ],
        try_one: |input| {
            let Ok(text) = str::from_utf8(input) else {
                return;
            };
            assert_eq!(path::decode(&path::encode(text)), text);
            let names = path::split(text);
            let written: Vec<_> = names.iter().map(|name| path::encode(name)).collect();
            let whole = path::absolute(written.iter().map(String::as_str));
            assert_eq!(path::split(&whole), names);
            if let Ok(server) = text.parse::<Server>() {
                let again = server.to_string().parse::<Server>();
                assert_eq!(again.unwrap().url(), server.url(), "{text}");
            }
        },
    }
    .run();
}
