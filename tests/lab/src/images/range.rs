//! Which part of a content a request asks for (RFC 9110, chapter 14).

use http::header::{HeaderMap, HeaderName, IF_RANGE, RANGE};

/// The part that a reply gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// From the one byte to the other, which is in it.
    Bytes(u64, u64),
    /// None: what was asked for lies behind its end.
    None,
}

/// What tells one content from another that had the same URL.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validators<'a> {
    pub(super) etag: &'a str,
    pub(super) last_modified: &'a str,
}

/// The part of `size` bytes that these headers ask for.
pub(super) fn part(headers: &HeaderMap, size: u64, now: Validators<'_>) -> Part {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let same = text(IF_RANGE).is_none_or(|it| it == now.etag || it == now.last_modified);
    match text(RANGE).and_then(|range| range.strip_prefix("bytes=")) {
        Some(range) if same => wanted(range, size),
        _ => Part::Whole,
    }
}

/// One range. Several, and what cannot be read, are not served as ranges.
fn wanted(range: &str, size: u64) -> Part {
    let Some((first, last)) = range.split_once('-') else {
        return Part::Whole;
    };
    let end = size.saturating_sub(1);
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), _) if first >= size => Part::None,
        (Ok(first), Ok(last)) if first <= last => Part::Bytes(first, last.min(end)),
        (Ok(first), Err(_)) if last.is_empty() => Part::Bytes(first, end),
        (Err(_), Ok(last)) if first.is_empty() && last > 0 => {
            Part::Bytes(size.saturating_sub(last), end)
        }
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Validators<'_> = Validators {
        etag: "\"a\"",
        last_modified: "Thu, 01 Jan 2026 00:00:00 GMT",
    };

    #[test]
    fn a_range_is_served_while_the_content_is_the_one_that_is_meant() {
        for (range, condition, part) in [
            (None, None, Part::Whole),
            (Some("bytes=0-0"), None, Part::Bytes(0, 0)),
            (Some("bytes=10-"), None, Part::Bytes(10, 99)),
            (Some("bytes=90-200"), None, Part::Bytes(90, 99)),
            (Some("bytes=-10"), None, Part::Bytes(90, 99)),
            (Some("bytes=100-"), None, Part::None),
            (Some("bytes=0-1,3-4"), None, Part::Whole),
            (Some("bytes=5-4"), None, Part::Whole),
            (Some("lines=1-2"), None, Part::Whole),
            (Some("bytes=10-"), Some(NOW.etag), Part::Bytes(10, 99)),
            (
                Some("bytes=10-"),
                Some(NOW.last_modified),
                Part::Bytes(10, 99),
            ),
            (Some("bytes=10-"), Some("\"b\""), Part::Whole),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(RANGE, range), (IF_RANGE, condition)] {
                if let Some(value) = value {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            assert_eq!(
                super::part(&headers, 100, NOW),
                part,
                "{range:?} {condition:?}"
            );
        }
    }
}
