//! What a Secret says of the requests for an ISO.

use crate::hidden::Hidden;
use k8s_openapi::api::core::v1::Secret;
use std::collections::BTreeMap;

/// What the source of an ISO is asked with, beyond its URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Headers to send.
    pub headers: BTreeMap<String, Hidden>,
    /// Who uses the proxy.
    pub username: String,
    /// What that one proves it by.
    pub password: Hidden,
    /// Authorities to trust, PEM.
    pub ca_bundle: String,
}

/// A Secret that does not say what a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// A value is not text.
    #[error("`{0}` is not UTF-8 text")]
    NotText(&'static str),
    /// A line is no header.
    #[error("line {0} of `headers` is not `Name: value`")]
    Header(usize),
}

/// What this Secret says.
pub fn request(secret: &Secret) -> Result<Request, InvalidRequest> {
    Ok(Request {
        headers: headers(text(secret, "headers")?)?,
        username: text(secret, "proxyUsername")?.into(),
        password: text(secret, "proxyPassword")?.into(),
        ca_bundle: text(secret, "ca.crt")?.into(),
    })
}

/// One header a line.
fn headers(text: &str) -> Result<BTreeMap<String, Hidden>, InvalidRequest> {
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let header = |(number, line): (usize, &str)| {
        let invalid = InvalidRequest::Header(number + 1);
        let (name, value) = line.split_once(':').ok_or(invalid)?;
        let name = name.trim();
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let good = !name.is_empty() && name.chars().all(is_token);
        let header = (name.to_owned(), value.trim().into());
        good.then_some(header).ok_or(invalid)
    };
    lines.map(header).collect()
}

/// The value without the line breaks that editors add; empty if there is none.
fn text<'a>(secret: &'a Secret, key: &'static str) -> Result<&'a str, InvalidRequest> {
    let value = secret.data.as_ref().and_then(|data| data.get(key));
    let value = value.map(|value| std::str::from_utf8(&value.0));
    let text = value
        .unwrap_or(Ok(""))
        .map_err(|_| InvalidRequest::NotText(key))?;
    Ok(text.trim_end_matches(['\r', '\n']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;

    fn secret(pairs: &[(&str, &[u8])]) -> Secret {
        let pair = |(key, value): &(&str, &[u8])| ((*key).to_owned(), ByteString(value.to_vec()));
        Secret {
            data: Some(pairs.iter().map(pair).collect()),
            ..Secret::default()
        }
    }

    #[test]
    fn all_keys_are_read_and_none_is_needed() {
        let all = secret(&[
            ("headers", b"Authorization: Bearer a:b\r\n\nX-Zone:b\n"),
            ("proxyUsername", b"u\n"),
            ("proxyPassword", b"p"),
            ("ca.crt", b"PEM\n"),
        ]);
        let header = |name: &str, value: &str| (name.to_owned(), Hidden(value.to_owned()));
        let expected = Request {
            headers: [header("Authorization", "Bearer a:b"), header("X-Zone", "b")].into(),
            username: "u".into(),
            password: "p".into(),
            ca_bundle: "PEM".into(),
        };
        assert_eq!(request(&all), Ok(expected));
        assert_eq!(request(&Secret::default()), Ok(Request::default()));
    }

    #[test]
    fn what_cannot_be_used_is_named_without_its_value() {
        for (key, value, error) in [
            ("headers", &b"A: b\ncanary"[..], InvalidRequest::Header(2)),
            ("headers", b": canary", InvalidRequest::Header(1)),
            ("headers", b"A b: canary", InvalidRequest::Header(1)),
            ("headers", b"\xff", InvalidRequest::NotText("headers")),
            ("ca.crt", b"\xff", InvalidRequest::NotText("ca.crt")),
        ] {
            let said = request(&secret(&[(key, value)])).unwrap_err();
            assert_eq!(said, error);
            assert!(!said.to_string().contains("canary"));
        }
    }
}
