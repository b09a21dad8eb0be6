//! ISOs at a URL: which of them the driver takes, and how it fetches them.

mod address;
pub mod allowed;
mod answer;
mod body;
#[cfg(test)]
mod corpus;
mod fetch;
mod headers;
mod mask;
pub mod network;
pub mod policy;
mod resolve;
pub mod rule;
#[cfg(test)]
mod tests;

pub use self::{
    fetch::{Fetcher, Opened},
    policy::{Policy, Rules},
};

use self::policy::{Host, Route};
use super::digest::Digest;
use crate::{
    secret::Secret,
    soap::{Trust, trust::InvalidTrust},
};
use contract::v1::{Fault, HttpProxy, UrlSource};
use reqwest::{Url, header::HeaderMap};
use rule::Rule;
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, fmt};

/// Largest CA bundle that is taken.
const MAX_CA_BUNDLE: usize = 256 << 10;
/// Longest revision that is taken, in characters.
const MAX_REVISION: usize = 128;

/// A source that was accepted: it has the form of one, and as far as its text shows the policy lets it
/// through. Nothing was asked yet.
#[derive(Clone)]
pub struct Source {
    url: Secret,
    masked: String,
    trust: Trust,
    headers: HeaderMap,
    proxy: Option<Proxy>,
    sha256: Option<Digest>,
    revision: String,
    identity: [u8; 32],
}

/// A proxy to go through.
#[derive(Clone, Debug)]
struct Proxy {
    url: Url,
    login: Option<(String, Secret)>,
}

/// What a source says of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its size in bytes: a source that does not say it cannot be transferred.
    pub length: u64,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

// === impl Source ===

impl Source {
    /// Takes the source of a request, or says which field is wrong or what refuses it.
    pub fn of(message: UrlSource, policy: &Policy) -> Result<Self, Fault> {
        let UrlSource {
            url,
            ca_bundle_pem,
            headers,
            proxy,
            sha256,
            revision,
        } = message;
        let identity = identity(&url, &headers, &revision);
        let url = Secret::new(url);
        let route = proxy.as_ref().map_or(Route::Direct, |_| Route::Proxy);
        let parsed = policy
            .url(url.expose(), route)
            .map_err(|rule| refused("source.url.url", url.expose(), rule))?;
        if revision.chars().count() > MAX_REVISION {
            let problem = "must be at most 128 characters";
            return Err(Fault::invalid("source.url.revision", problem));
        }
        Ok(Self {
            masked: mask::masked(&parsed),
            url,
            trust: trust(ca_bundle_pem)?,
            headers: headers::of(headers)?,
            proxy: proxy.map(|proxy| Proxy::of(proxy, policy)).transpose()?,
            sha256: digest(&sha256)?,
            revision,
            identity,
        })
    }

    /// The URL for people: without its query, and with `***` for what may be a secret in its path.
    pub fn masked(&self) -> &str {
        &self.masked
    }

    /// The SHA-256 that the content must have.
    pub fn sha256(&self) -> Option<Digest> {
        self.sha256
    }

    /// What the caller calls the present content.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Tells two wishes for the same content apart from others before the content is known: a SHA-256 over
    /// URL, headers and revision.
    pub fn identity(&self) -> [u8; 32] {
        self.identity
    }

    fn route(&self) -> Route {
        self.proxy.as_ref().map_or(Route::Direct, |_| Route::Proxy)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("url", &self.masked)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

fn identity(url: &str, headers: &BTreeMap<String, String>, revision: &str) -> [u8; 32] {
    let pairs = headers.iter();
    let headers = pairs.flat_map(|(name, value)| [name.to_ascii_lowercase(), value.clone()]);
    let mut hash = Sha256::new();
    for text in [url.to_owned(), revision.to_owned()]
        .into_iter()
        .chain(headers)
    {
        // With its length, so that no two lists of texts are alike.
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

fn refused(field: &str, url: &str, rule: Rule) -> Fault {
    let host = Url::parse(url).ok().as_ref().and_then(Host::of);
    match host {
        Some(host) if !rule.is_of_form() => rule.refuses(&host.to_string()),
        _ => Fault::invalid(field, rule),
    }
}

fn trust(ca_bundle_pem: String) -> Result<Trust, Fault> {
    if ca_bundle_pem.is_empty() {
        return Ok(Trust::System);
    }
    let field = "source.url.ca_bundle_pem";
    if ca_bundle_pem.len() > MAX_CA_BUNDLE {
        return Err(Fault::invalid(field, "must be at most 256 KiB"));
    }
    let trust = Trust::CaBundle(ca_bundle_pem);
    match trust.client_config() {
        Ok(_) => Ok(trust),
        Err(InvalidTrust::CaBundle | InvalidTrust::System(_) | InvalidTrust::Client(_)) => {
            Err(Fault::invalid(field, "holds no valid certificate"))
        }
    }
}

fn digest(text: &str) -> Result<Option<Digest>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let problem = || Fault::invalid("source.url.sha256", "must be 64 hexadecimal digits");
    Digest::parse(text).ok_or_else(problem).map(Some)
}

// === impl Proxy ===

impl Proxy {
    fn of(message: HttpProxy, policy: &Policy) -> Result<Self, Fault> {
        let HttpProxy {
            url,
            username,
            password,
        } = message;
        let at = "source.url.proxy";
        let parsed = policy
            .proxy(&url)
            .map_err(|rule| refused(&format!("{at}.url"), &url, rule))?;
        if username.contains(':') {
            let problem = "must not hold a colon";
            return Err(Fault::invalid(format!("{at}.username"), problem));
        }
        if username.is_empty() && !password.is_empty() {
            return Err(Fault::invalid(format!("{at}.username"), "is missing"));
        }
        let login = (!username.is_empty()).then(|| (username, Secret::new(password)));
        Ok(Self { url: parsed, login })
    }
}
