//! Where a vCenter is.

use std::{fmt, net::Ipv6Addr, str::FromStr};

const PORT: u16 = 443;

/// Host and port of a vCenter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    host: Box<str>,
    port: u16,
}

/// Why a text names no server.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidServer {
    /// Credentials do not go over it.
    #[error("only https is spoken")]
    Scheme,
    /// It holds a user or a password, which would end up in logs.
    #[error("must not hold a user name")]
    UserInfo,
    /// There is no host in it.
    #[error("has no valid host name")]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("has no valid port")]
    Port,
    /// It goes on behind host and port with something other than `/sdk`.
    #[error("must be `host`, `host:port` or `https://host:port/sdk`")]
    Path,
}

// === impl Server ===

impl Server {
    /// This port of this host.
    pub fn new(host: impl Into<Box<str>>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }

    /// The host, an address of version 6 without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `https://host:port`
    pub fn url(&self) -> String {
        format!("https://{self}")
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

impl FromStr for Server {
    type Err = InvalidServer;

    fn from_str(text: &str) -> Result<Self, InvalidServer> {
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => rest,
            Some(_) => return Err(InvalidServer::Scheme),
            None => text,
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !matches!(path, "" | "sdk" | "sdk/") {
            return Err(InvalidServer::Path);
        }
        if authority.contains('@') {
            return Err(InvalidServer::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        Ok(Self::new(host.to_ascii_lowercase(), port))
    }
}

fn split_port(authority: &str) -> Result<(&str, u16), InvalidServer> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or(InvalidServer::Host)?;
        host.parse::<Ipv6Addr>().map_err(|_| InvalidServer::Host)?;
        (host, port)
    } else {
        let at = authority.find(':').unwrap_or(authority.len());
        let (host, port) = authority.split_at(at);
        (
            is_host(host).then_some(host).ok_or(InvalidServer::Host)?,
            port,
        )
    };
    if port.is_empty() {
        return Ok((host, PORT));
    }
    let number = port.strip_prefix(':').and_then(|port| port.parse().ok());
    match number {
        Some(port) if port > 0 => Ok((host, port)),
        _ => Err(InvalidServer::Port),
    }
}

fn is_host(host: &str) -> bool {
    let allowed = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_');
    !host.is_empty() && host.len() <= 253 && host.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_from_each_form() {
        for (text, expected) in [
            ("vcenter.example", Ok("vcenter.example:443")),
            ("VCenter.example:8443", Ok("vcenter.example:8443")),
            ("https://vcenter.example/sdk", Ok("vcenter.example:443")),
            ("https://10.0.0.1:8989/", Ok("10.0.0.1:8989")),
            ("[fd00::1]:8989", Ok("[fd00::1]:8989")),
            ("https://[fd00::1]", Ok("[fd00::1]:443")),
            ("http://vcenter.example", Err(InvalidServer::Scheme)),
            (
                "https://user:secret@vcenter.example",
                Err(InvalidServer::UserInfo),
            ),
            ("", Err(InvalidServer::Host)),
            (":443", Err(InvalidServer::Host)),
            ("a b", Err(InvalidServer::Host)),
            ("[nonsense]", Err(InvalidServer::Host)),
            ("fd00::1", Err(InvalidServer::Port)),
            ("vcenter.example:", Err(InvalidServer::Port)),
            ("vcenter.example:0", Err(InvalidServer::Port)),
            ("vcenter.example:65536", Err(InvalidServer::Port)),
            ("vcenter.example/ui", Err(InvalidServer::Path)),
        ] {
            let found = text.parse::<Server>().map(|server| server.to_string());
            assert_eq!(found, expected.map(str::to_owned), "{text}");
        }
    }
}
