//! Headers that a caller has sent to a source.

use contract::v1::Fault;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::collections::BTreeMap;

const FIELD: &str = "source.url.headers";
/// Most headers that are taken.
const MAX_HEADERS: usize = 32;
/// Most bytes of all names and values.
const MAX_BYTES: usize = 8 << 10;
/// Those that steer the connection or the transfer, which is the driver's.
const NOT_THE_CALLERS: [&str; 19] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// The headers of a request, checked. Their values are never printed.
pub(super) fn of(headers: BTreeMap<String, String>) -> Result<HeaderMap, Fault> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if headers.len() > MAX_HEADERS || bytes > MAX_BYTES {
        return Err(Fault::invalid(FIELD, "must be at most 32, of 8 KiB in all"));
    }
    headers
        .into_iter()
        .map(|(name, value)| header(&name, value))
        .collect()
}

fn header(name: &str, value: String) -> Result<(HeaderName, HeaderValue), Fault> {
    let parsed = HeaderName::try_from(name)
        .map_err(|_| Fault::invalid(FIELD, "has a name in it that is none of a header"))?;
    if NOT_THE_CALLERS.contains(&parsed.as_str()) {
        let problem = format!("has `{parsed}` in it, which is the driver's to set");
        return Err(Fault::invalid(FIELD, problem));
    }
    let problem = || Fault::invalid(FIELD, format!("has no valid value for `{parsed}`"));
    let mut value = HeaderValue::try_from(value).map_err(|_| problem())?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(name: &str, value: &str) -> Result<HeaderMap, Fault> {
        of([(name.to_owned(), value.to_owned())].into())
    }

    #[test]
    fn a_header_is_taken_and_its_value_is_never_printed() {
        let headers = taken("Authorization", "Bearer canary").unwrap();
        assert_eq!(headers["authorization"], "Bearer canary");
        assert!(!format!("{headers:?}").contains("canary"));
    }

    #[test]
    fn what_is_the_drivers_or_no_header_is_refused_without_its_value() {
        for (name, value) in [
            ("Host", "canary"),
            ("range", "canary"),
            ("Proxy-Authorization", "canary"),
            ("a b", "canary"),
            ("", "canary"),
            ("x", "canary\r\nHost: b"),
            ("x", "canary\0"),
        ] {
            let fault = taken(name, value).unwrap_err();
            assert_eq!(fault.field, FIELD);
            assert!(!fault.message.contains("canary"), "{fault}");
        }
        let many = (0..33).map(|i| (format!("x-{i}"), String::new()));
        assert_eq!(of(many.collect()).unwrap_err().field, FIELD);
        assert_eq!(taken("x", &"a".repeat(8 << 10)).unwrap_err().field, FIELD);
    }
}
