//! `10.0.0.0/8`: a range of addresses.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A range of addresses, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

/// Why a text is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no network as `10.0.0.0/8`, with zeros behind its prefix")]
pub struct InvalidNetwork;

// === impl Network ===

impl Network {
    /// Its first address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// Its last address.
    pub fn last(&self) -> IpAddr {
        match self.first {
            IpAddr::V4(first) => {
                Ipv4Addr::from(u32::from(first) | host_bits_v4(self.prefix)).into()
            }
            IpAddr::V6(first) => {
                Ipv6Addr::from(u128::from(first) | host_bits_v6(self.prefix)).into()
            }
        }
    }

    /// Whether `address` is in it. An address of the other version never is.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && self.first <= address && address <= self.last()
    }
}

impl From<IpAddr> for Network {
    fn from(first: IpAddr) -> Self {
        let prefix = if first.is_ipv4() { 32 } else { 128 };
        Self { first, prefix }
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let Some((first, prefix)) = text.split_once('/') else {
            let address = text.parse::<IpAddr>().map_err(|_| InvalidNetwork)?;
            return Ok(address.into());
        };
        let first = first.parse::<IpAddr>().map_err(|_| InvalidNetwork)?;
        let is_number = prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix.parse().ok().filter(|_| is_number);
        let prefix = prefix.ok_or(InvalidNetwork)?;
        let is_clean = match first {
            IpAddr::V4(first) => prefix <= 32 && u32::from(first) & host_bits_v4(prefix) == 0,
            IpAddr::V6(first) => prefix <= 128 && u128::from(first) & host_bits_v6(prefix) == 0,
        };
        // `10.1.2.3/8` is more often a mistake than a wish for all of 10.0.0.0/8.
        is_clean
            .then_some(Self { first, prefix })
            .ok_or(InvalidNetwork)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, prefix } = self;
        write!(f, "{first}/{prefix}")
    }
}

fn host_bits_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shr(prefix.into()).unwrap_or(0)
}

fn host_bits_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shr(prefix.into()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_its_prefix_says() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "255.255.255.255", "::"),
            ("fd00::/8", "fdff::1", "fe00::"),
            ("::1/128", "::1", "::2"),
            ("::/0", "ffff::", "0.0.0.0"),
        ] {
            let parsed: Network = network.parse().expect(network);
            assert!(parsed.contains(inside.parse().unwrap()), "{network}");
            assert!(!parsed.contains(outside.parse().unwrap()), "{network}");
        }
    }

    #[test]
    fn anything_else_is_no_network() {
        for text in [
            "",
            "/",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.1.0.0/8",
            "10/8",
            "::/129",
            "fd00::1/8",
            "010.0.0.0/8",
            "a/8",
            "10.0.0.0/8/8",
            " 10.0.0.0/8",
        ] {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork), "{text:?}");
        }
    }
}
