//! `cargo xtask ci readers`: SSE clients that others wrote follow a topic while their connections are cut, while the
//! server restarts, and while it has no capacity. Each has to see every message once, in order.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::packages::Packages;
use super::server::Server;
use super::tcp_proxy::TcpProxy;
use crate::http_client::HttpClient;
use crate::process::{self, Process};

const FOLLOW_PY: &str = include_str!("readers/follow.py");
const FOLLOW_JS: &str = include_str!("readers/follow.mjs");
const PYTHON: [&str; 2] = ["sseclient-py", "httpx-sse"];
const NODE: [&str; 3] = ["eventsource", "event-source-polyfill", "fetch-event-source"];
const STREAM: &str = "/api/v1/topics/readers/stream";
/// The streams of the server that has no capacity, all of them held by this check.
const FULL: usize = 8;
/// The messages of each half of the check.
const HALF: usize = 20;
/// A connection is cut after so many bytes: the headers and a few messages, in the middle of one.
const CUT: usize = 2500;

/// A running client.
#[derive(Debug)]
struct SseReader {
    name: &'static str,
    log: PathBuf,
    _process: Process,
}

/// Runs every reader and checks what it has seen.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let packages = Packages::install(root)?;
    let work = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (work, address) = (work.path(), process::free_address()?);
    let start = |streams: usize| {
        let streams = streams.to_string();
        let settings = [("STORE_URL", "file:readers.db"), ("MAX_STREAMS", &streams)];
        Server::start(root, work, address, &settings)
    };
    let proxy = TcpProxy::start(address).map_err(|error| error.to_string())?;
    proxy.cut_after(CUT);
    let server = start(FULL)?;
    let readers = start_readers(&packages, work, proxy.address)?;
    send(address, 0..HALF)?;
    wait(
        &readers,
        "every message over connections that are cut",
        |log| messages(log).len() >= HALF,
    )?;
    if proxy.cuts() < readers.len() {
        return Err(format!("only {} connections were cut", proxy.cuts()));
    }

    proxy.cut_after(usize::MAX);
    proxy.refuse(true);
    server.stop()?;
    let server = start(FULL)?;
    let held = hold_streams(address)?;
    proxy.refuse(false);
    send(address, HALF..2 * HALF)?;
    wait(&readers, "that the server is busy", |log| {
        log.lines().any(|line| line.starts_with("busy"))
    })?;
    check_other_client(address)?;
    drop(held);
    wait(&readers, "every message after a restart", |log| {
        messages(log).len() >= 2 * HALF
    })?;
    server.stop()?;
    readers.iter().try_for_each(SseReader::check)
}

fn start_readers(
    packages: &Packages,
    work: &Path,
    address: SocketAddr,
) -> Result<Vec<SseReader>, String> {
    let url = format!("http://{address}{STREAM}?after=00000000000000000000000000");
    let mut commands = Vec::new();
    for name in PYTHON {
        commands.push((name, packages.python("follow.py", FOLLOW_PY)?));
    }
    for name in NODE {
        commands.push((name, packages.node("follow.mjs", FOLLOW_JS)?));
    }
    let start = |(name, mut command): (&'static str, std::process::Command)| {
        let log = work.join(format!("{name}.log"));
        let process = Process::start(name, command.args([name, &url]), &log)?;
        Ok(SseReader {
            name,
            log,
            _process: process,
        })
    };
    commands.into_iter().map(start).collect()
}

fn text(number: usize) -> String {
    // Of two bytes a character: a cut falls into one of them, too.
    format!("сообщение {number}")
}

fn send(address: SocketAddr, numbers: std::ops::Range<usize>) -> Result<(), String> {
    let mut client = HttpClient::new(address);
    for number in numbers {
        let body = json!({ "message": text(number) }).to_string();
        let sent = client.post("/api/v1/topics/readers/messages", "", &body);
        let sent = sent.map_err(|error| error.to_string())?;
        if sent.status != 201 {
            return Err(sent.body);
        }
    }
    Ok(())
}

/// Takes the whole capacity of the server.
fn hold_streams(address: SocketAddr) -> Result<Vec<TcpStream>, String> {
    let request = format!("GET {STREAM} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let open = || -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(request.as_bytes())?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        match &status {
            b"HTTP/1.1 200" => Ok(stream),
            other => Err(std::io::Error::other(format!("{other:?}"))),
        }
    };
    let streams = (0..FULL).map(|_| open().map_err(|error| error.to_string()));
    streams.collect()
}

/// A client that does not name the media type gets an error.
fn check_other_client(address: SocketAddr) -> Result<(), String> {
    let response = HttpClient::new(address).get(STREAM);
    match response.map_err(|error| error.to_string())?.status {
        503 => Ok(()),
        status => Err(format!("a full server responded with {status}")),
    }
}

/// Waits until `done` is true for the output of every reader.
fn wait(readers: &[SseReader], what: &str, done: impl Fn(&str) -> bool) -> Result<(), String> {
    if process::poll(|| readers.iter().all(|reader| done(&reader.output()))) {
        println!("readers: saw {what}");
        return Ok(());
    }
    let late = readers.iter().find(|reader| !done(&reader.output()));
    late.map_or(Ok(()), |reader| {
        Err(format!(
            "{} did not see {what}:\n{}",
            reader.name,
            reader.output()
        ))
    })
}

/// The texts of the messages in an output.
fn messages(output: &str) -> Vec<&str> {
    output
        .lines()
        .filter_map(|line| line.strip_prefix("message "))
        .collect()
}

impl SseReader {
    fn output(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn check(&self) -> Result<(), String> {
        let output = self.output();
        let expected: Vec<String> = (0..2 * HALF).map(text).collect();
        if messages(&output) != expected || output.lines().any(|line| line.starts_with("gap")) {
            return Err(format!("{} saw other messages:\n{output}", self.name));
        }
        println!("{}: every message once, in order", self.name);
        Ok(())
    }
}
