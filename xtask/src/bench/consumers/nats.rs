//! The same work on NATS `JetStream`: file storage, a pull consumer, explicit acknowledgements, by a client of
//! the text protocol (<https://docs.nats.io/reference/reference-protocols/nats-protocol>).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::targets::{STORED, WORKERS};
use crate::process::{self, Process};
use crate::programs;
use crate::tcp;

const TIMEOUT: Duration = Duration::from_secs(10);
/// The messages of one pull.
const BATCH: u32 = 50;
const STREAM: &str = r#"{"name":"B","subjects":["b"],"storage":"file","retention":"limits"}"#;
const CONSUMER: &str = r#"{"stream_name":"B","config":{"durable_name":"w","ack_policy":"explicit","ack_wait":600000000000,"max_ack_pending":10000}}"#;

/// Measures and prints messages a second.
#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
pub(super) fn run(directory: &Path, seconds: u64) -> Result<(), String> {
    programs::ensure_package("nats-server", "nats-server")?;
    let address = process::free_address()?;
    let _server = start(address, directory)?;
    let failed = |error: io::Error| format!("NATS: {error}");
    let mut client = NatsClient::connect(address).map_err(failed)?;
    client
        .request("$JS.API.STREAM.CREATE.B", STREAM)
        .map_err(failed)?;
    client
        .request("$JS.API.CONSUMER.DURABLE.CREATE.B.w", CONSUMER)
        .map_err(failed)?;
    client.fill().map_err(failed)?;
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let settled = thread::scope(|scope| {
        let worker = || NatsClient::connect(address)?.work(end);
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        let mut settled = 0;
        for worker in workers {
            let done = worker.join().map_err(|_| "a worker panicked".to_owned())?;
            settled += done.map_err(failed)?;
        }
        Ok::<_, String>(settled)
    })?;
    let rate = f64::from(settled) / start.elapsed().as_secs_f64();
    println!(
        "NATS JetStream, files that are synced every two minutes, acks without a response\n  pull and \
         ack of 50      {rate:>10.0} messages/s"
    );
    Ok(())
}

fn start(address: SocketAddr, directory: &Path) -> Result<Process, String> {
    let mut command = Command::new("nats-server");
    command.args([
        "-a",
        "127.0.0.1",
        "-js",
        "-p",
        &address.port().to_string(),
        "-sd",
    ]);
    command.arg(directory.join("nats"));
    let mut server = Process::start("nats-server", &mut command, &directory.join("nats.log"))?;
    server.wait_for(|| NatsClient::connect(address).is_ok())?;
    Ok(server)
}

/// A connection with one subscription, for replies.
struct NatsClient {
    stream: BufReader<TcpStream>,
    inbox: String,
}

/// What the server sent.
enum NatsFrame {
    /// A message and the subject of its acknowledgement.
    Message(String),
    /// A message with headers: the end of a pull, by its status.
    Status,
}

impl NatsClient {
    fn connect(address: SocketAddr) -> io::Result<Self> {
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
    fn request(&mut self, subject: &str, body: &str) -> io::Result<()> {
        let inbox = &self.inbox;
        let request = format!("PUB {subject} {inbox} {}\r\n{body}\r\n", body.len());
        self.send(&request)?;
        self.frame().map(drop)
    }

    /// Publishes all messages, and waits until the stream has stored the last one.
    fn fill(&mut self) -> io::Result<()> {
        let text = "The quick brown fox jumps over the lazy dog";
        let chunk = format!("PUB b {}\r\n{text}\r\n", text.len()).repeat(1_000);
        for _ in 0..STORED / 1_000 {
            self.send(&chunk)?;
            // The reply to the last one keeps the client from outrunning the server.
            self.request("b", text)?;
        }
        Ok(())
    }

    /// Pulls and acknowledges until `end`; returns the number of messages.
    #[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
    fn work(mut self, end: Instant) -> io::Result<u32> {
        let body = format!(r#"{{"batch":{BATCH},"no_wait":true}}"#);
        let (inbox, length) = (self.inbox.clone(), body.len());
        let pull = format!("PUB $JS.API.CONSUMER.MSG.NEXT.B.w {inbox} {length}\r\n{body}\r\n");
        let mut settled = 0;
        while Instant::now() < end {
            self.send(&pull)?;
            let mut acks = String::new();
            let mut received = 0;
            while received < BATCH {
                match self.frame()? {
                    NatsFrame::Message(reply) => {
                        acks += &format!("PUB {reply} 4\r\n+ACK\r\n");
                        received += 1;
                    }
                    NatsFrame::Status => break,
                }
            }
            self.send(&acks)?;
            settled += received;
            if received == 0 {
                break;
            }
        }
        Ok(settled)
    }

    fn send(&mut self, text: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }

    /// The next message. `MSG subject sid [reply] bytes`, or `HMSG` with the bytes of the headers too.
    fn frame(&mut self) -> io::Result<NatsFrame> {
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
