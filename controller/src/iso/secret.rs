//! What a Secret says of the requests for an ISO.

use super::{Lack, host::host};
use crate::{hidden::Hidden, hub::Sought, reason::Reason};
use k8s_openapi::api::core::v1::Secret;
use std::collections::BTreeMap;

/// What the source of an ISO is asked with, beyond its URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Hosts to which headers and login may be sent: those of sources and of proxies.
    pub hosts: Vec<String>,
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
        hosts: hosts(text(secret, "hosts")?),
        headers: headers(text(secret, "headers")?)?,
        username: text(secret, "proxyUsername")?.into(),
        password: text(secret, "proxyPassword")?.into(),
        ca_bundle: text(secret, "ca.crt")?.into(),
    })
}

/// What a source is asked with, by what is known of the Secret of this name.
pub fn asked_with(
    name: &str,
    said: Sought<Result<Request, InvalidRequest>>,
) -> Result<Request, Lack> {
    match said {
        Sought::Found(Ok(request)) => Ok(request),
        Sought::Found(Err(invalid)) => {
            let message = format!("In the Secret `{name}`, {invalid}. Correct it.");
            Err(Lack::new(Reason::RequestSecretInvalid, message))
        }
        Sought::Absent | Sought::KindMissing => {
            let message = format!("There is no Secret `{name}` in the namespace. Create it.");
            Err(Lack::new(Reason::RequestSecretNotFound, message))
        }
        Sought::Unreadable(why) => {
            let message = format!(
                "The Secret `{name}` cannot be read: {why}. Let the controller get, list and watch it."
            );
            Err(Lack::new(Reason::RequestSecretUnreadable, message))
        }
        Sought::Syncing => {
            let message = format!("The Secret `{name}` is being read. Wait.");
            Err(Lack::new(Reason::RequestSecretSyncing, message))
        }
    }
}

/// Names between commas or white space.
fn hosts(text: &str) -> Vec<String> {
    let names = text.split(|c: char| c == ',' || c.is_whitespace());
    let names = names.filter(|name| !name.is_empty());
    names.map(str::to_ascii_lowercase).collect()
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

// === impl Request ===

impl Request {
    /// Whether what is secret in it may be sent there. Who may write templates need not be one who may read
    /// Secrets: it goes to no host but those that the Secret itself names.
    pub(super) fn permits(&self, url: &Hidden, proxy: Option<&str>) -> Result<(), Lack> {
        let for_source = (!self.headers.is_empty()).then_some(("headers", url.0.as_str()));
        let has_login = !(self.username.is_empty() && self.password.0.is_empty());
        let for_proxy = proxy.filter(|_| has_login);
        let for_proxy = for_proxy.map(|proxy| ("proxyUsername and proxyPassword", proxy));
        for (what, url) in for_source.into_iter().chain(for_proxy) {
            let Some(host) = host(url) else {
                let message = format!(
                    "The Secret's {what} are sent to hosts that `hosts` in it names, and of the present URL \
                     nobody can tell the host for sure. Write it as https://host/path."
                );
                return Err(Lack::new(Reason::RequestSecretNotPermitted, message));
            };
            if !self.hosts.iter().any(|it| it.eq_ignore_ascii_case(host)) {
                let message = format!(
                    "The Secret's {what} are not for `{host}`: `hosts` in it does not name that host. Add it \
                     there, if it may have them."
                );
                return Err(Lack::new(Reason::RequestSecretNotPermitted, message));
            }
        }
        Ok(())
    }
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
            ("hosts", b"Images.example, proxy.example\n10.0.0.1\n"),
            ("headers", b"Authorization: Bearer a:b\r\n\nX-Zone:b\n"),
            ("proxyUsername", b"u\n"),
            ("proxyPassword", b"p"),
            ("ca.crt", b"PEM\n"),
        ]);
        let header = |name: &str, value: &str| (name.to_owned(), Hidden(value.to_owned()));
        let host = |name: &str| name.to_owned();
        let expected = Request {
            hosts: ["images.example", "proxy.example", "10.0.0.1"]
                .map(host)
                .into(),
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

    #[test]
    fn what_is_secret_goes_only_to_hosts_that_the_secret_names() {
        let url = Hidden::from("https://Images.example/a.iso");
        let proxy = Some("http://proxy.example:3128");
        let of = |hosts: &str, secret: &[(&str, &[u8])]| {
            let mut all = vec![("hosts", hosts.as_bytes())];
            all.extend(secret);
            request(&self::secret(&all)).unwrap()
        };
        let headers: &[(&str, &[u8])] = &[("headers", b"A: canary")];
        let login: &[(&str, &[u8])] = &[("proxyPassword", b"canary")];
        let authorities: &[(&str, &[u8])] = &[("ca.crt", b"PEM")];
        let both = "images.example proxy.example";
        for (why, request, proxy, permitted) in [
            ("they are named", of(both, headers), proxy, true),
            ("and the proxy", of(both, login), proxy, true),
            ("another one is", of("other.example", headers), proxy, false),
            ("a part of it is", of("example", headers), proxy, false),
            ("none is", of("", headers), None, false),
            (
                "only the source is",
                of("images.example", login),
                proxy,
                false,
            ),
            ("nothing is sent", of("", login), None, true),
            ("nothing is secret", of("", authorities), proxy, true),
        ] {
            let lack = request.permits(&url, proxy).err();
            assert_eq!(lack.is_none(), permitted, "{why}");
            let reason = lack.as_ref().map(|lack| lack.reason);
            assert!(reason.is_none_or(|it| it == Reason::RequestSecretNotPermitted));
            assert!(!format!("{lack:?}").contains("canary"));
        }
        let unclear = Hidden::from("https://images.example\\@other.example/canary");
        let lack = of(both, headers).permits(&unclear, None).unwrap_err();
        assert!(!lack.message.contains("canary"));
    }

    #[test]
    fn what_is_known_of_the_secret_says_whether_its_source_can_be_asked() {
        for (said, expected) in [
            (Sought::Syncing, Reason::RequestSecretSyncing),
            (Sought::Absent, Reason::RequestSecretNotFound),
            (
                Sought::Unreadable("no".into()),
                Reason::RequestSecretUnreadable,
            ),
            (
                Sought::Found(Err(InvalidRequest::Header(1))),
                Reason::RequestSecretInvalid,
            ),
        ] {
            let lack = asked_with("s", said).unwrap_err();
            assert_eq!(lack.reason, expected);
            assert!(lack.message.contains("`s`") && lack.message.contains(". "));
        }
        let request = Request::default();
        assert_eq!(
            asked_with("s", Sought::Found(Ok(request.clone()))),
            Ok(request)
        );
    }
}
