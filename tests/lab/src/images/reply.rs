//! What is answered to a request for an image.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION,
};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;

use super::content::Content;
use super::image::{Asked, Inner, Served};
use super::range::{Part, Validators, part};
use super::trouble::Trouble;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The page that takes the place of an image; a word of it must not be told to anybody.
const PAGE: &str = "<!DOCTYPE html><title>Log in</title><p>page-of-the-image-service</p>";
/// What was sent gets this time to go out before the connection breaks.
const LEAVES: Duration = Duration::from_millis(20);
/// Between two sendings where it is done slowly, and how many of them a second has.
const STEP: Duration = Duration::from_millis(50);
const STEPS: u64 = 20;

/// Answers a request for an image, or for what is none.
pub(super) fn to<B>(served: Option<Arc<Served>>, request: &Request<B>) -> Response<Body> {
    let Some(served) = served else {
        return page(StatusCode::NOT_FOUND);
    };
    let method = request.method();
    served.change(|inner| {
        let counts = &mut inner.counts;
        *(if method == Method::HEAD {
            &mut counts.heads
        } else {
            &mut counts.gets
        }) += 1;
        inner.asked.push(Asked {
            method: method.clone(),
            headers: request.headers().clone(),
        });
        let other = method != Method::GET && method != Method::HEAD;
        let no_head = |it: &Trouble| matches!(it, Trouble::NoHead).then_some(());
        if other || method == Method::HEAD && inner.troubles.take(no_head).is_some() {
            return page(StatusCode::METHOD_NOT_ALLOWED);
        }
        let instead = inner.troubles.take(instead);
        instead.map_or_else(|| image(inner, &served, request), Instead::response)
    })
}

/// What is answered in the place of an image.
enum Instead {
    Page(StatusCode),
    Redirect(String),
}

fn instead(trouble: &Trouble) -> Option<Instead> {
    match trouble {
        Trouble::Refused(status) => Some(Instead::Page(*status)),
        Trouble::Page => Some(Instead::Page(StatusCode::OK)),
        Trouble::Redirected(url) => Some(Instead::Redirect(url.clone())),
        Trouble::NoHead
        | Trouble::NoRanges
        | Trouble::NoLength
        | Trouble::Length(_)
        | Trouble::Broken { .. }
        | Trouble::Stalled { .. }
        | Trouble::Slow { .. } => None,
    }
}

impl Instead {
    fn response(self) -> Response<Body> {
        match self {
            Self::Page(status) => page(status),
            Self::Redirect(url) => {
                let mut response = page(StatusCode::FOUND);
                set(&mut response, LOCATION, &url);
                response
            }
        }
    }
}

fn page(status: StatusCode) -> Response<Body> {
    let body = Full::new(Bytes::from_static(PAGE.as_bytes()));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, "text/html; charset=utf-8");
    response
}

/// The image itself, or the part of it that was asked for.
fn image<B>(inner: &mut Inner, served: &Arc<Served>, request: &Request<B>) -> Response<Body> {
    let content = inner.content.clone();
    let size = content.size();
    let etag = format!("\"{size:x}-{:x}\"", content.seed());
    let last_modified = last_modified(content.seed());
    let validators = Validators {
        etag: &etag,
        last_modified: &last_modified,
    };
    let no_ranges = |it: &Trouble| matches!(it, Trouble::NoRanges).then_some(());
    let ranges = inner.troubles.take(no_ranges).is_none();
    let part = if ranges {
        part(request.headers(), size, validators)
    } else {
        Part::Whole
    };
    let (status, begin, end) = match part {
        Part::Whole => (StatusCode::OK, 0, size),
        Part::Bytes(first, last) => (StatusCode::PARTIAL_CONTENT, first, last + 1),
        Part::None => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
    };
    inner.counts.parts += u64::from(status == StatusCode::PARTIAL_CONTENT);
    let length = |it: &Trouble| match it {
        Trouble::NoLength => Some(None),
        Trouble::Length(length) => Some(Some(*length)),
        _ => None,
    };
    let length = inner.troubles.take(length).unwrap_or(Some(end - begin));
    let body = if request.method() == Method::HEAD {
        Full::default()
            .map_err(|never| match never {})
            .boxed_unsync()
    } else {
        let more_is_told = length.is_some_and(|length| length > end - begin);
        Sending::new(served, content, begin..end, more_is_told).body()
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    set(&mut response, ETAG, &etag);
    set(&mut response, LAST_MODIFIED, &last_modified);
    set(&mut response, CONTENT_TYPE, "application/octet-stream");
    if ranges {
        set(&mut response, ACCEPT_RANGES, "bytes");
    }
    if let Some(length) = length {
        set(&mut response, CONTENT_LENGTH, &length.to_string());
    }
    match part {
        Part::Whole => {}
        Part::Bytes(first, last) => {
            set(
                &mut response,
                CONTENT_RANGE,
                &format!("bytes {first}-{last}/{size}"),
            );
        }
        Part::None => set(&mut response, CONTENT_RANGE, &format!("bytes */{size}")),
    }
    response
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// A time that follows from the seed: another content was made at another time.
fn last_modified(seed: u64) -> String {
    let seconds = i64::try_from(seed % (1 << 30)).unwrap_or_default();
    let at = jiff::Timestamp::from_second(1_700_000_000 + seconds).unwrap_or_default();
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The bytes of one reply, on their way.
struct Sending {
    served: Arc<Served>,
    content: Content,
    at: u64,
    end: u64,
    /// How many were sent.
    sent: u64,
    /// The connection breaks at the end: more was told.
    more_is_told: bool,
}

/// What happens next to a reply.
enum Next {
    Send { most: u64, pause: Option<Duration> },
    Stand,
    Break,
}

impl Sending {
    fn new(served: &Arc<Served>, content: Content, range: Range<u64>, more_is_told: bool) -> Self {
        Self {
            served: Arc::clone(served),
            content,
            at: range.start,
            end: range.end,
            sent: 0,
            more_is_told,
        }
    }

    fn body(self) -> Body {
        let frames = futures::stream::unfold(Some(self), |sending| async {
            let mut sending = sending?;
            match sending.chunk().await {
                Ok(chunk) if chunk.is_empty() => None,
                Ok(chunk) => Some((Ok(Frame::data(chunk)), Some(sending))),
                Err(error) => Some((Err(error), None)),
            }
        });
        StreamBody::new(frames).boxed_unsync()
    }

    /// The next bytes; none at the end.
    async fn chunk(&mut self) -> io::Result<Bytes> {
        let next = || self.served.change(|inner| next(inner, self.sent));
        let (most, pause) = match next() {
            Next::Send { most, pause } => (most, pause),
            Next::Break => {
                tokio::time::sleep(LEAVES).await;
                return Err(io::Error::other("broken, as the lab was asked"));
            }
            Next::Stand => {
                self.served.until_moving().await;
                (u64::MAX, None)
            }
        };
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        let chunk = self.content.chunk(self.at);
        let most = most.min(self.end - self.at).min(chunk.len() as u64);
        let chunk = chunk.slice(..usize::try_from(most).unwrap_or(chunk.len()));
        if chunk.is_empty() && self.more_is_told {
            tokio::time::sleep(LEAVES).await;
        }
        self.at += most;
        self.sent += most;
        self.served.change(|inner| inner.counts.bytes += most);
        Ok(chunk)
    }
}

/// What happens to a reply of which so many bytes were sent.
fn next(inner: &mut Inner, sent: u64) -> Next {
    let due = |after: u64| (after <= sent).then_some(());
    let breaks = |it: &Trouble| match it {
        Trouble::Broken { after } => due(*after),
        _ => None,
    };
    if inner.troubles.take(breaks).is_some() {
        return Next::Break;
    }
    let stands = |it: &Trouble| match it {
        Trouble::Stalled { after } => due(*after),
        _ => None,
    };
    if inner.troubles.all(stands).next().is_some() {
        inner.counts.stalled += 1;
        return Next::Stand;
    }
    let ahead = |it: &Trouble| match it {
        Trouble::Broken { after } | Trouble::Stalled { after } => Some(after - sent.min(*after)),
        _ => None,
    };
    let rate = |it: &Trouble| match it {
        Trouble::Slow { rate } => Some(*rate),
        _ => None,
    };
    let most = inner.troubles.all(ahead).min().unwrap_or(u64::MAX);
    match inner.troubles.all(rate).min() {
        None => Next::Send { most, pause: None },
        Some(rate) => Next::Send {
            most: most.min((rate / STEPS).max(1)),
            pause: Some(STEP),
        },
    }
}
