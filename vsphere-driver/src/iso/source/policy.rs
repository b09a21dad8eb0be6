//! Which URLs and addresses the driver asks for ISOs: whoever may set a URL on the hub must not be able to
//! have the driver speak to anything beside it.
//!
//! A URL is judged as text, at each redirect anew; the address that its host has is judged when it is
//! connected to (`resolve.rs`), so that a name cannot have one address for the check and another for the
//! connection. Behind a proxy the driver does not see addresses: there the proxy's address is judged,
//! and the host by its name alone.

use super::{
    address::{self, carried},
    allowed::{Allowed, is_name},
    rule::Rule,
};
use reqwest::Url;
use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, PoisonError, RwLock},
};

/// Longest URL that is taken, in bytes.
const MAX_URL: usize = 4 << 10;
/// From here on ports are free for any service; below there are only those of the web.
const FIRST_FREE_PORT: u16 = 1_024;
/// Size that an ISO may have, where the configuration does not say.
pub const MAX_BYTES: u64 = 16 << 30;
/// Names of the driver's own machine, whatever they resolve to.
const OWN_NAMES: [&str; 4] = [
    "localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "ip6-loopback",
];
/// Names of metadata services.
const METADATA_NAMES: [&str; 4] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data.ec2.internal",
];

/// What the configuration says of sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Who may be asked. Empty: any host at a public or private address.
    pub allowed: Vec<Allowed>,
    /// Whether `http` is permitted.
    pub allow_http: bool,
    /// How large an ISO may be.
    pub max_bytes: u64,
}

/// The policy of the driver. Clones share the vCenters that it refuses.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: Arc<Rules>,
    vcenters: Arc<RwLock<BTreeSet<Host>>>,
}

/// A host as a URL names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A name in lower case.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// How a host is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// By a connection to it, whose address is judged.
    Direct,
    /// By a proxy, which resolves its name.
    Proxy,
}

/// Whose an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// This machine's.
    Driver,
    /// A vCenter's.
    Vcenter,
    /// Somebody else's.
    Others,
}

// === impl Rules ===

impl Default for Rules {
    fn default() -> Self {
        Self {
            allowed: Vec::new(),
            allow_http: false,
            max_bytes: MAX_BYTES,
        }
    }
}

// === impl Policy ===

impl Policy {
    /// Follows these rules, and knows no vCenter yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules: Arc::new(rules),
            vcenters: Arc::default(),
        }
    }

    /// From now on these are the vCenters, by name or address, that no source may lead to.
    pub fn refuse(&self, vcenters: impl IntoIterator<Item = Host>) {
        let vcenters = vcenters.into_iter().map(Host::carried).collect();
        *self
            .vcenters
            .write()
            .unwrap_or_else(PoisonError::into_inner) = vcenters;
    }

    /// The vCenters that are refused.
    pub(super) fn vcenters(&self) -> BTreeSet<Host> {
        let vcenters = self.vcenters.read().unwrap_or_else(PoisonError::into_inner);
        vcenters.clone()
    }

    /// How large an ISO may be.
    pub fn max_bytes(&self) -> u64 {
        self.rules.max_bytes
    }

    /// Takes a URL that is reached on this route, or says which rule refuses it.
    pub fn url(&self, text: &str, route: Route) -> Result<Url, Rule> {
        let url = form(text)?;
        if url.scheme() == "http" && !self.rules.allow_http {
            return Err(Rule::Http);
        }
        self.host(&url, route)?;
        Ok(url)
    }

    /// Takes the URL of a proxy, which may be of either scheme and must be as allowed as a source: it is
    /// the driver who connects to it.
    pub fn proxy(&self, text: &str) -> Result<Url, Rule> {
        let url = form(text)?;
        if url.path() != "/" || url.query().is_some() {
            return Err(Rule::Form);
        }
        self.host(&url, Route::Direct)?;
        Ok(url)
    }

    fn host(&self, url: &Url, route: Route) -> Result<(), Rule> {
        match Host::of(url).ok_or(Rule::Form)? {
            Host::Name(name) => self.name(&name, route),
            host @ Host::Address(address) => {
                let whose = if self.vcenters().contains(&host.clone().carried()) {
                    Whose::Vcenter
                } else {
                    Whose::Others
                };
                self.address(&host, address, whose)
            }
        }
    }

    fn name(&self, name: &str, route: Route) -> Result<(), Rule> {
        let Rules { allowed, .. } = &*self.rules;
        if allowed.iter().any(|entry| entry.names(name)) {
            return Ok(());
        }
        let loopback_is_listed = || {
            let mut networks = allowed.iter().filter_map(Allowed::network);
            networks.any(|network| address::refusal(network.first()) == Some(Rule::Loopback))
        };
        let is_own = OWN_NAMES.contains(&name) || name.ends_with(".localhost");
        if is_own && (route == Route::Proxy || !loopback_is_listed()) {
            return Err(Rule::Loopback);
        }
        if METADATA_NAMES.contains(&name) {
            return Err(Rule::Metadata);
        }
        if self.vcenters().contains(&Host::Name(name.to_owned())) {
            return Err(Rule::Vcenter);
        }
        // Whether its addresses are listed is seen when it is connected to.
        let addresses_decide =
            route == Route::Direct && allowed.iter().any(|entry| entry.network().is_some());
        if allowed.is_empty() || addresses_decide {
            Ok(())
        } else {
            Err(Rule::NotListed)
        }
    }

    /// Lets a connection to an address of `host` through, or says which rule refuses it.
    pub fn address(&self, host: &Host, address: IpAddr, whose: Whose) -> Result<(), Rule> {
        let Rules { allowed, .. } = &*self.rules;
        let networks = || allowed.iter().filter_map(Allowed::network);
        let address = carried(address);
        if let Some(rule) = refusal(address, whose) {
            // The whole entry has to be of what it permits: 0.0.0.0/0 is no wish for loopback.
            let ends_alike = |end: IpAddr| end == address || address::refusal(end) == Some(rule);
            let is_meant = networks().any(|network| {
                network.contains(address)
                    && ends_alike(network.first())
                    && ends_alike(network.last())
            });
            return if is_meant { Ok(()) } else { Err(rule) };
        }
        let is_named =
            matches!(host, Host::Name(name) if allowed.iter().any(|entry| entry.names(name)));
        let is_listed = || networks().any(|network| network.contains(address));
        if allowed.is_empty() || is_named || is_listed() {
            Ok(())
        } else {
            Err(Rule::NotListed)
        }
    }
}

/// What refuses an address unless it is listed as such.
fn refusal(address: IpAddr, whose: Whose) -> Option<Rule> {
    address::refusal(address).or(match whose {
        Whose::Driver => Some(Rule::Driver),
        Whose::Vcenter => Some(Rule::Vcenter),
        Whose::Others => None,
    })
}

// === impl Host ===

impl Host {
    /// The host of a URL.
    pub fn of(url: &Url) -> Option<Self> {
        url.host_str().and_then(Self::parse)
    }

    /// A host as it stands in a URL or by itself: a name or an address, with or without brackets.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse() {
            return Some(Self::Address(address));
        }
        let name = text.to_ascii_lowercase();
        is_name(&name).then_some(Self::Name(name))
    }

    /// The host that a connection to it ends at.
    fn carried(self) -> Self {
        match self {
            Self::Address(address) => Self::Address(carried(address)),
            Self::Name(_) => self,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// The URL in a text that all programs read in the same way.
fn form(text: &str) -> Result<Url, Rule> {
    if text.len() > MAX_URL {
        return Err(Rule::Length);
    }
    let is_visible = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    if !text.bytes().all(is_visible) {
        return Err(Rule::Characters);
    }
    let (scheme, rest) = text.split_once("://").ok_or(Rule::Form)?;
    if !["https", "http"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return Err(Rule::Scheme);
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    if authority.contains('@') {
        return Err(Rule::UserInfo);
    }
    if behind.contains('#') {
        return Err(Rule::Fragment);
    }
    let (host, port) = host_and_port(authority)?;
    let url = Url::parse(text).map_err(|_| Rule::Form)?;
    let is_as_written = match Host::of(&url) {
        Some(Host::Name(name)) => name.eq_ignore_ascii_case(host),
        Some(Host::Address(IpAddr::V4(address))) => host == address.to_string(),
        Some(Host::Address(IpAddr::V6(address))) => host.parse() == Ok(address),
        None => false,
    };
    if !is_as_written || port != url.port_or_known_default().filter(|_| port.is_some()) {
        return Err(Rule::Spelling);
    }
    match url.port_or_known_default() {
        Some(80 | 443 | FIRST_FREE_PORT..) => Ok(url),
        _ => Err(Rule::Port),
    }
}

/// Host and port as written, an address of version 6 without its brackets.
fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), Rule> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or(Rule::Form)?;
        host.parse::<Ipv6Addr>().map_err(|_| Rule::Spelling)?;
        (host, port)
    } else {
        let at = authority.find(':').unwrap_or(authority.len());
        authority.split_at(at)
    };
    if host.is_empty() {
        return Err(Rule::Form);
    }
    if port.is_empty() {
        return Ok((host, None));
    }
    let digits = port.strip_prefix(':').ok_or(Rule::Form)?;
    let number = digits.parse::<u16>().ok();
    match number.filter(|number| number.to_string() == digits) {
        Some(number) => Ok((host, Some(number))),
        None => Err(Rule::Spelling),
    }
}
