//! Which addresses may be connected to on behalf of clients.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The public Internet, and what the operator allows beyond.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
#[serde(transparent)]
pub struct AddressRule(pub Vec<AddressRange>);

/// A range of addresses: `10.0.0.0/8`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AddressRange(IpNet);

impl AddressRule {
    /// Whether an address may be connected to.
    pub fn allows(&self, address: IpAddr) -> bool {
        let plain = plain(address);
        is_public(address) || self.0.iter().any(|AddressRange(range)| range.contains(&plain))
    }

    /// Whether the host of a URL may be connected to, as far as its text tells: an address is judged
    /// whatever way it is written, a name only where it cannot stand for anything but this machine.
    pub fn allows_host(&self, host: &url::Host<&str>) -> bool {
        match host {
            url::Host::Ipv4(address) => self.allows((*address).into()),
            url::Host::Ipv6(address) => self.allows((*address).into()),
            url::Host::Domain(name) => {
                let name = name.trim_end_matches('.');
                let local = name == "localhost" || name.ends_with(".localhost");
                !local || self.allows(Ipv4Addr::LOCALHOST.into()) || self.allows(Ipv6Addr::LOCALHOST.into())
            }
        }
    }
}

impl FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        range.map(AddressRange).map_err(|_| format!("has `{text}`, which is no address and no range like 10.0.0.0/8"))
    }
}

impl Serialize for AddressRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AddressRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An address without disguise.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => embedded(address).map_or(address.into(), IpAddr::from),
        address => address,
    }
}

/// Whether an address is one of the public Internet, in whatever disguise: everything else may be
/// the host itself, its neighbours, or the machine's own metadata service (RFC 6890 and its kin).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let reserved = match address.octets() {
        // "This network", shared address space, protocol assignments, benchmarks, future use.
        [0, ..] | [192, 0, 0, _] | [198, 18 | 19, ..] | [240..=255, ..] => true,
        [100, second, ..] => second & 0xc0 == 64,
        _ => false,
    };
    !(reserved
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = embedded(address) {
        return is_public_v4(inner);
    }
    // Global unicast alone, less the blocks in it that lead elsewhere: 2001::/23, documentation.
    match address.segments() {
        [0x2001, 0..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// The IPv4 address that an IPv6 one stands for: mapped, compatible, NAT64, 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => Some(from(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(from(high, low)),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(from(high, low)),
        [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_alone_are_public() {
        for text in ["1.1.1.1", "100.63.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:7f00:1",
            "::127.0.0.1",
            "::ffff:0:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    fn rule(ranges: &[&str]) -> AddressRule {
        AddressRule(ranges.iter().map(|range| range.parse().unwrap()).collect())
    }

    #[test]
    fn an_operator_allows_ranges_whatever_way_an_address_is_written() {
        let rule = rule(&["127.0.0.0/8", "fd00::/8", "10.1.2.3"]);
        for text in ["127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1", "fd12::1", "10.1.2.3", "1.1.1.1"] {
            assert!(rule.allows(text.parse().unwrap()), "{text}");
        }
        for text in ["10.1.2.4", "::1", "169.254.169.254"] {
            assert!(!rule.allows(text.parse().unwrap()), "{text}");
        }
        assert!("10.0.0.0/33".parse::<AddressRange>().is_err() && "localhost".parse::<AddressRange>().is_err());
    }

    #[test]
    fn a_host_is_an_address_in_any_spelling() {
        let allows = |ranges: &[&str], text: &str| {
            let url = url::Url::parse(text).unwrap();
            rule(ranges).allows_host(&url.host().unwrap())
        };
        for text in [
            "http://127.0.0.1:1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://0.0.0.0/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://017700000001/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost/",
            "http://169.254.169.254/",
            "http://10.0.0.1/",
        ] {
            assert!(!allows(&[], text), "{text}");
        }
        assert!(allows(&["127.0.0.0/8"], "http://2130706433/") && allows(&["127.0.0.1"], "http://localhost:8080/x"));
        assert!(allows(&[], "http://a") && allows(&[], "https://1.1.1.1/"));
    }
}
