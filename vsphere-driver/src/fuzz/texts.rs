//! Texts of people: paths on datastores, names in the inventory, addresses of servers.

use super::Target;
use crate::{inventory::path, iso::path::DatastorePath, soap::Server};

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
