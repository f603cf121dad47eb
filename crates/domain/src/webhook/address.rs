//! The addresses that a webhook may be sent to. Everything that is not globally reachable unicast is
//! forbidden, so that a webhook's URL cannot reach the network of the server (SSRF).
//!
//! Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::client::AddressRange;

/// Decides which addresses a webhook may be sent to.
#[derive(Clone, Debug, Default)]
pub struct AddressPolicy {
    allowed: Vec<AddressRange>,
}

/// Why an address is forbidden: the range that contains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ForbiddenAddress {
    /// `0.0.0.0/8`, `::`.
    #[error("an unspecified address")]
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    #[error("a loopback address")]
    Loopback,
    /// `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16`, `fc00::/7`, `fec0::/10`, `64:ff9b:1::/48`.
    #[error("a private address")]
    Private,
    /// `100.64.0.0/10`: behind the network address translation of a provider.
    #[error("a shared address")]
    Shared,
    /// `169.254.0.0/16`, `fe80::/10`: also the metadata service of cloud providers.
    #[error("a link-local address")]
    LinkLocal,
    /// `224.0.0.0/4`, `ff00::/8`.
    #[error("a multicast address")]
    Multicast,
    /// `255.255.255.255`.
    #[error("the broadcast address")]
    Broadcast,
    /// `192.0.2.0/24`, `198.51.100.0/24`, `203.0.113.0/24`, `2001:db8::/32`, `3fff::/20`.
    #[error("a documentation address")]
    Documentation,
    /// `198.18.0.0/15`, `2001:2::/48`.
    #[error("a benchmarking address")]
    Benchmarking,
    /// `100::/64`.
    #[error("a discard address")]
    Discard,
    /// `168.63.129.16`: a public address that the hosts of a cloud provider use for their platform.
    #[error("an address of the cloud platform")]
    Platform,
    /// Every other address that is not globally reachable, such as `240.0.0.0/4`, Teredo, and all
    /// IPv6 outside `2000::/3`.
    #[error("a reserved address")]
    Reserved,
}

impl AddressPolicy {
    /// A policy that also allows the addresses of `allowed`. A block of IPv4 addresses allows the
    /// same addresses in their v4-mapped form; the forms for NAT64 and 6to4 need their own block.
    pub fn new(allowed: Vec<AddressRange>) -> Self {
        Self { allowed }
    }

    /// Allows globally reachable unicast addresses and the allowed blocks.
    ///
    /// # Errors
    /// The forbidden range that contains `address`.
    pub fn check(&self, address: IpAddr) -> Result<(), ForbiddenAddress> {
        if self.allowed.iter().any(|range| range.contains(address)) {
            return Ok(());
        }
        let forbidden = match address {
            IpAddr::V4(address) => forbidden_v4(address),
            IpAddr::V6(address) => forbidden_v6(address),
        };
        forbidden.map_or(Ok(()), Err)
    }
}

fn forbidden_v4(address: Ipv4Addr) -> Option<ForbiddenAddress> {
    use ForbiddenAddress as Forbidden;
    match address.octets() {
        [0, ..] => Some(Forbidden::Unspecified),
        [127, ..] => Some(Forbidden::Loopback),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(Forbidden::Private),
        [100, 64..=127, ..] => Some(Forbidden::Shared),
        [169, 254, ..] => Some(Forbidden::LinkLocal),
        [168, 63, 129, 16] => Some(Forbidden::Platform),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some(Forbidden::Documentation),
        [198, 18..=19, ..] => Some(Forbidden::Benchmarking),
        [224..=239, ..] => Some(Forbidden::Multicast),
        [255, 255, 255, 255] => Some(Forbidden::Broadcast),
        // Protocol assignments (RFC 6890, 2.1), the retired relays of 6to4 (RFC 7526), class E.
        [192, 0, 0, _] | [192, 88, 99, _] | [240..=255, ..] => Some(Forbidden::Reserved),
        _ => None,
    }
}

fn forbidden_v6(address: Ipv6Addr) -> Option<ForbiddenAddress> {
    use ForbiddenAddress as Forbidden;
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Forbidden::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Forbidden::Loopback),
        // v4-mapped (RFC 4291, 2.5.5.2) and NAT64 (RFC 6052) lead to the IPv4 address at the end,
        // 6to4 (RFC 3056) to the IPv4 address after the prefix, ISATAP (RFC 5214) to the one at the end.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            forbidden_v4(embedded(high, low))
        }
        [0x2002, high, low, ..] => {
            forbidden_v4(embedded(high, low)).or_else(|| forbidden_isatap(address))
        }
        [0xff00..=0xffff, ..] => Some(Forbidden::Multicast),
        [0xfe80..=0xfebf, ..] => Some(Forbidden::LinkLocal),
        // The last is the prefix of NAT64 for local use (RFC 8215): each network embeds IPv4 in its
        // own way.
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => Some(Forbidden::Private),
        [0x100, 0, 0, 0, ..] => Some(Forbidden::Discard),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some(Forbidden::Documentation),
        [0x2001, 2, 0, ..] => Some(Forbidden::Benchmarking),
        // Protocol assignments, Teredo (2001::/32) among them, which embeds IPv4 addresses.
        [0x2001, 0..=0x1ff, ..] => Some(Forbidden::Reserved),
        [0x2000..=0x3fff, ..] => forbidden_isatap(address),
        // Not global unicast (RFC 4291, 2.4), such as the v4-compatible form `::a.b.c.d`.
        _ => Some(Forbidden::Reserved),
    }
}

/// The range of the IPv4 address in an ISATAP address (RFC 5214, 6.1), under whatever prefix.
fn forbidden_isatap(address: Ipv6Addr) -> Option<ForbiddenAddress> {
    match address.segments() {
        [.., 0 | 0x200, 0x5efe, high, low] => forbidden_v4(embedded(high, low)),
        _ => None,
    }
}

/// The IPv4 address in two segments of an IPv6 address.
fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::ForbiddenAddress::{
        Benchmarking, Broadcast, Discard, Documentation, LinkLocal, Loopback, Multicast, Platform,
        Private, Reserved, Shared, Unspecified,
    };
    use super::*;

    /// Each address with its verdict: the first and the last of each range, and their neighbours.
    const VERDICTS: &[(&str, Result<(), ForbiddenAddress>)] = &[
        ("0.0.0.0", Err(Unspecified)),
        ("0.255.255.255", Err(Unspecified)),
        ("1.0.0.0", Ok(())),
        ("1.1.1.1", Ok(())),
        ("8.8.8.8", Ok(())),
        ("9.255.255.255", Ok(())),
        ("10.0.0.0", Err(Private)),
        ("10.255.255.255", Err(Private)),
        ("11.0.0.0", Ok(())),
        ("100.63.255.255", Ok(())),
        ("100.64.0.0", Err(Shared)),
        ("100.100.100.200", Err(Shared)),
        ("100.127.255.255", Err(Shared)),
        ("100.128.0.0", Ok(())),
        ("126.255.255.255", Ok(())),
        ("127.0.0.0", Err(Loopback)),
        ("127.0.0.1", Err(Loopback)),
        ("127.255.255.255", Err(Loopback)),
        ("128.0.0.0", Ok(())),
        ("168.63.129.15", Ok(())),
        ("168.63.129.16", Err(Platform)),
        ("169.253.255.255", Ok(())),
        ("169.254.0.0", Err(LinkLocal)),
        ("169.254.169.254", Err(LinkLocal)),
        ("169.254.255.255", Err(LinkLocal)),
        ("169.255.0.0", Ok(())),
        ("172.15.255.255", Ok(())),
        ("172.16.0.0", Err(Private)),
        ("172.31.255.255", Err(Private)),
        ("172.32.0.0", Ok(())),
        ("192.0.0.0", Err(Reserved)),
        ("192.0.0.192", Err(Reserved)),
        ("192.0.1.0", Ok(())),
        ("192.0.2.0", Err(Documentation)),
        ("192.0.2.255", Err(Documentation)),
        ("192.0.3.0", Ok(())),
        ("192.88.99.1", Err(Reserved)),
        ("192.167.255.255", Ok(())),
        ("192.168.0.0", Err(Private)),
        ("192.168.255.255", Err(Private)),
        ("192.169.0.0", Ok(())),
        ("198.17.255.255", Ok(())),
        ("198.18.0.0", Err(Benchmarking)),
        ("198.19.255.255", Err(Benchmarking)),
        ("198.20.0.0", Ok(())),
        ("198.51.100.7", Err(Documentation)),
        ("203.0.113.7", Err(Documentation)),
        ("203.0.114.0", Ok(())),
        ("223.255.255.255", Ok(())),
        ("224.0.0.1", Err(Multicast)),
        ("239.255.255.255", Err(Multicast)),
        ("240.0.0.1", Err(Reserved)),
        ("255.255.255.254", Err(Reserved)),
        ("255.255.255.255", Err(Broadcast)),
        // IPv6.
        ("::", Err(Unspecified)),
        ("::1", Err(Loopback)),
        ("::2", Err(Reserved)),
        ("1::", Err(Reserved)),
        ("100::", Err(Discard)),
        ("100::ffff:ffff:ffff:ffff", Err(Discard)),
        ("100:0:0:1::1", Err(Reserved)),
        ("1fff:ffff::1", Err(Reserved)),
        ("2000::1", Ok(())),
        ("2001:2::1", Err(Benchmarking)),
        ("2001:20::1", Err(Reserved)),
        ("2001:1ff::1", Err(Reserved)),
        ("2001:200::1", Ok(())),
        ("2001:db7:ffff::1", Ok(())),
        ("2001:db8::1", Err(Documentation)),
        ("2001:db9::1", Ok(())),
        ("2606:4700:4700::1111", Ok(())),
        ("2a00:1450:4001::200e", Ok(())),
        ("3ffe::1", Ok(())),
        ("3fff::1", Err(Documentation)),
        ("3fff:fff::1", Err(Documentation)),
        ("3fff:1000::1", Ok(())),
        ("4000::1", Err(Reserved)),
        ("5f00::1", Err(Reserved)),
        ("fbff::1", Err(Reserved)),
        ("fc00::1", Err(Private)),
        ("fd00:ec2::254", Err(Private)),
        ("fdff:ffff::1", Err(Private)),
        ("fe00::1", Err(Reserved)),
        ("fe80::1", Err(LinkLocal)),
        ("febf::1", Err(LinkLocal)),
        ("fec0::1", Err(Private)),
        ("feff::1", Err(Private)),
        ("ff02::1", Err(Multicast)),
        ("ff0e::1", Err(Multicast)),
        // v4-mapped.
        ("::ffff:8.8.8.8", Ok(())),
        ("::ffff:0.0.0.0", Err(Unspecified)),
        ("::ffff:127.0.0.1", Err(Loopback)),
        ("::ffff:10.0.0.1", Err(Private)),
        ("::ffff:169.254.169.254", Err(LinkLocal)),
        ("::ffff:100.64.0.1", Err(Shared)),
        ("::ffff:255.255.255.255", Err(Broadcast)),
        // v4-compatible and v4-translated.
        ("::8.8.8.8", Err(Reserved)),
        ("::127.0.0.1", Err(Reserved)),
        ("::ffff:0:127.0.0.1", Err(Reserved)),
        // NAT64.
        ("64:ff9b::8.8.8.8", Ok(())),
        ("64:ff9b::127.0.0.1", Err(Loopback)),
        ("64:ff9b::10.0.0.1", Err(Private)),
        ("64:ff9b::169.254.169.254", Err(LinkLocal)),
        ("64:ff9b:0:0:0:1::", Err(Reserved)),
        ("64:ff9b:1::8.8.8.8", Err(Private)),
        ("64:ff9b:1:a00:0:100::", Err(Private)),
        // 6to4.
        ("2002:808:808::1", Ok(())),
        ("2002:7f00:1::1", Err(Loopback)),
        ("2002:a00:1::1", Err(Private)),
        ("2002:c0a8:1::1", Err(Private)),
        ("2002:a9fe:a9fe::1", Err(LinkLocal)),
        ("2002:e000:1::1", Err(Multicast)),
        // ISATAP.
        ("2606:4700::5efe:8.8.8.8", Ok(())),
        ("2606:4700::5efe:10.0.0.1", Err(Private)),
        ("2606:4700::200:5efe:127.0.0.1", Err(Loopback)),
        ("2002:808:808::5efe:169.254.169.254", Err(LinkLocal)),
        ("fe80::5efe:8.8.8.8", Err(LinkLocal)),
        // Teredo, of a public and of a private address.
        ("2001:0:4136:e378:8000:63bf:f7f7:f7f7", Err(Reserved)),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", Err(Reserved)),
    ];

    fn policy(allowed: &[&str]) -> AddressPolicy {
        let allowed = allowed.iter().map(|range| range.parse().unwrap());
        AddressPolicy::new(allowed.collect())
    }

    #[test]
    fn each_address_has_its_verdict() {
        assert!(VERDICTS.len() >= 60);
        let policy = policy(&[]);
        for (address, verdict) in VERDICTS {
            let parsed = address.parse().unwrap();
            assert_eq!(policy.check(parsed), *verdict, "{address}");
        }
    }

    #[test]
    fn an_allowed_block_covers_its_addresses_and_their_mapped_form_only() {
        let allowed = policy(&["10.1.0.0/16", "::1/128", "64:ff9b::a02:0/112"]);
        for (address, verdict) in [
            ("10.1.255.255", Ok(())),
            ("::ffff:10.1.0.1", Ok(())),
            ("64:ff9b::10.1.0.1", Err(Private)),
            ("2002:a01:1::1", Err(Private)),
            ("10.2.0.1", Err(Private)),
            ("64:ff9b::10.2.0.1", Ok(())),
            ("::1", Ok(())),
            ("127.0.0.1", Err(Loopback)),
            ("8.8.8.8", Ok(())),
        ] {
            let parsed = address.parse().unwrap();
            assert_eq!(allowed.check(parsed), verdict, "{address}");
        }
    }

    #[test]
    fn a_mapped_block_is_its_ipv4_block() {
        let allowed = policy(&["::ffff:10.0.0.0/104"]);
        assert_eq!(allowed.check("10.9.9.9".parse().unwrap()), Ok(()));
        assert_eq!(allowed.check("::ffff:10.9.9.9".parse().unwrap()), Ok(()));
    }
}
