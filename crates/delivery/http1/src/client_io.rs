//! The byte stream of a client, and the question whether the client has closed its sending half.
//!
//! Gap: tokio reports the end of a socket only after its runtime has looked at all sockets; until then a read is
//! pending. No public issue found. Red without it: `the_end_of_a_socket_is_known_before_the_runtime_looks`.

use std::mem::MaybeUninit;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A byte stream that a connection is served on.
pub trait ClientIo: AsyncRead + AsyncWrite + Unpin + 'static {
    /// True if the client has closed its sending half and all that it sent was read, as the operating system knows it.
    fn has_ended(&self) -> bool;
}

impl ClientIo for TcpStream {
    fn has_ended(&self) -> bool {
        // The socket does not block: without bytes and without an end this is an error at once.
        match SockRef::from(self).peek(&mut [MaybeUninit::uninit()]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream as Client;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_end_of_a_socket_is_known_before_the_runtime_looks() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::connect(listener.local_addr().unwrap()).unwrap();
        let (io, _) = listener.accept().await.unwrap();
        assert!(!io.has_ended());
        drop(client);
        // Nothing here lets the runtime look.
        let seen = (0..10_000_000).any(|_| {
            std::thread::yield_now();
            io.has_ended()
        });
        assert!(seen);
    }

    #[tokio::test]
    async fn unread_bytes_come_before_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = Client::connect(listener.local_addr().unwrap()).unwrap();
        let (io, _) = listener.accept().await.unwrap();
        std::io::Write::write_all(&mut client, b"next").unwrap();
        io.readable().await.unwrap();
        drop(client);
        assert!(!io.has_ended());
    }
}
