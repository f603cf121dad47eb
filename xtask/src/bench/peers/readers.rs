//! Many readers of Server-Sent Events in one thread: one for each would need more of the CPUs, which they share with
//! the server, than the server itself.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

/// What precedes the number of a message in its text.
const MARK: &[u8] = b"fan-out ";
const DIGITS: usize = 6;
/// The longest wait for messages that are missing, once the last one was sent.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most bytes of a read: a stream that is behind sends many messages at once.
const READ_BYTES: usize = 64 << 10;
/// How often the end is looked for.
const TURN: Duration = Duration::from_millis(50);

/// The text of a message: 64 bytes with its number.
pub(super) fn numbered(number: u32) -> String {
    format!("fan-out {number:06} The quick brown fox jumps over the lazy dog twice")
}

/// A message that reached a reader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) number: u32,
    pub(super) at: Instant,
}

/// One open stream.
#[derive(Debug)]
struct FanOutReader {
    stream: TcpStream,
    /// The bytes that the next read may complete to a mark.
    kept: Vec<u8>,
    has_read: bool,
}

/// All open streams.
#[derive(Debug)]
pub(super) struct FanOutReaders {
    epoll: OwnedFd,
    /// What each read fills, after the bytes that were kept.
    buffer: Vec<u8>,
    readers: Vec<FanOutReader>,
}

impl FanOutReaders {
    /// Opens `count` streams, one after the other: a server may reject some of many that come at once.
    pub(super) fn open(address: SocketAddr, path: &str, count: u16) -> io::Result<Self> {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut readers = Vec::with_capacity(usize::from(count));
        for number in 0..u64::from(count) {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(request.as_bytes())?;
            let mut kept = vec![0; 4096];
            let length = stream.read(&mut kept)?;
            kept.truncate(length);
            if !kept.starts_with(b"HTTP/1.1 200 ") {
                let text = String::from_utf8_lossy(&kept);
                return Err(io::Error::other(format!("stream {number}: {text}")));
            }
            stream.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(number);
            epoll::add(&epoll, &stream, data, epoll::EventFlags::IN)?;
            readers.push(FanOutReader {
                stream,
                kept,
                has_read: false,
            });
        }
        Ok(Self {
            epoll,
            buffer: Vec::with_capacity(2 * READ_BYTES),
            readers,
        })
    }

    /// Reads for `pause` at most. True once every reader has had a message.
    #[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
    pub(super) fn have_all_read(&mut self, pause: Duration) -> io::Result<bool> {
        let end = Instant::now() + pause;
        while Instant::now() < end {
            self.read_some(&mut Vec::new())?;
            if self.readers.iter().all(|reader| reader.has_read) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads until every reader has had each of the `messages`, or none came for five seconds after `finished`.
    #[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
    pub(super) fn read_all(
        &mut self,
        messages: u32,
        finished: &AtomicBool,
    ) -> io::Result<Vec<Arrival>> {
        let expected = self.readers.len() * usize::try_from(messages).unwrap_or(0);
        let mut arrivals = Vec::with_capacity(expected);
        let mut last = Instant::now();
        while arrivals.len() < expected {
            let before = arrivals.len();
            self.read_some(&mut arrivals)?;
            if arrivals.len() > before || !finished.load(Ordering::Acquire) {
                last = Instant::now();
            } else if last.elapsed() > PATIENCE {
                break;
            }
        }
        Ok(arrivals)
    }

    /// Waits for bytes, and adds the messages in them; the warm-up has the number 0 and is left out.
    #[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
    fn read_some(&mut self, arrivals: &mut Vec<Arrival>) -> io::Result<()> {
        let turn = Timespec::try_from(TURN).map_err(|_| ErrorKind::InvalidInput)?;
        let mut events = Vec::with_capacity(512);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&turn)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let event: epoll::Event = *event;
            let place = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
            if let Some(reader) = self.readers.get_mut(place) {
                self.buffer.clear();
                self.buffer.append(&mut reader.kept);
                read(&reader.stream, &mut self.buffer)?;
                let at = Instant::now();
                take_numbers(&mut self.buffer, |number| {
                    reader.has_read = true;
                    if number > 0 {
                        arrivals.push(Arrival { number, at });
                    }
                });
                reader.kept.extend_from_slice(&self.buffer);
            }
        }
        Ok(())
    }
}

/// Adds what has arrived.
fn read(stream: &TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.reserve(READ_BYTES);
    match rustix::io::read(stream, spare_capacity(buffer)) {
        Ok(0) => Err(io::Error::other("the server ended a stream")),
        Ok(_) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Passes on the number after each mark, and keeps the bytes that may be the start of another one. A byte that is none
/// of the mark's proves that no mark has it, so most bytes are not looked at.
fn take_numbers(bytes: &mut Vec<u8>, mut found: impl FnMut(u32)) {
    const LENGTH: usize = MARK.len() + DIGITS;
    let mut from = 0;
    while let Some(window) = bytes.get(from..from + LENGTH) {
        let last = window.get(MARK.len() - 1);
        match window.strip_prefix(MARK) {
            None if last.is_some_and(|byte| !MARK.contains(byte)) => from += MARK.len(),
            None => from += 1,
            Some(digits) => {
                let text = std::str::from_utf8(digits).unwrap_or_default();
                if let Ok(number) = text.parse() {
                    found(number);
                }
                from += LENGTH;
            }
        }
    }
    bytes.drain(..from);
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn a_text_has_64_bytes_and_its_number() {
        let text = numbered(1234);
        assert_eq!(text.len(), 64);
        let mut bytes = text.into_bytes();
        let mut numbers = Vec::new();
        take_numbers(&mut bytes, |number| numbers.push(number));
        assert_eq!(numbers, [1234]);
        assert!(bytes.len() < MARK.len() + DIGITS);
    }

    #[test]
    fn a_number_is_found_however_the_bytes_are_cut() {
        let whole = format!("data: {}\n\ndata: {}\n\n", numbered(1), numbered(2));
        for cut in 0..whole.len() {
            let (first, second) = whole.as_bytes().split_at(cut);
            let mut numbers = Vec::new();
            let mut bytes = first.to_vec();
            take_numbers(&mut bytes, |number| numbers.push(number));
            bytes.extend_from_slice(second);
            take_numbers(&mut bytes, |number| numbers.push(number));
            assert_eq!(numbers, [1, 2], "{cut}");
        }
    }

    #[test]
    fn every_reader_gets_every_message() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = thread::spawn(move || {
            let accept = |_| {
                let mut stream = listener.accept().unwrap().0;
                assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                stream
            };
            (0..2).map(accept).collect::<Vec<_>>()
        });
        let mut readers = FanOutReaders::open(address, "/stream", 2).unwrap();
        let mut streams = accepting.join().unwrap();
        assert!(!readers.have_all_read(Duration::ZERO).unwrap());
        let server = thread::spawn(move || {
            for stream in &mut streams {
                for number in 0..3 {
                    write!(stream, "data: {}\n\n", numbered(number)).unwrap();
                }
            }
            streams
        });
        let arrivals = readers.read_all(2, &AtomicBool::new(true)).unwrap();
        assert_eq!(arrivals.len(), 4);
        assert!(readers.have_all_read(Duration::from_secs(1)).unwrap());
        drop(server.join().unwrap());
    }

    #[test]
    fn a_rejected_stream_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
            let response = b"HTTP/1.1 503 Service Unavailable\r\n\r\n";
            stream.write_all(response).unwrap();
        });
        let error = FanOutReaders::open(address, "/stream", 1).unwrap_err();
        assert!(error.to_string().contains("503"), "{error}");
        server.join().unwrap();
    }
}
