//! Measures streams: many idle ones, and a fan-out to many readers without loss.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::cases::MESSAGE_PATH;
use super::server::{BenchServer, ServerKind, ServerLaunch};
use crate::http_client::HttpClient;

/// The number of idle streams of one process, and the most memory for them, in MiB.
const IDLE: u32 = 10_000;
const MOST_IDLE_MIB: f64 = 200.0;
/// The number of readers of each message.
const READERS: usize = 1_000;
const MESSAGES: usize = 1_000;
/// The longest wait for the next bytes of a stream.
const PATIENCE: Duration = Duration::from_mins(2);
/// The stack of a reading thread: there are many, and they hold little.
const STACK_BYTES: usize = 128 * 1024;

/// Measures and prints both.
pub(super) fn run(launch: &ServerLaunch<'_>) -> Result<(), String> {
    let start = || BenchServer::start(ServerKind::Posthorn, launch);
    idle(&start()?)?;
    fan_out(&start()?)
}

fn idle(server: &BenchServer) -> Result<(), String> {
    let before = server.resident()?;
    let open = open(server.address, IDLE)?;
    let during = server.resident()?;
    drop(open);
    println!(
        "{IDLE} idle streams {:>10.1} MiB resident, {before:.1} before; under {MOST_IDLE_MIB}: {}",
        during,
        if during < MOST_IDLE_MIB {
            "met"
        } else {
            "MISSED"
        }
    );
    Ok(())
}

/// Opens `count` streams of the inbox.
pub(super) fn open(address: SocketAddr, count: u32) -> Result<Vec<TcpStream>, String> {
    let opened = (0..count).map(|number| {
        let stream = stream(address);
        stream.map_err(|error| format!("stream {number} of {count}: {error}; `ulimit -n`?"))
    });
    opened.collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is real time that is measured"
)]
fn fan_out(server: &BenchServer) -> Result<(), String> {
    let address = server.address;
    let streams: Result<Vec<_>, _> = (0..READERS).map(|_| stream(address)).collect();
    let streams = streams.map_err(|error| error.to_string())?;
    let start = Instant::now();
    let reader = |stream| {
        let builder = thread::Builder::new().stack_size(STACK_BYTES);
        builder
            .spawn(move || count_messages(stream))
            .map_err(|error| error.to_string())
    };
    let readers: Vec<_> = streams.into_iter().map(reader).collect::<Result<_, _>>()?;
    let mut writer = HttpClient::new(address);
    for number in 0..MESSAGES {
        let body = format!("{{\"message\":\"fan-out {number}\"}}");
        let response = writer
            .post(MESSAGE_PATH, "", &body)
            .map_err(|error| error.to_string())?;
        if response.status != 201 {
            return Err(format!("message {number}: {}", response.status));
        }
    }
    let mut complete = 0;
    for reader in readers {
        complete += usize::from(reader.join().is_ok_and(|seen| seen == MESSAGES));
    }
    println!(
        "{MESSAGES} messages to {READERS} readers in {:.1} s: {complete} readers got all of them: {}",
        start.elapsed().as_secs_f64(),
        if complete == READERS { "met" } else { "MISSED" }
    );
    Ok(())
}

/// An open stream of the inbox, past its first frame.
fn stream(address: SocketAddr) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /api/v1/topics/inbox/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut seen = Vec::new();
    let mut chunk = [0; 1024];
    while !contains(&seen, b"retry: ") {
        match stream.read(&mut chunk)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => seen.extend_from_slice(chunk.get(..read).unwrap_or_default()),
        }
    }
    Ok(stream)
}

/// How many messages arrive, until all did or none comes any more.
fn count_messages(mut stream: TcpStream) -> usize {
    const MARK: &[u8] = b"event: message";
    let (mut seen, mut count) = (Vec::new(), 0);
    let mut chunk = [0; 16 * 1024];
    while count < MESSAGES {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(read) => seen.extend_from_slice(chunk.get(..read).unwrap_or_default()),
        }
        count += seen
            .windows(MARK.len())
            .filter(|window| *window == MARK)
            .count();
        // The last bytes may be the start of a mark that the next read completes.
        let kept = seen.len().saturating_sub(MARK.len() - 1);
        seen.drain(..kept);
    }
    count
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_across_reads() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let writer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for _ in 0..MESSAGES {
                stream.write_all(b"id: 1\nevent: mess").unwrap();
                stream.write_all(b"age\ndata: {}\n\n").unwrap();
            }
        });
        assert_eq!(
            count_messages(TcpStream::connect(address).unwrap()),
            MESSAGES
        );
        writer.join().unwrap();
    }
}
