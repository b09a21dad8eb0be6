//! Asks sources for their content, under the policy at every step of the way.

use super::{
    Content, Source, answer,
    body::{self, Expected},
    policy::{Host, Policy, Route},
    resolve::{Machine, Network, Refused, Resolver},
    rule::Rule,
};
use crate::{
    core::USER_AGENT,
    iso::inspect::too_large,
    soap::{
        Server,
        trust::{InvalidTrust, LastSeen},
    },
};
use bytes::Bytes;
use contract::v1::{Fault, Reason};
use futures::stream::BoxStream;
use reqwest::{
    Client, Method, Response, Url,
    header::{ACCEPT_ENCODING, HeaderMap},
    redirect,
};
use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 3;

/// How long a source is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until it is connected.
    pub(super) connect: Duration,
    /// Until it answers, each time it is asked.
    pub(super) answer: Duration,
    /// Until more of the content comes.
    pub(super) stall: Duration,
    /// Until a content that is new is asked for once more.
    pub(super) settle: Duration,
}

/// Fetches from sources, under the policy of the driver. Clones share it.
#[derive(Clone, Debug)]
pub struct Fetcher {
    policy: Policy,
    resolver: Resolver,
    patience: Patience,
}

/// A content that is on its way.
pub struct Opened {
    /// What the source says of it.
    pub content: Content,
    /// Its bytes, from the one on that was asked for. Ends when all have come, or with a fault.
    pub chunks: BoxStream<'static, Result<Bytes, Fault>>,
}

/// Who was asked last, to tell what became of it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) host: String,
    server: Server,
    seen: Arc<LastSeen>,
}

/// One errand to a source: a client of its own, that trusts whom the source says.
struct Errand<'a> {
    fetcher: &'a Fetcher,
    source: &'a Source,
    client: Client,
    seen: Arc<LastSeen>,
}

// === impl Patience ===

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            // An image service may have to make the image first.
            answer: Duration::from_mins(1),
            stall: Duration::from_mins(1),
            settle: answer::AS_OF_NOW,
        }
    }
}

// === impl Fetcher ===

impl Fetcher {
    /// Fetches what the policy lets through.
    pub fn new(policy: Policy) -> Self {
        Self::over(Arc::new(Machine), policy, Patience::default())
    }

    /// The same, with another view of the network and another patience.
    pub(super) fn over(network: Arc<dyn Network>, policy: Policy, patience: Patience) -> Self {
        Self {
            resolver: Resolver::new(policy.clone(), network),
            policy,
            patience,
        }
    }

    /// The policy, which names the vCenters that are refused.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Asks what the source says of its content, without fetching it. Of a content that is made this moment
    /// it is asked twice: what it says then would not be known again later.
    ///
    /// # Errors
    /// `ISO_SOURCE_REFUSED`, `_UNREACHABLE`, `_TLS_UNTRUSTED`, `_EXPIRED`, `_NOT_FOUND`; `ISO_TOO_LARGE`.
    pub async fn ask(&self, source: &Source) -> Result<Content, Fault> {
        let errand = self.errand(source)?;
        let (content, says_more_soon) = self.ask_once(&errand).await?;
        if !says_more_soon {
            return Ok(content);
        }
        sleep(self.patience.settle).await;
        self.ask_once(&errand).await.map(|(content, _)| content)
    }

    /// What the source says, and whether it will soon say more.
    async fn ask_once(&self, errand: &Errand<'_>) -> Result<(Content, bool), Fault> {
        let (response, asked) = errand.send(&Method::HEAD, &HeaderMap::new()).await?;
        let (status, headers) = (response.status(), response.headers());
        let refused = answer::refusal(status, headers, &asked.host);
        if let Some(fault) = refused.filter(|_| !answer::dislikes_head(status)) {
            return Err(fault);
        }
        if status.is_success()
            && let Ok(content) = answer::content(status, headers, &asked.host)
            // Some say so of every content when they are asked by HEAD.
            && content.length > 0
        {
            let says_more_soon = answer::says_more_soon(headers);
            return self.within_bounds(content).map(|it| (it, says_more_soon));
        }
        let (response, asked) = errand.send(&Method::GET, &answer::one_byte()).await?;
        let content = self.content(&response, &asked)?;
        Ok((content, answer::says_more_soon(response.headers())))
    }

    /// Begins to fetch the content from byte `from` on. With `known` only if it is still that one.
    ///
    /// # Errors
    /// As of `ask`, and `ISO_SOURCE_CHANGED`. The stream also ends with `ISO_SOURCE_STALLED`,
    /// `ISO_TRUNCATED`.
    pub async fn open(
        &self,
        source: &Source,
        from: u64,
        known: Option<&Content>,
    ) -> Result<Opened, Fault> {
        let errand = self.errand(source)?;
        let headers = answer::continued(from, known);
        let (response, asked) = errand.send(&Method::GET, &headers).await?;
        let content = self.content(&response, &asked)?;
        let skip = answer::to_skip(
            (response.status(), response.headers()),
            (from, known),
            &content,
            source.sha256.is_some(),
            &asked.host,
        )?;
        let expected = Expected {
            skip,
            from,
            length: content.length,
            max_bytes: self.policy.max_bytes(),
            stall: self.patience.stall,
        };
        let chunks = body::chunks(response, asked, expected);
        Ok(Opened { content, chunks })
    }

    fn content(&self, response: &Response, asked: &Asked) -> Result<Content, Fault> {
        let (status, headers) = (response.status(), response.headers());
        if let Some(fault) = answer::refusal(status, headers, &asked.host) {
            return Err(fault);
        }
        self.within_bounds(answer::content(status, headers, &asked.host)?)
    }

    fn within_bounds(&self, content: Content) -> Result<Content, Fault> {
        let limit = self.policy.max_bytes();
        if content.length > limit {
            return Err(too_large(content.length, limit));
        }
        Ok(content)
    }

    fn errand<'a>(&'a self, source: &'a Source) -> Result<Errand<'a>, Fault> {
        let unusable = |error: InvalidTrust| {
            let problem = format!("{:#}", anyhow::Error::new(error));
            let what = format!(
                "the client for `{}` cannot be set up: {problem}",
                source.masked()
            );
            Fault::new(Reason::IsoSourceTlsUntrusted, what).with("problem", problem)
        };
        let (tls, seen) = source.trust.client_config().map_err(unusable)?;
        let mut client = Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(USER_AGENT)
            .connect_timeout(self.patience.connect)
            .tcp_keepalive(Duration::from_secs(30))
            // Each hop is judged here, and no variable of the environment leads elsewhere.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .dns_resolver(Arc::new(self.resolver.clone()));
        if let Some(proxy) = &source.proxy {
            let mut through = reqwest::Proxy::all(proxy.url.clone())
                .map_err(|error| unusable(InvalidTrust::Client(error)))?;
            if let Some((user, password)) = &proxy.login {
                through = through.basic_auth(user, password.expose());
            }
            client = client.proxy(through);
        }
        let client = client.build();
        Ok(Errand {
            fetcher: self,
            source,
            client: client.map_err(|error| unusable(InvalidTrust::Client(error)))?,
            seen,
        })
    }
}

// === impl Opened ===

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

// === impl Errand ===

impl Errand<'_> {
    /// Asks the source, and whom it sends on to.
    async fn send(&self, method: &Method, headers: &HeaderMap) -> Result<(Response, Asked), Fault> {
        let Self {
            fetcher, source, ..
        } = self;
        if let Some(proxy) = &source.proxy {
            self.judge_address(&proxy.url).await?;
        }
        let start = self.accept(source.url.expose())?;
        let mut url = start.clone();
        for _ in 0..=MAX_REDIRECTS {
            if source.route() == Route::Direct {
                self.judge_address(&url).await?;
            }
            let asked = Asked::of(&url, &self.seen);
            let mut request = self
                .client
                .request(method.clone(), url.clone())
                .headers(headers.clone())
                .header(ACCEPT_ENCODING, "identity");
            if is_same_host(&start, &url) {
                request = request.headers(source.headers.clone());
            }
            let response = match timeout(fetcher.patience.answer, request.send()).await {
                Ok(sent) => sent.map_err(|error| asked.failed(error))?,
                Err(_) => return Err(asked.silent(fetcher.patience.answer)),
            };
            let next = answer::redirect(response.status(), response.headers());
            let Some(next) = next else {
                return Ok((response, asked));
            };
            url = self.follow(&url, next)?;
        }
        Err(Rule::Redirects.refuses(&Asked::of(&url, &self.seen).host))
    }

    /// The URL that `location` means in an answer of `url`.
    fn follow(&self, url: &Url, location: &str) -> Result<Url, Fault> {
        let from = Asked::of(url, &self.seen).host;
        // Joining reads odd texts generously, but then writes them plainly for the policy.
        let next = url.join(location).map_err(|_| Rule::Form.refuses(&from))?;
        if url.scheme() == "https" && next.scheme() == "http" {
            return Err(Rule::Downgrade.refuses(&from));
        }
        let mut next = next;
        next.set_fragment(None);
        self.accept(next.as_str())
    }

    fn accept(&self, url: &str) -> Result<Url, Fault> {
        let route = self.source.route();
        self.fetcher.policy.url(url, route).map_err(|rule| {
            let host = Url::parse(url).ok().as_ref().and_then(Host::of);
            rule.refuses(&host.map_or_else(|| "?".to_owned(), |host| host.to_string()))
        })
    }

    /// Judges the address that a URL is written with: what is a name is judged when it is resolved.
    async fn judge_address(&self, url: &Url) -> Result<(), Fault> {
        let Some(host @ Host::Address(address)) = Host::of(url) else {
            return Ok(());
        };
        let verdict = self.fetcher.resolver.let_through(&host, &[address]).await;
        verdict
            .map(drop)
            .map_err(|refused| refused.rule.refuses(&host.to_string()))
    }
}

/// Whether headers of the caller, meant for the first, may be sent to the second.
fn is_same_host(first: &Url, second: &Url) -> bool {
    let is_upgrade = (first.scheme(), second.scheme()) == ("http", "https")
        && (first.port(), second.port()) == (None, None);
    first.host_str() == second.host_str()
        && (is_upgrade
            || (first.scheme() == second.scheme()
                && first.port_or_known_default() == second.port_or_known_default()))
}

// === impl Asked ===

impl Asked {
    /// Somebody who was asked.
    #[cfg(test)]
    pub(super) fn fixture(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            server: Server::new(host.to_owned(), 443),
            seen: Arc::default(),
        }
    }

    fn of(url: &Url, seen: &Arc<LastSeen>) -> Self {
        let host = Host::of(url).map_or_else(String::new, |host| host.to_string());
        let port = url.port_or_known_default().unwrap_or_default();
        Self {
            server: Server::new(host.clone(), port),
            host,
            seen: Arc::clone(seen),
        }
    }

    /// What an error on the way means. It may hold the URL, which goes no further.
    pub(super) fn failed(&self, error: reqwest::Error) -> Fault {
        let Self { host, server, seen } = self;
        let error = error.without_url();
        if let Some(Refused { host, rule }) = refused(&error) {
            return rule.refuses(&host.to_string());
        }
        if let Some(untrusted) = seen.untrusted(server, &error) {
            let fault = Fault::new(Reason::IsoSourceTlsUntrusted, &untrusted);
            return fault.with("host", host).with("problem", untrusted.problem);
        }
        let problem = format!("{:#}", anyhow::Error::new(error));
        let what = format!("asking `{host}`: {problem}");
        Fault::new(Reason::IsoSourceUnreachable, what).with("host", host)
    }

    fn silent(&self, patience: Duration) -> Fault {
        let (host, seconds) = (&self.host, patience.as_secs());
        let what = format!("`{host}` has not answered within {seconds} s");
        Fault::new(Reason::IsoSourceUnreachable, what).with("host", host)
    }
}

/// The refusal of the resolver that an error comes from.
fn refused<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Refused> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_for_one_host_one_port_and_no_weaker_scheme() {
        for (first, second, is_same) in [
            ("https://a.example/x", "https://a.example:443/y?z", true),
            ("https://a.example:8443/", "https://a.example:8443/", true),
            ("http://a.example/", "https://a.example/", true),
            ("http://a.example:8080/", "https://a.example:8080/", false),
            ("https://a.example/", "http://a.example/", false),
            ("https://a.example/", "https://a.example:8443/", false),
            ("https://a.example/", "https://b.a.example/", false),
        ] {
            let [first, second] = [first, second].map(|url| Url::parse(url).unwrap());
            assert_eq!(is_same_host(&first, &second), is_same, "{first} {second}");
        }
    }
}
