//! Wishes for tests.

use super::{FromUrl, IsoId};
use crate::{
    edge::{
        caller::Caller,
        client::{Client, Hubs},
        fence::Fence,
    },
    iso::{
        digest::Digest,
        image::Stored,
        name::Label,
        source::{Content, Policy, Rules, Source},
    },
    soap::MoRef,
};
use contract::v1::UrlSource;

/// An ISO of this owner.
pub fn id(owner: &str) -> IsoId {
    IsoId {
        hub_id: "hub".into(),
        owner_uid: owner.into(),
        id: String::new(),
    }
}

/// A datastore.
pub fn datastore(number: u8) -> MoRef {
    MoRef::new("Datastore", format!("datastore-{number}"))
}

/// Whoever asks.
///
/// # Panics
/// Never: anybody may ask.
pub fn caller() -> Caller {
    let client = Client::new("loopback", Hubs::All);
    Caller::admit(None, &client, &Fence::default()).expect("admitted")
}

/// A content, as its source tells of it.
pub fn content(etag: &str) -> Content {
    Content {
        length: 100,
        etag: Some(etag.into()),
        last_modified: None,
    }
}

/// A file with a content.
pub fn stored(content: &str) -> Stored {
    Stored {
        file: format!("{content}.iso"),
        path: format!("[ds] hcp-iso/{content}.iso"),
        size_bytes: 100,
        sha256: Digest::of(content.as_bytes()),
        stored_at: None,
        found: None,
    }
}

/// A wish for what is at this URL, on these datastores.
///
/// # Panics
/// On a URL that no policy lets through.
pub fn at_url(url: &str, revision: &str, datastores: &[MoRef]) -> FromUrl {
    let message = UrlSource {
        url: url.into(),
        ..UrlSource::default()
    };
    let policy = Policy::new(Rules::default());
    FromUrl {
        image: Digest::of(url.as_bytes()),
        source: Source::of(message, &policy).expect("a good URL"),
        revision: revision.into(),
        label: Label::parse("agent").expect("a good label"),
        datastores: datastores.to_vec(),
    }
}
