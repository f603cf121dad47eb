//! The reverse proxies in front of the server.

/// In which header our own proxies say whom they serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`: a list of addresses.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239): a list of elements whose `for` is an address.
    Forwarded,
}

/// The proxies that are ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// How many there are between a client and this server; each adds one entry to the header.
    pub hops: usize,
    /// The header.
    pub header: ProxyHeader,
}
