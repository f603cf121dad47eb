//! The reverse proxies in front of the server.

use std::str::FromStr;

/// The header in which trusted proxies name the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`: a list of addresses.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239): a list of elements whose `for` is an address.
    Forwarded,
}

/// The text is none of `x-forwarded-for`, `forwarded`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of: x-forwarded-for, forwarded")]
pub struct ProxyHeaderError;

/// The proxies whose header is trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// How many there are between a client and this server; each adds one entry to the header.
    pub hops: usize,
    /// The header.
    pub header: ProxyHeader,
}

impl FromStr for ProxyHeader {
    type Err = ProxyHeaderError;

    /// As for every name of a header, case does not matter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => Ok(Self::XForwardedFor),
            "forwarded" => Ok(Self::Forwarded),
            _ => Err(ProxyHeaderError),
        }
    }
}
