//! NATS `JetStream`: its server, and a client of the text protocol
//! (<https://docs.nats.io/reference/reference-protocols/nats-protocol>).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::Process;
use crate::tcp;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Starts a server with files below `directory`; `storage` is lines of its section `jetstream`.
pub(super) fn start(
    address: SocketAddr,
    directory: &Path,
    storage: &str,
) -> Result<Process, String> {
    let mut command = Command::new("nats-server");
    command
        .arg("-c")
        .arg(configure(address, directory, storage)?);
    let mut server = Process::start("nats-server", &mut command, &directory.join("nats.log"))?;
    server.wait_for(|| NatsClient::connect(address).is_ok())?;
    Ok(server)
}

/// Writes the configuration, and returns its path.
pub(super) fn configure(
    address: SocketAddr,
    directory: &Path,
    storage: &str,
) -> Result<std::path::PathBuf, String> {
    let path = directory.join("nats.conf");
    let files = directory.join("nats");
    let text = format!(
        "listen: \"{address}\"\njetstream {{\n  store_dir: \"{}\"\n{storage}}}\n",
        files.display()
    );
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// A connection with one subscription, for replies.
pub(super) struct NatsClient {
    stream: BufReader<TcpStream>,
    /// The subject of its replies.
    pub(super) inbox: String,
}

/// What the server sent.
pub(super) enum NatsFrame {
    /// A message and the subject of its acknowledgement.
    Message(String),
    /// A message with headers: the end of a pull, by its status.
    Status,
}

impl NatsClient {
    /// Connects and subscribes.
    pub(super) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = tcp::connect(address, TIMEOUT)?;
        let inbox = format!("inbox.{}", stream.get_ref().local_addr()?.port());
        let mut client = Self { stream, inbox };
        let hello = format!(
            "CONNECT {{\"verbose\":false,\"headers\":true,\"no_responders\":true}}\r\nSUB {} 1\r\nPING\r\n",
            client.inbox
        );
        client.send(&hello)?;
        while client.line()? != "PONG" {}
        Ok(client)
    }

    /// Sends a request and waits for its reply.
    pub(super) fn request(&mut self, subject: &str, body: &str) -> io::Result<()> {
        let inbox = &self.inbox;
        let request = format!("PUB {subject} {inbox} {}\r\n{body}\r\n", body.len());
        self.send(&request)?;
        self.frame().map(drop)
    }

    /// Sends lines of the protocol.
    pub(super) fn send(&mut self, text: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }

    /// The next message. `MSG subject sid [reply] bytes`, or `HMSG` with the bytes of the headers too.
    pub(super) fn frame(&mut self) -> io::Result<NatsFrame> {
        loop {
            let line = self.line()?;
            let words: Vec<&str> = line.split(' ').collect();
            let length = words.last().and_then(|length| length.parse().ok());
            match (words.first().copied(), length) {
                (Some("MSG"), Some(length)) => {
                    self.skip(length)?;
                    let reply = words.get(3).copied().unwrap_or_default();
                    return Ok(NatsFrame::Message(reply.to_owned()));
                }
                (Some("HMSG"), Some(length)) => {
                    self.skip(length)?;
                    return Ok(NatsFrame::Status);
                }
                (Some("PING"), _) => self.send("PONG\r\n")?,
                (Some("-ERR"), _) => return Err(io::Error::other(line)),
                _ => {}
            }
        }
    }

    /// The connection, for a client that reads many at once.
    pub(super) fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        io::copy(&mut (&mut self.stream).take(length + 2), &mut io::sink()).map(drop)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }
}
