//! The record that lies beside a file of ours and says what the file is.
//!
//! Only a file with its record is ours to remove, and only by its record a file is known again after the
//! driver was started anew. It holds no URL and nothing that a URL could be guessed from.

use super::{
    digest::Digest,
    source::{Content, Likeness, Source},
};
use prost_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Largest record that is read.
pub const MAX_BYTES: u64 = 16 << 10;

/// The form of the record; grows when a reader of today would misunderstand it.
const VERSION: u32 = 1;

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// The SHA-256 of its content.
    pub sha256: Digest,
    /// When it was whole, RFC 3339.
    stored_at: String,
    /// How it came there.
    pub origin: Origin,
}

/// How a file came to its datastore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The driver fetched it.
    Url(Fetched),
    /// Somebody uploaded it.
    Upload,
}

/// From where a file was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// The source for people, masked.
    pub source: String,
    /// Tells the source from others. Absent where it could be guessed from what is short: a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Digest>,
    /// What the caller called the content.
    #[serde(default)]
    pub revision: String,
    /// `ETag` of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// `Last-Modified` of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// What somebody wants, as far as it is known before it is fetched.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The SHA-256 that the content must have.
    pub sha256: Option<Digest>,
    /// Tells the source from others.
    pub address: Option<Digest>,
    /// What the caller calls the content.
    pub revision: &'a str,
    /// What the source says of its content now. Absent: it could not be asked.
    pub content: Option<&'a Content>,
}

// === impl Wanted ===

impl<'a> Wanted<'a> {
    /// The content of a source, of which it says this now.
    pub fn from_source(source: &Source, revision: &'a str, content: Option<&'a Content>) -> Self {
        Self {
            sha256: source.sha256(),
            address: source.address(),
            revision,
            content,
        }
    }
}

// === impl Record ===

impl Record {
    /// The record of a file that became whole at this time.
    pub fn new(size_bytes: u64, sha256: Digest, at: Timestamp, origin: Origin) -> Self {
        Self {
            version: VERSION,
            size_bytes,
            sha256,
            stored_at: at.to_string(),
            origin,
        }
    }

    /// The record in these bytes; nothing where they are none that this driver understands.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let record: Self = serde_json::from_slice(bytes).ok()?;
        (record.version == VERSION && record.stored_at().is_some()).then_some(record)
    }

    /// The bytes to be written.
    pub fn to_bytes(&self) -> Vec<u8> {
        // A record is made of texts and numbers, which can always be written.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// When the file was whole.
    pub fn stored_at(&self) -> Option<Timestamp> {
        self.stored_at.parse().ok()
    }

    /// Whether it says the same as another, whenever either was written.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let stored_at = other.stored_at.clone();
        let same_age = Self {
            stored_at,
            ..self.clone()
        };
        same_age == *other
    }

    /// Whether it is that of a file of this size.
    pub fn is_as_large(&self, size_bytes: Option<u64>) -> bool {
        size_bytes == Some(self.size_bytes)
    }

    /// Whether the file is what somebody wants, so that it need not be fetched.
    pub fn is_what(&self, wanted: &Wanted<'_>) -> bool {
        if let Some(sha256) = wanted.sha256 {
            return sha256 == self.sha256;
        }
        let Origin::Url(fetched) = &self.origin else {
            return false;
        };
        if fetched.address.is_none() || fetched.address != wanted.address {
            return false;
        }
        match wanted.content {
            Some(content) => fetched.is_content(content, self.size_bytes),
            // A source that cannot be asked is believed to have what it had, unless the caller knows better.
            None => fetched.revision == wanted.revision,
        }
    }
}

// === impl Fetched ===

impl Fetched {
    /// Whether a source that says this still has the content; no if it says too little to be sure.
    fn is_content(&self, now: &Content, size_bytes: u64) -> bool {
        let before = Content {
            length: size_bytes,
            etag: self.etag.clone(),
            last_modified: self.last_modified.clone(),
        };
        now.has_validator() && before.likeness(now) == Likeness::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(etag: Option<&str>, length: u64) -> Content {
        Content {
            length,
            etag: etag.map(Into::into),
            last_modified: None,
        }
    }

    fn record(address: Option<Digest>) -> Record {
        let fetched = Fetched {
            source: "https://images.example/***/minimal.iso".into(),
            address,
            revision: "r1".into(),
            etag: Some("\"1\"".into()),
            last_modified: None,
        };
        let at = Timestamp {
            seconds: 1_700_000_000,
            nanos: 0,
        };
        Record::new(7, Digest::of(b"content"), at, Origin::Url(fetched))
    }

    #[test]
    fn a_record_is_read_back_as_it_was_written() {
        for record in [record(Some(Digest::of(b"a"))), record(None)] {
            assert_eq!(Record::parse(&record.to_bytes()), Some(record));
        }
        let upload = Record {
            origin: Origin::Upload,
            ..record(None)
        };
        assert_eq!(Record::parse(&upload.to_bytes()), Some(upload));
    }

    #[test]
    fn records_of_the_same_content_differ_only_by_more_than_their_age() {
        let one = record(None);
        let later = Record {
            stored_at: "2026-01-01T00:00:00Z".into(),
            ..one.clone()
        };
        assert!(one.says_the_same(&later));
        assert!(!one.says_the_same(&record(Some(Digest::of(b"a")))));
    }

    #[test]
    fn what_is_no_record_of_ours_is_none() {
        let text = String::from_utf8(record(None).to_bytes()).expect("JSON");
        for other in [
            String::new(),
            "{}".into(),
            text.replace("\"version\": 1", "\"version\": 2"),
            text.replace("2023", "x"),
            text.replace("sha256\": \"", "sha256\": \"g"),
            text[..text.len() - 2].to_owned(),
        ] {
            assert_eq!(Record::parse(other.as_bytes()), None, "{other}");
        }
        let newer = text.replacen('{', "{\"newer\": 1,", 1);
        assert!(Record::parse(newer.as_bytes()).is_some());
    }

    #[test]
    fn a_file_is_taken_for_what_is_wanted_only_when_that_is_sure() {
        let (here, there) = (Some(Digest::of(b"here")), Some(Digest::of(b"there")));
        let (same, changed, longer) = (
            content(Some("\"1\""), 7),
            content(Some("\"2\""), 7),
            content(Some("\"1\""), 8),
        );
        let silent = content(None, 7);
        let dated = |etag| Content {
            last_modified: Some("Mon".into()),
            ..content(etag, 7)
        };
        let (more, unsure) = (dated(Some("\"1\"")), dated(None));
        let file = record(here);
        for (sha256, address, revision, content, is_taken) in [
            (None, here, "r1", Some(&same), true),
            (None, here, "r2", Some(&same), true),
            (None, here, "r1", Some(&more), true),
            (None, here, "r1", Some(&unsure), false),
            (None, here, "r1", Some(&changed), false),
            (None, here, "r1", Some(&longer), false),
            (None, here, "r1", Some(&silent), false),
            (None, here, "r1", None, true),
            (None, here, "r2", None, false),
            (None, there, "r1", Some(&same), false),
            (None, None, "r1", Some(&same), false),
            (Some(Digest::of(b"content")), there, "r2", None, true),
            (Some(Digest::of(b"other")), here, "r1", Some(&same), false),
        ] {
            let wanted = Wanted {
                sha256,
                address,
                revision,
                content,
            };
            assert_eq!(file.is_what(&wanted), is_taken, "{wanted:?}");
        }
        let wanted = Wanted {
            sha256: None,
            address: None,
            revision: "r1",
            content: None,
        };
        assert!(!record(None).is_what(&wanted));
    }
}
