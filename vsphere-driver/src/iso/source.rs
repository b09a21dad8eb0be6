//! ISOs at a URL: which of them the driver takes, and how it fetches them.

mod address;
pub mod allowed;
mod answer;
mod body;
mod content;
#[cfg(test)]
mod corpus;
mod fetch;
mod headers;
mod mask;
pub mod network;
pub(super) mod pace;
pub mod policy;
mod resolve;
pub mod rule;
#[cfg(test)]
mod tests;

pub use self::{
    content::{Content, Likeness},
    fetch::{Fetcher, Opened},
    policy::{Policy, Rules},
};

use self::policy::{Host, Route};
use super::digest::{self, Digest};
use crate::{
    secret::Secret,
    soap::{
        Trust,
        trust::{self, InvalidTrust},
    },
};
use contract::v1::{Fault, HttpProxy, UrlSource};
use prost::Message as _;
use reqwest::{Url, header::HeaderMap};
use rule::Rule;
use std::{collections::BTreeSet, fmt};

/// Largest CA bundle that is taken.
const MAX_CA_BUNDLE: usize = 256 << 10;
const CA_BUNDLE_FIELD: &str = "source.url.ca_bundle_pem";

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
    address: Option<Digest>,
    key: Digest,
}

/// A proxy to go through.
#[derive(Clone, Debug)]
struct Proxy {
    url: Url,
    login: Option<(String, Secret)>,
}

// === impl Source ===

impl Source {
    /// Takes the source of a request, or says which field is wrong or what refuses it. What the caller calls
    /// the present content is no part of it.
    pub fn of(message: UrlSource, policy: &Policy) -> Result<Self, Fault> {
        let mut authorities = authorities(&message.ca_bundle_pem)?;
        if message.system_authorities {
            authorities.push_str(" and the system's");
        }
        let key = key(&message, &authorities);
        let UrlSource {
            url,
            ca_bundle_pem,
            headers,
            proxy,
            sha256,
            revision: _,
            system_authorities,
        } = message;
        // A header may be a password, which is short enough to be guessed from a digest of it.
        let address = headers
            .is_empty()
            .then(|| address(&url, &authorities, proxy.as_ref()));
        let url = Secret::new(url);
        let route = proxy.as_ref().map_or(Route::Direct, |_| Route::Proxy);
        let parsed = policy
            .url(url.expose(), route)
            .map_err(|rule| refused("source.url.url", url.expose(), rule))?;
        Ok(Self {
            masked: mask::masked(&parsed),
            url,
            trust: trusting(ca_bundle_pem, system_authorities)?,
            headers: headers::of(headers)?,
            proxy: proxy.map(|proxy| Proxy::of(proxy, policy)).transpose()?,
            sha256: digest::of_field(&sha256, "source.url.sha256")?,
            address,
            key,
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

    /// Tells it from other sources, also in what is written for others to read: a SHA-256 over its URL and all
    /// that says whose answer is believed, so that nobody who is asked by one owner speaks for the source of
    /// another. Absent where secrets could be guessed from it.
    pub fn address(&self) -> Option<Digest> {
        self.address
    }

    /// Tells what is wanted of it from what is wanted of others, as long as this driver runs. Made of all that
    /// leads to the content, passwords too: it is written nowhere.
    pub fn key(&self) -> Digest {
        self.key
    }

    fn route(&self) -> Route {
        self.proxy.as_ref().map_or(Route::Direct, |_| Route::Proxy)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("url", &self.masked)
            .finish_non_exhaustive()
    }
}

fn key(message: &UrlSource, authorities: &str) -> Digest {
    let message = UrlSource {
        ca_bundle_pem: authorities.to_owned(),
        // It is the same content, whatever a caller calls it.
        revision: String::new(),
        ..message.clone()
    };
    Digest::of(&message.encode_to_vec())
}

/// Which authorities are in a bundle: the same, however it is written.
fn authorities(ca_bundle_pem: &str) -> Result<String, Fault> {
    if ca_bundle_pem.len() > MAX_CA_BUNDLE {
        return Err(Fault::invalid(CA_BUNDLE_FIELD, "must be at most 256 KiB"));
    }
    let certificates = trust::certificates(ca_bundle_pem).map_err(|_| no_certificate())?;
    let digests: BTreeSet<_> = certificates
        .iter()
        .map(|certificate| Digest::of(certificate).to_string())
        .collect();
    Ok(digests.into_iter().collect())
}

fn address(url: &str, authorities: &str, proxy: Option<&HttpProxy>) -> Digest {
    let proxy = proxy.map_or(["", ""], |proxy| [&*proxy.url, &*proxy.username]);
    let mut text = Vec::new();
    for part in [url, authorities].into_iter().chain(proxy) {
        // With its length, so that no two lists of texts are alike.
        text.extend(part.len().to_be_bytes());
        text.extend(part.as_bytes());
    }
    Digest::of(&text)
}

fn refused(field: &str, url: &str, rule: Rule) -> Fault {
    let host = Url::parse(url).ok().as_ref().and_then(Host::of);
    match host {
        Some(host) if !rule.is_of_form() => rule.refuses(&host.to_string()),
        _ => Fault::invalid(field, rule),
    }
}

fn trusting(ca_bundle_pem: String, system_authorities: bool) -> Result<Trust, Fault> {
    if ca_bundle_pem.is_empty() {
        return Ok(Trust::System);
    }
    let trust = if system_authorities {
        Trust::SystemAnd(ca_bundle_pem)
    } else {
        Trust::CaBundle(ca_bundle_pem)
    };
    match trust.client_config() {
        Ok(_) => Ok(trust),
        Err(InvalidTrust::CaBundle | InvalidTrust::System(_) | InvalidTrust::Client(_)) => {
            Err(no_certificate())
        }
    }
}

fn no_certificate() -> Fault {
    Fault::invalid(CA_BUNDLE_FIELD, "holds no valid certificate")
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
