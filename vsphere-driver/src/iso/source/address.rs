//! Which addresses are refused for what they are, however they are written.

use super::rule::Rule;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where clouds serve the credentials of a machine: AWS, Azure, Google, Alibaba, Oracle.
const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// The same for version 6.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// The address that a connection to `address` ends at: of one of version 6 that only carries one of
/// version 4, that one.
pub(super) fn carried(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => embedded(v6).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Why a source must not be at this address, whatever it is to the driver.
pub(super) fn refusal(address: IpAddr) -> Option<Rule> {
    match carried(address) {
        IpAddr::V4(v4) => refusal_v4(v4),
        IpAddr::V6(v6) => refusal_v6(v6),
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<Rule> {
    if METADATA_V4.contains(&address) {
        return Some(Rule::Metadata);
    }
    Some(match address.octets() {
        [0, ..] => Rule::Unspecified,
        [127, ..] => Rule::Loopback,
        [169, 254, ..] => Rule::LinkLocal,
        [224..=239, ..] => Rule::Multicast,
        [255, 255, 255, 255] => Rule::Broadcast,
        // Of protocols, documentation and benchmarks, and the class that was never given out.
        [192, 0, 0 | 2, _]
        | [198, 18..=19, ..]
        | [192, 88, 99, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [240..=255, ..] => Rule::Reserved,
        _ => return None,
    })
}

fn refusal_v6(address: Ipv6Addr) -> Option<Rule> {
    if METADATA_V6.contains(&address) {
        return Some(Rule::Metadata);
    }
    if address == Ipv6Addr::UNSPECIFIED {
        return Some(Rule::Unspecified);
    }
    if address == Ipv6Addr::LOCALHOST {
        return Some(Rule::Loopback);
    }
    Some(match address.segments() {
        [0xff00..=0xffff, ..] => Rule::Multicast,
        [0xfe80..=0xfebf, ..] => Rule::LinkLocal,
        // Site-local of old, discard, documentation, and tunnels whose end cannot be seen from here.
        [0xfec0..=0xfeff | 0, ..]
        | [0x100, 0, 0, 0, ..]
        | [0x2001, 0xdb8 | 0, ..]
        | [0x3fff, 0..=0xfff, ..] => Rule::Reserved,
        _ => return None,
    })
}

/// The address of version 4 in a mapped, translated, compatible, NAT64 or 6to4 address.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => Some(of(high, low)),
        // The first of these are the unspecified address and loopback.
        [0, 0, 0, 0, 0, 0, high, low] if high > 0 || low > 1 => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<Rule> {
        refusal(text.parse().expect(text))
    }

    #[test]
    fn an_address_is_refused_for_what_it_is() {
        for (rule, addresses) in [
            (Rule::Loopback, &["127.0.0.1", "127.255.0.9", "::1"][..]),
            (
                Rule::LinkLocal,
                &["169.254.0.1", "169.254.170.2", "fe80::1", "febf::1"],
            ),
            (
                Rule::Metadata,
                &[
                    "169.254.169.254",
                    "100.100.100.200",
                    "168.63.129.16",
                    "192.0.0.192",
                    "fd00:ec2::254",
                    "fd20:ce::254",
                ],
            ),
            (Rule::Unspecified, &["0.0.0.0", "0.1.2.3", "::"]),
            (
                Rule::Multicast,
                &["224.0.0.1", "239.255.255.255", "ff02::1"],
            ),
            (Rule::Broadcast, &["255.255.255.255"]),
            (
                Rule::Reserved,
                &[
                    "240.0.0.1",
                    "192.0.2.1",
                    "198.18.0.1",
                    "198.51.100.1",
                    "203.0.113.9",
                    "192.88.99.1",
                    "fec0::1",
                    "100::1",
                    "2001:db8::1",
                    "2001::1",
                    "3fff::1",
                ],
            ),
        ] {
            for address in addresses {
                assert_eq!(refused(address), Some(rule), "{address}");
            }
        }
    }

    #[test]
    fn an_address_within_another_is_refused_as_itself() {
        for (rule, addresses) in [
            (
                Rule::Loopback,
                &[
                    "::ffff:127.0.0.1",
                    "::ffff:0:127.0.0.1",
                    "::127.0.0.1",
                    "64:ff9b::127.0.0.1",
                    "64:ff9b:1::127.0.0.1",
                    "2002:7f00:1::",
                    "2002:7f00:1:5::9",
                ][..],
            ),
            (
                Rule::Metadata,
                &[
                    "::ffff:169.254.169.254",
                    "64:ff9b::a9fe:a9fe",
                    "2002:a9fe:a9fe::1",
                ],
            ),
            (Rule::Unspecified, &["::ffff:0.0.0.0", "::2"]),
            (Rule::Broadcast, &["::ffff:255.255.255.255"]),
        ] {
            for address in addresses {
                assert_eq!(refused(address), Some(rule), "{address}");
            }
        }
    }

    #[test]
    fn public_and_private_addresses_are_not_refused() {
        for address in [
            "1.1.1.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "126.255.255.255",
            "128.0.0.1",
            "223.255.255.255",
            "2606:4700::1",
            "fd00::1",
            "fd01:2::3",
            "::ffff:10.0.0.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
        ] {
            assert_eq!(refused(address), None, "{address}");
        }
    }
}
