//! Recorded replies for tests, and what must hold for every one of them.

use super::{
    VimFault,
    property_collector::{ObjectContent, UpdateSet, read_objects, read_updates},
    reply::{self, Reply},
    xml::{Element, InvalidXml, Limits},
};
use std::{fs, path::PathBuf};

fn dir() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "vectors", "replies"]
        .iter()
        .collect()
}

/// A reply, byte for byte.
pub(super) fn recorded(name: &str) -> Vec<u8> {
    fs::read(dir().join(format!("{name}.xml"))).expect(name)
}

/// The fault in a reply.
pub(super) fn fault(name: &str) -> VimFault {
    match read_tree(&recorded(name)).expect(name) {
        Reply::Fault(fault) => *fault,
        Reply::Answer(answer) => panic!("{name}: {answer:?}"),
    }
}

/// The objects in a reply.
pub(super) fn objects(name: &str) -> Vec<ObjectContent> {
    match reply::read(&recorded(name), Limits::DEFAULT, |cursor, _| {
        read_objects(cursor)
    }) {
        Ok(Reply::Answer(objects)) => objects,
        other => panic!("{name}: {other:?}"),
    }
}

/// The changes in a reply.
pub(super) fn updates(name: &str) -> UpdateSet {
    match reply::read(&recorded(name), Limits::DEFAULT, |cursor, _| {
        read_updates(cursor)
    }) {
        Ok(Reply::Answer(Some(updates))) => updates,
        other => panic!("{name}: {other:?}"),
    }
}

/// The one property of this path among the objects in a reply.
pub(super) fn property(name: &str, path: &str) -> Element {
    let objects = objects(name);
    let mut found = objects.iter().filter_map(|object| object.property(path));
    found.next().expect(path).clone()
}

fn read_tree(document: &[u8]) -> Result<Reply<Element>, InvalidXml> {
    reply::read(document, Limits::DEFAULT, |cursor, start| {
        cursor.element(start)
    })
}

/// Reads a reply in every way there is; only a panic or an endless loop would be wrong.
fn read_in_every_way(document: &[u8]) {
    let limits = Limits {
        bytes: 1 << 20,
        depth: 32,
        elements: 10_000,
    };
    let _ = read_tree(document);
    let _ = reply::read(document, limits, |cursor, _| read_objects(cursor));
    let _ = reply::read(document, limits, |cursor, _| read_updates(cursor));
}

/// A small generator with a fixed beginning: each run tries the same.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

fn all() -> impl Iterator<Item = Vec<u8>> {
    fs::read_dir(dir())
        .unwrap()
        .map(|file| fs::read(file.unwrap().path()).unwrap())
}

#[test]
fn a_reply_that_is_cut_off_is_an_error() {
    for document in all() {
        let whole = document.trim_ascii_end();
        assert!(read_tree(whole).is_ok());
        for end in (0..whole.len()).step_by(7) {
            let cut = &whole[..end];
            assert!(read_tree(cut).is_err(), "{}", String::from_utf8_lossy(cut));
        }
    }
}

#[test]
fn no_reply_makes_the_reader_panic() {
    let mut random = Random(0x5eed);
    let pieces = [
        "<",
        ">",
        "</",
        "/>",
        "&",
        ";",
        "\"",
        "<![CDATA[",
        "]]>",
        "<!--",
        "&#x0;",
        "xmlns:a=\"\"",
        "<returnval>",
        "</returnval>",
        "\u{0}",
        "é",
    ];
    for document in all() {
        for _ in 0..300 {
            let mut broken = document.clone();
            for _ in 0..=random.below(3) {
                let from = random.below(broken.len());
                let to = (from + random.below(40)).min(broken.len());
                let piece = pieces[random.below(pieces.len())].bytes();
                match random.below(4) {
                    0 => broken.truncate(from.max(1)),
                    1 => drop(broken.splice(from..to, piece)),
                    2 => broken[from] ^= 1 << random.below(8),
                    _ => {
                        let copy = broken[from..to].to_vec();
                        drop(broken.splice(from..from, copy));
                    }
                }
            }
            read_in_every_way(&broken);
        }
    }
}
