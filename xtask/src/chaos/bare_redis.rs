//! A connection to Redis that sends inline commands, and nothing more: no retry, no idea of a primary.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::tcp;

/// The longest wait for a connection, a write or a read.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The connection.
#[derive(Debug)]
pub(super) struct BareRedis {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl BareRedis {
    /// Connects at the first command.
    pub(super) const fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
        }
    }

    /// Sends a command and returns the leaves of its reply. The next call after a failure connects again.
    pub(super) fn call(&mut self, command: &str) -> io::Result<Vec<String>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => tcp::connect(self.address, TIMEOUT)?,
        };
        stream
            .get_mut()
            .write_all(format!("{command}\r\n").as_bytes())?;
        let mut leaves = Vec::new();
        read_reply(&mut stream, &mut leaves)?;
        self.stream = Some(stream);
        Ok(leaves)
    }
}

/// Reads one reply of RESP2. An error reply is an error.
fn read_reply(stream: &mut impl BufRead, leaves: &mut Vec<String>) -> io::Result<()> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "a malformed reply");
    let mut pending: u64 = 1;
    while pending > 0 {
        pending -= 1;
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let (kind, value) = line.trim_end().split_at_checked(1).ok_or_else(malformed)?;
        match kind {
            "+" | ":" => leaves.push(value.to_owned()),
            "-" => return Err(io::Error::other(value.to_owned())),
            // -1 is a reply without a value.
            "*" => pending += value.parse::<u64>().unwrap_or_default(),
            "$" if value == "-1" => leaves.push(String::new()),
            "$" => {
                let length: u64 = value.parse().map_err(|_| malformed())?;
                let mut text = String::new();
                // The text ends with CR and LF.
                stream.take(length + 2).read_to_string(&mut text)?;
                leaves.push(text.trim_end().to_owned());
            }
            _ => return Err(malformed()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(reply: &str) -> io::Result<Vec<String>> {
        let mut leaves = Vec::new();
        read_reply(&mut reply.as_bytes(), &mut leaves).map(|()| leaves)
    }

    #[test]
    fn the_leaves_of_a_reply_are_read_in_their_order() {
        let role = "*3\r\n$6\r\nmaster\r\n:12\r\n*1\r\n*2\r\n$1\r\na\r\n$-1\r\n";
        assert_eq!(leaves(role).unwrap(), ["master", "12", "a", ""]);
        assert!(leaves("-READONLY no\r\n").is_err());
        assert!(leaves("").is_err());
    }
}
