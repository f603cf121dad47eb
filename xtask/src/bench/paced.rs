//! A load at a fixed rate, which wrk cannot send. Requests are due at fixed times, and a latency counts
//! from when its request was due: the delay of a server that stalls counts for every waiting request.
//! One thread serves all connections: a thread for each would need more of the CPUs, which the client
//! shares with the server, than the server itself.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

use super::wrk::LoadFigures;

/// The longest wait for a response.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longer than any response.
const MAX_RESPONSE_BYTES: usize = 64 << 10;

/// The rate, the duration and the number of connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) connections: u16,
    pub(super) duration: Duration,
    /// Requests a second.
    pub(super) rate: f64,
}

/// One connection: it has one request at a time under way.
#[derive(Debug)]
struct PacedConnection {
    stream: TcpStream,
    /// When the request that is under way was due, or the next one is.
    due: Instant,
    /// The received part of the response.
    response: Vec<u8>,
}

/// All connections and their results.
#[derive(Debug)]
struct PacedLoad {
    request: Vec<u8>,
    epoll: OwnedFd,
    /// By the number under which each is known to `epoll`; those that failed are gone.
    connections: Vec<Option<PacedConnection>>,
    /// When the next request of each connection is due that has none under way.
    waiting: BinaryHeap<Reverse<(Instant, usize)>>,
    under_way: usize,
    latencies: Vec<Duration>,
    failed: u32,
    follow_up: FollowUp,
}

/// Makes a second request of the response to the first one; their latencies are added. `None` ends the turn.
pub(super) type FollowUp = fn(&[u8]) -> Option<Vec<u8>>;

/// Sends POSTs of the JSON `body`, the connections in turn.
pub(super) fn run(
    address: SocketAddr,
    path: &str,
    body: &str,
    pace: Pace,
) -> Result<LoadFigures, String> {
    run_with(address, post(path, body), pace, |_| None)
}

/// As [`run`], with a request that [`post`] made and one that may follow its response.
#[expect(
    clippy::disallowed_methods,
    reason = "it is real time that is measured"
)]
pub(super) fn run_with(
    address: SocketAddr,
    request: Vec<u8>,
    pace: Pace,
    follow_up: FollowUp,
) -> Result<LoadFigures, String> {
    if pace.rate < 1.0 {
        return Err("the highest load is zero".to_owned());
    }
    let failed = |error: io::Error| format!("the paced load: {error}");
    let mut load = PacedLoad::connect(address, request, pace, follow_up).map_err(failed)?;
    let start = Instant::now();
    load.run(start, pace).map_err(failed)?;
    Ok(load.summed(start.elapsed()))
}

/// A POST of the JSON `body`.
pub(super) fn post(path: &str, body: &str) -> Vec<u8> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    request.into_bytes()
}

impl PacedLoad {
    fn connect(
        address: SocketAddr,
        request: Vec<u8>,
        pace: Pace,
        follow_up: FollowUp,
    ) -> io::Result<Self> {
        let mut load = Self {
            request,
            follow_up,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: Vec::new(),
            waiting: BinaryHeap::new(),
            under_way: 0,
            latencies: Vec::new(),
            failed: 0,
        };
        for number in 0..u64::from(pace.connections) {
            match PacedConnection::open(address) {
                Ok(connection) => {
                    let data = epoll::EventData::new_u64(number);
                    epoll::add(&load.epoll, &connection.stream, data, epoll::EventFlags::IN)?;
                    load.connections.push(Some(connection));
                }
                Err(_) => load.fail(load.connections.len()),
            }
        }
        Ok(load)
    }

    /// Sends due requests and reads responses, until the last request has its response.
    #[expect(
        clippy::disallowed_methods,
        reason = "it is real time that is measured"
    )]
    fn run(&mut self, start: Instant, pace: Pace) -> io::Result<()> {
        let after = |requests: f64| start + Duration::from_secs_f64(requests / pace.rate);
        for (place, connection) in self.connections.iter_mut().enumerate() {
            if let (Some(connection), Ok(turn)) = (connection, u32::try_from(place)) {
                connection.due = after(f64::from(turn));
                self.waiting.push(Reverse((connection.due, place)));
            }
        }
        let turn = Duration::from_secs_f64(f64::from(pace.connections) / pace.rate);
        let end = start + pace.duration;
        let mut events = Vec::with_capacity(usize::from(pace.connections));
        loop {
            self.send_due(Instant::now().min(end));
            let next = self.waiting.peek().map(|Reverse((due, _))| *due);
            let next = next.filter(|due| *due < end);
            if next.is_none() && self.under_way == 0 {
                return Ok(());
            }
            let until = next.unwrap_or(end + PATIENCE);
            let wait = until.saturating_duration_since(Instant::now());
            if wait.is_zero() && next.is_none() {
                self.failed += u32::try_from(self.under_way).unwrap_or(u32::MAX);
                return Ok(());
            }
            let wait = Timespec::try_from(wait).map_err(|_| ErrorKind::InvalidInput)?;
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                let event: epoll::Event = *event;
                if let Ok(place) = usize::try_from(event.data.u64()) {
                    self.take(place, turn);
                }
            }
        }
    }

    /// Sends every request that is due before `now`.
    fn send_due(&mut self, now: Instant) {
        while let Some(Reverse((due, place))) = self.waiting.peek().copied()
            && due < now
        {
            self.waiting.pop();
            let Some(Some(connection)) = self.connections.get_mut(place) else {
                continue;
            };
            self.under_way += 1;
            // It fits into the buffer of a connection on which nothing else is under way.
            if connection.stream.write_all(&self.request).is_err() {
                self.under_way -= 1;
                self.fail(place);
            }
        }
    }

    /// Reads from a connection.
    fn take(&mut self, place: usize, turn: Duration) {
        let Some(Some(connection)) = self.connections.get_mut(place) else {
            return;
        };
        match connection.take() {
            Ok(true) => {
                let next = (self.follow_up)(&connection.response);
                connection.response.clear();
                if let Some(next) = next {
                    if connection.stream.write_all(&next).is_err() {
                        self.under_way -= 1;
                        self.fail(place);
                    }
                    return;
                }
                self.latencies.push(connection.due.elapsed());
                connection.due += turn;
                self.waiting.push(Reverse((connection.due, place)));
                self.under_way -= 1;
            }
            Ok(false) => {}
            Err(_) => {
                self.under_way = self.under_way.saturating_sub(1);
                self.fail(place);
            }
        }
    }

    /// A connection that failed once sends nothing more.
    fn fail(&mut self, place: usize) {
        self.failed += 1;
        match self.connections.get_mut(place) {
            Some(connection) => *connection = None,
            None => self.connections.push(None),
        }
    }

    fn summed(mut self, elapsed: Duration) -> LoadFigures {
        self.latencies.sort_unstable();
        let succeeded = u32::try_from(self.latencies.len()).map_or(f64::INFINITY, f64::from);
        let failed = f64::from(self.failed);
        LoadFigures {
            requests: succeeded + failed,
            rate: (succeeded + failed) / elapsed.as_secs_f64(),
            p50: percentile(&self.latencies, 50),
            p99: percentile(&self.latencies, 99),
            failed,
        }
    }
}

impl PacedConnection {
    #[expect(
        clippy::disallowed_methods,
        reason = "it is real time that is measured"
    )]
    fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            due: Instant::now(),
            response: Vec::with_capacity(4096),
        })
    }

    /// Reads the available bytes. True if the response is complete, and is to be cleared; an unsuccessful one is an error.
    fn take(&mut self) -> io::Result<bool> {
        // One read, not one more that finds nothing: the client shares the processors with the server.
        // What is missing still wakes it.
        self.response.reserve(1024);
        match rustix::io::read(&self.stream, spare_capacity(&mut self.response)) {
            // The connection has ended.
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) if self.response.len() > MAX_RESPONSE_BYTES => Err(ErrorKind::InvalidData.into()),
            Ok(_) => is_complete(&self.response),
            Err(error) if error == rustix::io::Errno::AGAIN => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// True if `response` is complete; an error if it is malformed or unsuccessful.
fn is_complete(response: &[u8]) -> io::Result<bool> {
    let Some(end) = response.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(false);
    };
    let (head, rest) = response.split_at(end);
    let head = std::str::from_utf8(head).map_err(|_| ErrorKind::InvalidData)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    if !status.is_some_and(|status| status.starts_with('2')) {
        return Err(ErrorKind::InvalidData.into());
    }
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.ok_or(ErrorKind::InvalidData)?;
    Ok(rest.len() >= length + 4)
}

/// A percentile by the nearest rank, in milliseconds; infinite when there is no value.
pub(super) fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    let value = sorted.get(rank.saturating_sub(1));
    value.map_or(f64::INFINITY, |latency| latency.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn percentiles_are_by_the_nearest_rank() {
        let sorted: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert!((percentile(&sorted, 50) - 100.0).abs() < 1e-9);
        assert!((percentile(&sorted, 99) - 198.0).abs() < 1e-9);
        assert!(percentile(&[], 99).is_infinite());
    }

    #[test]
    fn a_response_is_complete_with_the_last_byte_of_its_body() {
        let whole = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}";
        for end in 0..whole.len() {
            assert_eq!(is_complete(&whole[..end]).ok(), Some(false), "{end}");
        }
        assert_eq!(is_complete(whole).ok(), Some(true));
        for bad in [
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
        ] {
            assert!(is_complete(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_request_without_a_response_is_a_failure() {
        let nobody = crate::process::free_address().unwrap();
        let pace = Pace {
            connections: 2,
            duration: Duration::from_millis(20),
            rate: 200.0,
        };
        let figures = run(nobody, "/", "", pace).unwrap();
        assert!((figures.failed - 2.0).abs() < 1e-9 && (figures.requests - 2.0).abs() < 1e-9);
    }

    #[test]
    fn requests_are_sent_at_their_rate_one_after_another() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 1024];
            let mut requests = 0_u32;
            while stream.read(&mut buffer).unwrap() > 0 {
                requests += 1;
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                    .unwrap();
            }
            requests
        });
        let pace = Pace {
            connections: 1,
            duration: Duration::from_millis(100),
            rate: 100.0,
        };
        let figures = run(address, "/", "{}", pace).unwrap();
        assert!(figures.failed.abs() < 1e-9 && figures.p99.is_finite());
        let requests = f64::from(server.join().unwrap());
        assert!((figures.requests - requests).abs() < 1e-9 && requests >= 9.0);
    }
}
