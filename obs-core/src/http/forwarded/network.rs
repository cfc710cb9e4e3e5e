//! The proxies that are trusted.

use std::net::IpAddr;

/// An address, or a network in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    /// The address, which is never IPv4-mapped.
    address: IpAddr,
    /// The number of leading bits that are compared.
    prefix: u8,
}

impl Network {
    /// Parses a text such as `10.0.0.0/8`, `192.0.2.7`, `fd00::/8` or `::1`; `None` if it is
    /// invalid. Bits after the prefix are ignored.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (address, prefix) =
            text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let written: IpAddr = address.parse().ok()?;
        let address = written.to_canonical();
        let bits = width(written);
        let prefix = match prefix {
            // `parse` alone would accept a leading `+`.
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
            None => bits,
        };
        // `::ffff:10.0.0.0/104` is `10.0.0.0/8`. A prefix under 96 would cover more than IPv4,
        // which is certainly a mistake.
        let mapped = bits.saturating_sub(width(address));
        let prefix = prefix.checked_sub(mapped).filter(|prefix| *prefix <= width(address))?;
        Some(Self { address, prefix })
    }

    /// Returns `true` if the address is in the network. It must not be IPv4-mapped.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let different = match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(a.to_bits() ^ b.to_bits()),
            (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() ^ b.to_bits(),
            _ => return false,
        };
        let ignored = width(address).saturating_sub(self.prefix);
        different.checked_shr(u32::from(ignored)).unwrap_or(0) == 0
    }
}

const fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The proxies whose headers about the client are trusted. On an IPv6 socket, IPv4 peers have
/// IPv4-mapped addresses, which are compared as IPv4.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    pub(crate) fn new(networks: impl IntoIterator<Item = Network>) -> Self {
        Self(networks.into_iter().collect())
    }

    #[inline]
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_and_networks_are_parsed() {
        for (network, inside, outside) in [
            ("192.0.2.7", &["192.0.2.7", "::ffff:192.0.2.7"][..], &["192.0.2.6", "::192.0.2.7"][..]),
            ("10.0.0.0/8", &["10.255.0.1", "::ffff:10.1.2.3"], &["11.0.0.0", "9.255.255.255"]),
            ("10.1.2.3/8", &["10.255.0.1"], &["11.0.0.0"]),
            ("192.0.2.128/25", &["192.0.2.255"], &["192.0.2.127"]),
            ("0.0.0.0/0", &["255.255.255.255", "::ffff:1.2.3.4"], &["::1"]),
            ("::1", &["::1", "0:0::1"], &["::2", "0.0.0.1"]),
            ("2001:db8::/32", &["2001:db8:ffff::"], &["2001:db9::", "32.1.13.184"]),
            ("::/0", &["::1", "ffff::"], &["10.0.0.1", "::ffff:10.0.0.1"]),
            ("::ffff:10.0.0.0/104", &["10.9.9.9", "::ffff:10.9.9.9"], &["11.0.0.0"]),
            ("::ffff:192.0.2.7", &["192.0.2.7"], &["192.0.2.8"]),
            (" 192.0.2.7/32 ", &["192.0.2.7"], &["192.0.2.6"]),
        ] {
            let trusted = TrustedProxies::new(Network::parse(network));
            let contains = |address: &&&str| trusted.contains(address.parse().expect("an address"));
            assert_eq!(inside.iter().filter(contains).count(), inside.len(), "{network}");
            assert_eq!(outside.iter().filter(contains).count(), 0, "{network}");
        }
    }

    #[test]
    fn invalid_networks_are_rejected() {
        for text in [
            "",
            "proxy",
            "10.0.0",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "10.0.0.0/255.0.0.0",
            "010.0.0.1",
            "::/129",
            "::1/256",
            "::ffff:10.0.0.0/95",
            "[::1]",
            "fe80::1%eth0",
            "10.0.0.1:80",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
        assert!(!TrustedProxies::default().contains(IpAddr::from([127, 0, 0, 1])));
    }

    proptest! {
        #[test]
        fn a_network_contains_all_addresses_with_its_first_bits(network: u32, other: u32, prefix in 0_u8..=32) {
            let [network_ip, other_ip] = [network, other].map(|bits| IpAddr::from(bits.to_be_bytes()));
            let parsed = Network::parse(&format!("{network_ip}/{prefix}")).expect("valid");
            let same = format!("{network:032b}")[..prefix.into()] == format!("{other:032b}")[..prefix.into()];
            prop_assert_eq!(parsed.contains(other_ip), same);
            prop_assert!(parsed.contains(network_ip));
        }

        #[test]
        fn any_text_is_accepted(text in ".{0,30}|[0-9a-f:./]{0,30}") {
            let _ = Network::parse(&text);
        }
    }
}
