//! Replies that no vCenter sends, and that somebody in its place might.

use bytes::Bytes;
use clap::ValueEnum;
use futures::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde::{Deserialize, Serialize};

use super::forward::Body;

/// Bytes of [`Hostile::Huge`].
const HUGE: u64 = 100 << 20;
/// Bytes that are sent at once.
const CHUNK: usize = 64 << 10;
/// Elements inside each other in [`Hostile::Deep`].
const LEVELS: usize = 1000;
/// Entities that each stand for ten of the one before, in [`Hostile::Entities`].
const ENTITIES: usize = 10;
/// Headers of one KiB each in [`Hostile::Headers`].
const HEADERS: usize = 1000;

const BEGIN: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><Response xmlns="urn:vim25"><returnval>"#;
const END: &str = "</returnval></Response></Body></Envelope>";

/// What is wrong with a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Hostile {
    /// 100 MiB of text.
    Huge,
    /// Text without an end.
    Endless,
    /// Elements without an end, each of which is small.
    Elements,
    /// 1,000 elements inside each other.
    Deep,
    /// Entities that grow tenfold ten times.
    Entities,
    /// A web page, with the status of a success.
    WebPage,
    /// A MiB of headers.
    Headers,
}

impl Hostile {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Huge,
        Self::Endless,
        Self::Elements,
        Self::Deep,
        Self::Entities,
        Self::WebPage,
        Self::Headers,
    ];
}

/// A reply of this kind.
pub(super) fn reply(hostile: Hostile) -> Response<Body> {
    match hostile {
        Hostile::Huge => {
            let mut huge = xml(endless(&"x".repeat(CHUNK)));
            huge.headers_mut().insert(CONTENT_LENGTH, HUGE.into());
            huge
        }
        Hostile::Endless => xml(endless(&"x".repeat(CHUNK))),
        Hostile::Elements => xml(endless(&"<a/>".repeat(CHUNK / 4))),
        Hostile::Deep => {
            let (open, close) = ("<a>".repeat(LEVELS), "</a>".repeat(LEVELS));
            xml(once(format!("{BEGIN}{open}{close}{END}")))
        }
        Hostile::Entities => xml(once(entities())),
        Hostile::WebPage => {
            let page = "<!DOCTYPE html><html><body>Please log in<br></body></html>";
            let mut page = Response::new(once(page.to_owned()));
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            page.headers_mut().insert(CONTENT_TYPE, html);
            page
        }
        Hostile::Headers => {
            let mut flood = xml(once(format!("{BEGIN}{END}")));
            let value = "x".repeat(1000);
            for _ in 0..HEADERS {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    flood.headers_mut().append("x-flood", value);
                }
            }
            flood
        }
    }
}

fn xml(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("text/xml; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn once(text: String) -> Body {
    let frame = Ok(Frame::data(Bytes::from(text)));
    StreamBody::new(stream::iter([frame])).boxed_unsync()
}

/// The beginning of an answer, and then the same again and again.
fn endless(text: &str) -> Body {
    let begin = Bytes::from_static(BEGIN.as_bytes());
    let again = Bytes::copy_from_slice(text.as_bytes());
    let chunks = std::iter::once(begin).chain(std::iter::repeat(again));
    StreamBody::new(stream::iter(chunks.map(|chunk| Ok(Frame::data(chunk))))).boxed_unsync()
}

fn entities() -> String {
    let entity = |level: usize| {
        let before = match level.checked_sub(1) {
            Some(before) => format!("&e{before};").repeat(10),
            None => "ten bytes.".to_owned(),
        };
        format!(r#"<!ENTITY e{level} "{before}">"#)
    };
    let definitions: Vec<_> = (0..=ENTITIES).map(entity).collect();
    let definitions = definitions.concat();
    let (head, rest) = BEGIN.split_at(BEGIN.find("<Envelope").unwrap_or_default());
    format!("{head}<!DOCTYPE Envelope [{definitions}]>{rest}&e{ENTITIES};{END}")
}
