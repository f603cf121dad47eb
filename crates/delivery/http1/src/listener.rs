//! Opens the listening sockets.
//!
//! Gap: `bind` of actix-server listens on as many addresses as it can and returns an error only if it can on none,
//! and it does not return the port that the system chose. No public issue found. Red without it:
//! `one_address_that_cannot_be_bound_fails_all`.

use std::io;
use std::net::{SocketAddr, TcpListener};

use tokio::net::TcpSocket;

/// How many connections may wait to be accepted; the kernel has a cap of its own.
const BACKLOG: u32 = 1024;

/// The bytes of responses that the kernel holds for a client that does not read. Without a limit it adapts the
/// buffer to the connection, up to megabytes, and a container's memory counts them.
const SEND_BUFFER: u32 = 64 * 1024;

/// Listens on every address, or on none if one of them cannot be bound. Call it on a tokio runtime.
///
/// # Errors
/// An address cannot be bound, or there is none.
pub fn listen_all(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    if addresses.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "there is no address to listen on",
        ));
    }
    addresses.iter().copied().map(listen).collect()
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Otherwise a restart has to wait until the kernel forgets the connections of the previous process.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_address_that_cannot_be_bound_fails_all() {
        let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let taken = listen_all(&[free]).unwrap().remove(0).local_addr().unwrap();
        let holder = listen_all(&[taken]).unwrap();
        assert!(listen_all(&[free, taken]).is_err());
        drop(holder);
        assert_eq!(listen_all(&[free, taken]).unwrap().len(), 2);
        assert!(listen_all(&[]).is_err());
    }
}
