//! The highest load on `JetStream`, as wrk makes it on a server of HTTP: one thread, and each connection sends its next
//! message when it has the acknowledgement of the one before.

use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

use crate::bench::jetstream::NatsClient;
use crate::bench::paced::percentile;
use crate::bench::wrk::LoadFigures;

/// The longest wait for any acknowledgement.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection with one message on its way.
#[derive(Debug)]
struct Publisher {
    stream: TcpStream,
    request: Vec<u8>,
    received: Vec<u8>,
    sent: Instant,
}

/// Sends `text` by `connections` for `duration`.
#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
pub(super) fn run(
    address: SocketAddr,
    text: &str,
    connections: u16,
    duration: Duration,
) -> Result<LoadFigures, String> {
    let failed = |error: io::Error| format!("the load on NATS: {error}");
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|e| failed(e.into()))?;
    let mut publishers = Vec::new();
    for number in 0..u64::from(connections) {
        let publisher = Publisher::open(address, text).map_err(failed)?;
        let data = epoll::EventData::new_u64(number);
        epoll::add(&epoll, &publisher.stream, data, epoll::EventFlags::IN)
            .map_err(|error| failed(error.into()))?;
        publishers.push(publisher);
    }
    let start = Instant::now();
    let mut latencies = drive(&epoll, &mut publishers, start + duration).map_err(failed)?;
    let elapsed = start.elapsed();
    latencies.sort_unstable();
    let requests = u32::try_from(latencies.len()).map_or(f64::INFINITY, f64::from);
    Ok(LoadFigures {
        requests,
        rate: requests / elapsed.as_secs_f64(),
        p50: percentile(&latencies, 50),
        p99: percentile(&latencies, 99),
        failed: 0.0,
    })
}

/// Sends until `end`; returns the time that each acknowledgement took. A refusal is an error.
#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
fn drive(epoll: &OwnedFd, publishers: &mut [Publisher], end: Instant) -> io::Result<Vec<Duration>> {
    for publisher in publishers.iter_mut() {
        publisher.send()?;
    }
    let mut latencies = Vec::new();
    let mut events = Vec::with_capacity(publishers.len());
    let patience = Timespec::try_from(PATIENCE).map_err(|_| ErrorKind::InvalidInput)?;
    while Instant::now() < end {
        events.clear();
        match epoll::wait(epoll, spare_capacity(&mut events), Some(&patience)) {
            Ok(0) => return Err(ErrorKind::TimedOut.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let event: epoll::Event = *event;
            let place = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
            if let Some(publisher) = publishers.get_mut(place)
                && publisher.is_acknowledged()?
            {
                latencies.push(publisher.sent.elapsed());
                publisher.send()?;
            }
        }
    }
    Ok(latencies)
}

impl Publisher {
    #[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
    fn open(address: SocketAddr, text: &str) -> io::Result<Self> {
        let client = NatsClient::connect(address)?;
        let request = format!("PUB bench {} {}\r\n{text}\r\n", client.inbox, text.len());
        let stream = client.into_stream();
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            request: request.into_bytes(),
            received: Vec::with_capacity(4096),
            sent: Instant::now(),
        })
    }

    #[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
    fn send(&mut self) -> io::Result<()> {
        self.sent = Instant::now();
        // It fits into the buffer of a connection on which nothing else is under way.
        self.stream.write_all(&self.request)
    }

    /// Reads what has arrived. True if it completes the acknowledgement.
    fn is_acknowledged(&mut self) -> io::Result<bool> {
        self.received.reserve(1024);
        match rustix::io::read(&self.stream, spare_capacity(&mut self.received)) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(rustix::io::Errno::AGAIN) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let mut acknowledged = false;
        while let Some((frame, length)) = first_frame(&self.received) {
            match frame {
                PublisherFrame::Acknowledged => acknowledged = true,
                PublisherFrame::Ping => self.stream.write_all(b"PONG\r\n")?,
                PublisherFrame::Refused => {
                    let text = String::from_utf8_lossy(&self.received).into_owned();
                    return Err(io::Error::other(text));
                }
                PublisherFrame::Other => {}
            }
            self.received.drain(..length);
        }
        Ok(acknowledged)
    }
}

/// What the server sends on a connection that only publishes.
#[derive(Debug, PartialEq, Eq)]
enum PublisherFrame {
    Acknowledged,
    Refused,
    Ping,
    Other,
}

/// The first whole frame of `bytes` and its length.
fn first_frame(bytes: &[u8]) -> Option<(PublisherFrame, usize)> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    let line = std::str::from_utf8(bytes.get(..end)?).unwrap_or_default();
    let head = end + 2;
    let mut words = line.split(' ');
    match words.next() {
        Some("MSG" | "HMSG") => {
            let length: usize = words.next_back()?.parse().ok()?;
            let payload = bytes.get(head..head + length)?;
            bytes.get(head + length..head + length + 2)?;
            let stored = !payload.windows(7).any(|seven| seven == b"\"error\"");
            let frame = if stored {
                PublisherFrame::Acknowledged
            } else {
                PublisherFrame::Refused
            };
            Some((frame, head + length + 2))
        }
        Some("PING") => Some((PublisherFrame::Ping, head)),
        Some("-ERR") => Some((PublisherFrame::Refused, head)),
        _ => Some((PublisherFrame::Other, head)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_found_once_it_is_whole() {
        let message = "MSG inbox.1 1 27\r\n{\"stream\":\"bench\", \"seq\":1}\r\n";
        let whole = format!("{message}PING\r\n");
        let message = message.len();
        for end in 0..message {
            assert_eq!(first_frame(&whole.as_bytes()[..end]), None, "{end}");
        }
        assert_eq!(
            first_frame(whole.as_bytes()),
            Some((PublisherFrame::Acknowledged, message))
        );
        assert_eq!(
            first_frame(b"PING\r\n+OK\r\n"),
            Some((PublisherFrame::Ping, 6))
        );
        assert_eq!(first_frame(b"+OK\r\n"), Some((PublisherFrame::Other, 5)));
    }

    #[test]
    fn an_error_is_a_refusal() {
        let refused = b"MSG inbox.1 1 13\r\n{\"error\":{}}\n\r\n";
        assert_eq!(
            first_frame(refused).map(|(frame, _)| frame),
            Some(PublisherFrame::Refused)
        );
        assert_eq!(
            first_frame(b"-ERR 'no'\r\n"),
            Some((PublisherFrame::Refused, 11))
        );
    }
}
