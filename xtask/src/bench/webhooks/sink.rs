//! The receiver of all webhooks of the bench. It has one thread, since it shares the CPUs with the server,
//! and responds to every request with 204, except to those below [`HANGING`].

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

/// Requests to paths with this prefix have no response.
pub(super) const HANGING: &str = "/hang/";
/// The arrivals of requests to paths with this prefix are recorded.
pub(super) const TIMED: &str = "/timed/";

const RESPONSE: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
/// The data of the listener in `epoll`; connections are numbered from 1.
const LISTENER: u64 = 0;
const MAX_EVENTS: usize = 256;
/// How long the thread may need to end.
const POLL: Duration = Duration::from_millis(100);

/// The first arrivals of requests by their path and `webhook-id`.
pub(super) type Arrivals = HashMap<(String, String), Instant>;

/// The receiver; its thread ends when it is dropped.
pub(super) struct WebhookSink {
    address: SocketAddr,
    shared: Arc<SinkState>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct SinkState {
    requests: AtomicU64,
    arrivals: Mutex<Arrivals>,
    is_stopped: AtomicBool,
}

/// The event loop of the thread.
struct SinkLoop {
    listener: TcpListener,
    epoll: OwnedFd,
    connections: HashMap<u64, SinkConnection>,
    accepted: u64,
    shared: Arc<SinkState>,
}

struct SinkConnection {
    stream: TcpStream,
    /// The received part of the requests without a response.
    input: Vec<u8>,
}

impl WebhookSink {
    /// Listens on a loopback address.
    pub(super) fn start() -> Result<Self, String> {
        let failed = |error: io::Error| format!("the receiver: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::<SinkState>::default();
        let mut sink = SinkLoop::new(listener, Arc::clone(&shared)).map_err(failed)?;
        let thread = std::thread::spawn(move || {
            if let Err(error) = sink.run() {
                eprintln!("the receiver ended: {error}");
            }
        });
        Ok(Self {
            address,
            shared,
            thread: Some(thread),
        })
    }

    /// The URL of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The number of requests with a response so far.
    pub(super) fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// The recorded arrivals, which it forgets.
    pub(super) fn take_arrivals(&self) -> Arrivals {
        std::mem::take(&mut self.shared.arrivals())
    }

    /// The recorded arrivals. The receiver waits while they are borrowed.
    pub(super) fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.shared.arrivals()
    }

    /// The number of recorded arrivals.
    pub(super) fn arrived(&self) -> usize {
        self.shared.arrivals().len()
    }
}

impl Drop for WebhookSink {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has reported its panic.
            let _ = thread.join();
        }
    }
}

impl SinkState {
    fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SinkLoop {
    fn new(listener: TcpListener, shared: Arc<SinkState>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64(LISTENER);
        epoll::add(&epoll, &listener, data, epoll::EventFlags::IN)?;
        Ok(Self {
            listener,
            epoll,
            connections: HashMap::new(),
            accepted: 0,
            shared,
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let wait = Timespec::try_from(POLL).map_err(|_| ErrorKind::InvalidInput)?;
        let mut events = Vec::with_capacity(MAX_EVENTS);
        while !self.shared.is_stopped.load(Ordering::Relaxed) {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                let event: epoll::Event = *event;
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    number => self.read(number),
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            self.accepted += 1;
            let data = epoll::EventData::new_u64(self.accepted);
            epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN)?;
            let input = Vec::new();
            let connection = SinkConnection { stream, input };
            self.connections.insert(self.accepted, connection);
        }
    }

    /// Reads a connection and responds. One that ended or failed is closed.
    fn read(&mut self, number: u64) {
        if let Some(connection) = self.connections.get_mut(&number)
            && connection.serve(&self.shared).is_err()
        {
            self.connections.remove(&number);
        }
    }
}

impl SinkConnection {
    #[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
    fn serve(&mut self, shared: &SinkState) -> io::Result<()> {
        match self.stream.read_to_end(&mut self.input) {
            Ok(_) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let now = Instant::now();
        while let Some(request) = SinkRequest::parse(&self.input)? {
            if request.path.starts_with(TIMED) {
                let key = (request.path.to_owned(), request.id.to_owned());
                shared.arrivals().entry(key).or_insert(now);
            }
            if !request.path.starts_with(HANGING) {
                // It fits into the buffer of a connection with one request at a time.
                self.stream.write_all(RESPONSE)?;
                shared.requests.fetch_add(1, Ordering::Relaxed);
            }
            let length = request.length;
            self.input.drain(..length);
        }
        Ok(())
    }
}

/// A complete request.
struct SinkRequest<'a> {
    path: &'a str,
    /// Its `webhook-id`.
    id: &'a str,
    /// The bytes of its head and its body.
    length: usize,
}

impl<'a> SinkRequest<'a> {
    /// The first request of `input`; `None` if it is not complete.
    fn parse(input: &'a [u8]) -> io::Result<Option<Self>> {
        let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = input.get(..end).unwrap_or_default();
        let head = std::str::from_utf8(head).map_err(|_| ErrorKind::InvalidData)?;
        let mut lines = head.split("\r\n");
        let path = lines.next().and_then(|line| line.split(' ').nth(1));
        let (mut id, mut body) = ("", 0);
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            match name {
                "webhook-id" => id = value,
                "content-length" => body = value.parse().map_err(|_| ErrorKind::InvalidData)?,
                _ => {}
            }
        }
        let request = Self {
            path: path.ok_or(ErrorKind::InvalidData)?,
            id,
            length: end + 4 + body,
        };
        Ok((request.length <= input.len()).then_some(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_complete_with_the_last_byte_of_its_body() {
        let whole = b"POST /timed/a HTTP/1.1\r\nwebhook-id: 7\r\ncontent-length: 2\r\n\r\n{}";
        for end in 0..whole.len() {
            assert!(
                SinkRequest::parse(&whole[..end]).unwrap().is_none(),
                "{end}"
            );
        }
        let request = SinkRequest::parse(whole).unwrap().unwrap();
        assert_eq!((request.path, request.id), ("/timed/a", "7"));
        assert_eq!(request.length, whole.len());
    }
}
