//! The addresses of listeners.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

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
