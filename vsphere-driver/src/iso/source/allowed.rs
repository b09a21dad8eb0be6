//! `allowed_sources`: who may be asked for ISOs.

use super::network::Network;
use std::str::FromStr;

/// An entry of the list of allowed sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// `images.example`: this host.
    Name(String),
    /// `*.example`: all hosts below `example`, and not `example` itself.
    Below(String),
    /// `10.0.0.0/8`, `192.0.2.7`: all hosts with an address in it.
    Network(Network),
}

/// Why a text is no such entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither a host name, nor `*.` with one, nor a network as `10.0.0.0/8`")]
pub struct InvalidAllowed;

// === impl Allowed ===

impl Allowed {
    /// Whether it names this host, in lower case.
    pub(super) fn names(&self, host: &str) -> bool {
        match self {
            Self::Name(name) => name == host,
            Self::Below(suffix) => host
                .strip_suffix(suffix.as_str())
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            Self::Network(_) => false,
        }
    }

    /// The network, if it is one.
    pub(super) fn network(&self) -> Option<&Network> {
        match self {
            Self::Network(network) => Some(network),
            Self::Name(_) | Self::Below(_) => None,
        }
    }
}

impl FromStr for Allowed {
    type Err = InvalidAllowed;

    fn from_str(text: &str) -> Result<Self, InvalidAllowed> {
        if let Ok(network) = text.parse() {
            return Ok(Self::Network(network));
        }
        let lower = text.to_ascii_lowercase();
        let entry = match lower.strip_prefix("*.") {
            Some(suffix) if is_name(suffix) => Self::Below(suffix.to_owned()),
            None if is_name(&lower) => Self::Name(lower),
            _ => return Err(InvalidAllowed),
        };
        Ok(entry)
    }
}

/// Whether a text is a host name, in lower case. A last label of digits would be an address to some.
pub(super) fn is_name(text: &str) -> bool {
    let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_');
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(allowed);
    let last = text.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with(|c: char| c.is_ascii_digit())
        && (last.chars().all(|c| c.is_ascii_digit()) || last.starts_with("0x"));
    text.len() <= 253 && text.split('.').all(is_label) && !is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_what_it_says_and_no_more() {
        for (entry, named, others) in [
            (
                "Images.Example",
                &["images.example"][..],
                &["a.images.example", "example"][..],
            ),
            (
                "*.example",
                &["a.example", "a.b.example"],
                &["example", ".example", "badexample", "a.example.org"],
            ),
            ("10.0.0.0/8", &[], &["10.0.0.1"]),
        ] {
            let parsed: Allowed = entry.parse().expect(entry);
            for host in named {
                assert!(parsed.names(host), "{entry} {host}");
            }
            for host in others {
                assert!(!parsed.names(host), "{entry} {host}");
            }
        }
    }

    #[test]
    fn anything_else_is_no_entry() {
        for text in [
            "",
            "*",
            "*.",
            "a.*.example",
            "*example",
            "https://images.example",
            "images.example:443",
            "images.example/",
            "images.example.",
            "10.0.0.0/40",
            "10.0.0",
            "0x7f.1",
            "bücher.example",
            "a b",
            "[::1]",
            "user@host",
        ] {
            assert_eq!(text.parse::<Allowed>(), Err(InvalidAllowed), "{text:?}");
        }
    }
}
