//! The clients that requests are counted for, and ranges of addresses.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;

/// One client, as requests are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// The bearer of a token, by its subject.
    Subject(Arc<str>),
    /// A network address. Of an IPv6 address only the first 64 bits count: one household has all
    /// the addresses below them (RFC 6177).
    Network(IpAddr),
}

/// A block of addresses in CIDR notation (RFC 4632, 3.1; RFC 4291, 2.3). A block of IPv4 addresses
/// within IPv6, such as `::ffff:10.0.0.0/104`, is the block of IPv4 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange(IpNet);

/// A text is not a block of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address or a block such as 10.0.0.0/8 or fd00::/8")]
pub struct AddressRangeError(String);

impl Client {
    /// The client at `address`. An IPv4 address within IPv6 is the same client as the IPv4 address.
    pub fn at(address: IpAddr) -> Self {
        Self::Network(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address @ IpAddr::V4(_) => address,
        })
    }

    /// The bearer of a token of `subject`.
    pub fn of_subject(subject: &str) -> Self {
        Self::Subject(subject.into())
    }
}

/// `192.0.2.1`, `2001:db8::/64` or `sub:alice`; no two clients have the same text.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject(subject) => write!(f, "sub:{subject}"),
            Self::Network(address @ IpAddr::V4(_)) => write!(f, "{address}"),
            Self::Network(address @ IpAddr::V6(_)) => write!(f, "{address}/64"),
        }
    }
}

impl AddressRange {
    /// True if the range contains `address`. An IPv4 address within IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for AddressRange {
    type Err = AddressRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || AddressRangeError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let prefix: u8 = match prefix {
            // Digits only: the parser of numbers would accept a sign.
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| invalid())?
            }
            Some(_) => return Err(invalid()),
            None => IpNet::from(address).max_prefix_len(),
        };
        let (address, prefix) = match address.to_canonical() {
            // A client within this block has its IPv4 address. A larger block is not all IPv4.
            canonical @ IpAddr::V4(_) if address.is_ipv6() => {
                (canonical, prefix.checked_sub(96).ok_or_else(invalid)?)
            }
            _ => (address, prefix),
        };
        let block = IpNet::new(address, prefix).map_err(|_| invalid())?;
        Ok(Self(block.trunc()))
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_its_64_bit_network() {
        let of = |text: &str| Client::at(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(Client::of_subject("192.0.2.7").to_string(), "sub:192.0.2.7");
    }

    #[test]
    fn a_range_contains_its_addresses_and_no_others() {
        for (range, address, contained) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("0.0.0.0/0", "255.1.1.1", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::1", "::1", true),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("::ffff:10.0.0.0/104", "10.0.0.1", true),
            ("::ffff:10.0.0.0/104", "::ffff:10.0.0.1", true),
            ("::ffff:10.0.0.0/104", "11.0.0.1", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("::ffff:192.0.2.1", "192.0.2.2", false),
            ("::ffff:0:0/96", "192.0.2.2", true),
            ("::ffff:0:0/96", "2001:db8::1", false),
        ] {
            let parsed: AddressRange = range.parse().unwrap();
            assert_eq!(
                parsed.contains(address.parse().unwrap()),
                contained,
                "{range} {address}"
            );
        }
    }

    #[test]
    fn invalid_text_is_rejected() {
        for text in [
            "",
            "/8",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0",
            "host",
            "10.0.0.0/8/8",
            "10.0.0.0/256",
            "::ffff:10.0.0.0/95",
            "::ffff:10.0.0.0/8",
        ] {
            assert!(text.parse::<AddressRange>().is_err(), "{text}");
        }
        assert_eq!(
            "10.1.2.3/8".parse::<AddressRange>().unwrap().to_string(),
            "10.0.0.0/8"
        );
    }
}
