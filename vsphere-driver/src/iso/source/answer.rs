//! What the answer of a source means. Its body is never part of it.

use super::{Content, Likeness};
use contract::v1::{Fault, Reason};
use reqwest::{
    StatusCode,
    header::{
        CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName,
        IF_RANGE, LAST_MODIFIED, LOCATION, RANGE, RETRY_AFTER,
    },
};
use std::time::Duration;

/// Longest wait that a source may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(10);
/// Younger than this, a content is said to be of the moment that it was asked for; the times of HTTP have no
/// fractions of a second.
pub(super) const AS_OF_NOW: Duration = Duration::from_secs(2);

/// Where an answer sends on, if it does.
pub(super) fn redirect(status: StatusCode, headers: &HeaderMap) -> Option<&str> {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
        .then(|| text(headers, &LOCATION))
        .flatten()
}

/// Whether an answer to HEAD may be no more than a dislike of HEAD, as with a URL that is signed for GET.
pub(super) fn dislikes_head(status: StatusCode) -> bool {
    matches!(status.as_u16(), 403 | 405 | 501)
}

/// What is wrong with an answer that brings no content.
pub(super) fn refusal(status: StatusCode, headers: &HeaderMap, host: &str) -> Option<Fault> {
    let code = status.as_u16();
    let reason = match code {
        200 | 206 => return None,
        401 | 403 | 410 => Reason::IsoSourceExpired,
        408 | 429 | 500.. => Reason::IsoSourceUnreachable,
        _ => Reason::IsoSourceNotFound,
    };
    let what = format!("`{host}` answered with HTTP status {code}");
    let fault = Fault::new(reason, what)
        .with("host", host)
        .with("http_status", code);
    let seconds = text(headers, &RETRY_AFTER).and_then(|value| value.parse().ok());
    Some(match seconds.map(Duration::from_secs) {
        Some(wait) if reason == Reason::IsoSourceUnreachable => {
            fault.after(wait.min(MAX_RETRY_AFTER))
        }
        _ => fault,
    })
}

/// What an answer says of the whole content.
pub(super) fn content(
    status: StatusCode,
    headers: &HeaderMap,
    host: &str,
) -> Result<Content, Fault> {
    let unusable = |what: &str| {
        let what = format!("`{host}` {what}");
        Fault::new(Reason::IsoSourceUnreachable, what).with("host", host)
    };
    let encoding = text(headers, &CONTENT_ENCODING).unwrap_or("identity");
    if !encoding.eq_ignore_ascii_case("identity") {
        return Err(unusable("sends the content encoded, though asked not to"));
    }
    let length = if status == StatusCode::PARTIAL_CONTENT {
        range(headers).and_then(|(_, total)| total)
    } else {
        text(headers, &CONTENT_LENGTH).and_then(|value| value.parse().ok())
    };
    Ok(Content {
        length: length.ok_or_else(|| {
            unusable("does not say how large the content is: it must send `Content-Length`")
        })?,
        etag: text(headers, &ETAG).map(str::to_owned),
        last_modified: last_modified(headers).map(str::to_owned),
    })
}

/// When the content changed, if the source knows: some make it anew for each answer and say so of each.
fn last_modified(headers: &HeaderMap) -> Option<&str> {
    text(headers, &LAST_MODIFIED).filter(|_| !is_too_new(headers))
}

/// Whether a content is so new that the time of its change does not tell it from the next one.
fn is_too_new(headers: &HeaderMap) -> bool {
    let time = |name| text(headers, name).and_then(|text| httpdate::parse_http_date(text).ok());
    let (Some(changed), Some(answered)) = (time(&LAST_MODIFIED), time(&DATE)) else {
        return false;
    };
    let age = answered.duration_since(changed);
    age.map_or(true, |age| age < AS_OF_NOW)
}

/// Whether the source will say more of the content when it is a moment older.
pub(super) fn says_more_soon(headers: &HeaderMap) -> bool {
    is_too_new(headers) && !headers.contains_key(ETAG)
}

/// Asks for the content from a byte on, and only if it is still the known one.
pub(super) fn continued(from: u64, known: Option<&Content>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if from > 0 {
        let range = format!("bytes={from}-");
        headers.extend(range.parse().ok().map(|range| (RANGE, range)));
        let validator = known.and_then(Content::validator);
        let validator = validator.and_then(|validator| validator.parse().ok());
        headers.extend(validator.map(|validator| (IF_RANGE, validator)));
    }
    headers
}

/// Asks for a single byte: in its answer the source says what it would of the whole.
pub(super) fn one_byte() -> HeaderMap {
    HeaderMap::from_iter([(
        RANGE,
        reqwest::header::HeaderValue::from_static("bytes=0-0"),
    )])
}

/// How many bytes of the body come before byte `from` of the content; a fault when the content is not the
/// known one, or might not be and no `SHA-256` would tell.
pub(super) fn to_skip(
    (status, headers): (StatusCode, &HeaderMap),
    (from, known): (u64, Option<&Content>),
    content: &Content,
    is_verified_later: bool,
    host: &str,
) -> Result<u64, Fault> {
    let changed = |what: &str| {
        Fault::new(
            Reason::IsoSourceChanged,
            format!("the content at `{host}` {what}"),
        )
        .with("host", host)
    };
    if known.is_some_and(|known| known.likeness(content) == Likeness::Other) {
        return Err(changed("changed"));
    }
    let is_partial = status == StatusCode::PARTIAL_CONTENT;
    if from > 0 && !is_verified_later {
        let validator = known.and_then(Content::validator);
        // A part comes only if the validator that was sent with the request still holds.
        let is_confirmed = validator.is_some() && (is_partial || content.validator() == validator);
        if !is_confirmed {
            return Err(changed(
                "cannot be continued in the middle: nothing tells whether it is still the same",
            ));
        }
    }
    let start = if is_partial {
        range(headers).map_or(u64::MAX, |(start, _)| start)
    } else {
        0
    };
    from.checked_sub(start)
        .ok_or_else(|| changed("came in another part than was asked for"))
}

/// First byte and size of the whole, in `Content-Range: bytes 5-9/10`.
fn range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let value = text(headers, &CONTENT_RANGE)?.strip_prefix("bytes ")?;
    let (part, total) = value.split_once('/')?;
    let (start, _) = part.split_once('-')?;
    Some((start.parse().ok()?, total.parse().ok()))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "images.example";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn known(etag: &str, last_modified: &str) -> Content {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Content {
            length: 10,
            etag: some(etag),
            last_modified: some(last_modified),
        }
    }

    fn status(code: u16) -> StatusCode {
        StatusCode::from_u16(code).unwrap()
    }

    #[test]
    fn each_status_has_its_reason() {
        for (reason, codes) in [
            (Reason::IsoSourceExpired, &[401, 403, 410][..]),
            (
                Reason::IsoSourceNotFound,
                &[400, 404, 405, 407, 416, 418, 204, 300, 302, 304],
            ),
            (
                Reason::IsoSourceUnreachable,
                &[408, 429, 500, 502, 503, 504, 599, 999],
            ),
        ] {
            for code in codes {
                let fault = refusal(status(*code), &HeaderMap::new(), HOST).expect("a fault");
                assert_eq!(fault.reason(), reason, "{code}");
                assert_eq!(fault.metadata["http_status"], code.to_string());
                assert_eq!(fault.metadata["host"], HOST);
            }
        }
        assert_eq!(refusal(status(200), &HeaderMap::new(), HOST), None);
    }

    #[test]
    fn a_source_that_asks_to_wait_is_waited_for_within_bounds() {
        for (code, value, wait) in [
            (503, "7", Some(Duration::from_secs(7))),
            (429, "999999", Some(MAX_RETRY_AFTER)),
            (503, "Wed, 21 Oct 2026 07:28:00 GMT", None),
            (404, "7", None),
        ] {
            let fault = refusal(status(code), &headers(&[("retry-after", value)]), HOST);
            assert_eq!(fault.and_then(|fault| fault.wait()), wait, "{code} {value}");
        }
    }

    #[test]
    fn the_size_of_the_whole_is_taken_from_where_it_stands() {
        for (code, pairs, length) in [
            (200, &[("content-length", "10")][..], Some(10)),
            (
                206,
                &[("content-length", "1"), ("content-range", "bytes 0-0/10")],
                Some(10),
            ),
            (
                206,
                &[("content-length", "1"), ("content-range", "bytes 0-0/*")],
                None,
            ),
            (206, &[("content-length", "1")], None),
            (200, &[], None),
            (200, &[("content-length", "ten")], None),
            (
                200,
                &[("content-length", "10"), ("content-encoding", "gzip")],
                None,
            ),
        ] {
            let content = content(status(code), &headers(pairs), HOST);
            let reason = content.as_ref().err().map(Fault::reason);
            assert_eq!(
                content.ok().map(|content| content.length),
                length,
                "{pairs:?}"
            );
            let expected = length.is_none().then_some(Reason::IsoSourceUnreachable);
            assert_eq!(reason, expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_time_that_is_always_that_of_the_answer_tells_no_content_from_another() {
        const AT_NOON: &str = "Fri, 20 Nov 2026 12:00:00 GMT";
        for (date, is_told) in [
            (AT_NOON, false),
            ("Fri, 20 Nov 2026 12:00:01 GMT", false),
            ("Fri, 20 Nov 2026 11:59:00 GMT", false),
            ("Fri, 20 Nov 2026 12:00:02 GMT", true),
            ("none", true),
        ] {
            let answer = headers(&[
                ("content-length", "10"),
                ("last-modified", AT_NOON),
                ("date", date),
            ]);
            let content = content(status(200), &answer, HOST).expect("a content");
            assert_eq!(content.last_modified.is_some(), is_told, "{date}");
        }
    }

    #[test]
    fn a_transfer_goes_on_only_in_the_same_content() {
        const CHANGED: Result<u64, Reason> = Err(Reason::IsoSourceChanged);
        let (a, b, weak) = (known("\"a\"", ""), known("\"b\"", ""), known("W/\"a\"", ""));
        let (monday, tuesday, silent) = (known("", "Mon"), known("", "Tue"), known("", ""));
        for (why, code, from, before, now, expected) in [
            ("from the beginning", 200, 0, &silent, &silent, Ok(0)),
            ("the part that was asked for", 206, 4, &a, &silent, Ok(0)),
            ("a part that begins before", 206, 6, &a, &a, Ok(2)),
            ("a part that begins behind", 206, 3, &a, &a, CHANGED),
            ("the whole instead of a part", 200, 4, &a, &a, Ok(4)),
            (
                "the whole, with its date alone",
                200,
                4,
                &monday,
                &monday,
                Ok(4),
            ),
            ("another content", 200, 4, &a, &b, CHANGED),
            ("another date", 206, 4, &monday, &tuesday, CHANGED),
            (
                "a part of who knows what",
                206,
                4,
                &silent,
                &silent,
                CHANGED,
            ),
            ("a part of a weak tag", 206, 4, &weak, &weak, CHANGED),
            ("a change before the first byte", 200, 0, &a, &b, CHANGED),
        ] {
            let answer = headers(&[("content-range", "bytes 4-9/10")]);
            let place = (from, Some(before));
            let skip = to_skip((status(code), &answer), place, now, false, HOST);
            assert_eq!(skip.map_err(|fault| fault.reason()), expected, "{why}");
        }
    }

    #[test]
    fn what_is_verified_in_the_end_may_be_continued_without_a_validator() {
        let answer = headers(&[("content-range", "bytes 4-9/10")]);
        let known = known("", "");
        let skip = to_skip(
            (status(206), &answer),
            (4, Some(&known)),
            &known,
            true,
            HOST,
        );
        assert_eq!(skip, Ok(0));
    }

    #[test]
    fn the_rest_is_asked_for_under_the_strongest_validator() {
        for (known, validator) in [
            (known("\"a\"", "Mon"), Some("\"a\"")),
            (known("W/\"a\"", "Mon"), Some("Mon")),
            (known("W/\"a\"", ""), None),
        ] {
            let asked = continued(4, Some(&known));
            assert_eq!(text(&asked, &RANGE), Some("bytes=4-"));
            assert_eq!(text(&asked, &IF_RANGE), validator);
        }
        assert!(continued(0, Some(&known("\"a\"", ""))).is_empty());
    }
}
