//! The addresses of listeners.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// The listeners cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {reason}")]
pub struct BindError {
    /// The host and port, or the resolved addresses.
    address: String,
    /// The error of the operating system.
    #[source]
    reason: io::Error,
}

impl BindError {
    pub(super) fn new(addresses: &[SocketAddr], reason: io::Error) -> Self {
        Self {
            address: format!("{addresses:?}"),
            reason,
        }
    }
}

/// Resolves a host to one address. Of several addresses it is the first IPv4 address, because a
/// host may have an IPv6 address that it cannot listen on.
///
/// # Errors
/// The host is unknown.
pub fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, BindError> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = (host, port).to_socket_addrs();
    let addresses: Vec<_> = addresses
        .map_err(|reason| BindError {
            address: format!("{host}:{port}"),
            reason,
        })?
        .collect();
    let first = addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first());
    Ok(first.copied().into_iter().collect())
}

/// The address under which this machine reaches a listener. One on all addresses is reached over the
/// loopback.
pub(super) fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        ip if ip.is_unspecified() && ip.is_ipv4() => Ipv4Addr::LOCALHOST.into(),
        ip if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}
