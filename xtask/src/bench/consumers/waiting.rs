//! Pulls that wait: what they cost, whether a message wakes one, and what happens if their clients leave.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::calls;
use super::targets::verdict;
use super::topic::WorkTopic;
use crate::bench::server::BenchServer;
use crate::http_client::HttpClient;
use crate::process::poll;

/// The number of waiting pulls.
const WAITING: usize = 9_990;
/// Messages that arrive while they wait.
const MESSAGES: usize = 50;
/// The time in which they must not use the CPU.
const IDLE: Duration = Duration::from_secs(2);
/// How often the measurement is repeated until the server has looked for messages for each pull.
const SETTLING: usize = 4;
/// The most CPU time of one second, in milliseconds; clocks and the store's own polling use some.
const MOST_CPU: f64 = 10.0;

/// Measures and prints everything about waiting pulls.
pub(super) fn run(server: &BenchServer, topic: &WorkTopic) -> Result<(), String> {
    calls::create(topic, "waiting", "oldest")?;
    let path = topic.consumer("waiting");
    let mut pulls = wait_idle(server, topic, &path)?;
    wake_some(topic, &mut pulls)?;
    drop(pulls);
    find_what_was_left(topic, &path)
}

/// Opens the pulls and measures what they cost while no message arrives.
fn wait_idle(
    server: &BenchServer,
    topic: &WorkTopic,
    path: &str,
) -> Result<Vec<TcpStream>, String> {
    let idle_before = cpu_of_idling(server)?;
    let mut pulls = Vec::with_capacity(WAITING);
    for number in 0..WAITING {
        let pull = open(topic, path);
        let failed = |error| format!("pull {number} of {WAITING}: {error}; `ulimit -n`?");
        pulls.push(pull.map_err(failed)?);
    }
    // The server is still busy with the first look of each pull.
    let mut idle = cpu_of_idling(server)?;
    for _ in 0..SETTLING {
        if idle < idle_before + MOST_CPU {
            break;
        }
        idle = cpu_of_idling(server)?;
    }
    println!(
        "  {WAITING} waiting pulls      {idle:>10.1} ms CPU a second, {idle_before:.1} without them, \
         {:.0} MiB; under {MOST_CPU} ms more: {}",
        server.resident()?,
        verdict(idle < idle_before + MOST_CPU),
    );
    Ok(pulls)
}

/// Sends messages while the pulls wait. Each message goes to one pull, and wakes no other.
#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
fn wake_some(topic: &WorkTopic, pulls: &mut Vec<TcpStream>) -> Result<(), String> {
    let mut client = HttpClient::new(topic.address);
    let start = Instant::now();
    for _ in 0..MESSAGES {
        calls::post(&mut client, &topic.messages(), r#"{"message":"wake"}"#)?;
    }
    let mut woken = 0;
    poll(|| {
        woken += take_woken(pulls);
        woken >= MESSAGES
    });
    println!(
        "  {MESSAGES} messages woke {:>15} pulls in {:.0} ms: {}",
        woken,
        start.elapsed().as_secs_f64() * 1e3,
        verdict(woken == MESSAGES),
    );
    Ok(())
}

/// Sends messages after the clients of the other pulls left. The messages must be available at once,
/// not after the end of a lease.
#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
fn find_what_was_left(topic: &WorkTopic, path: &str) -> Result<(), String> {
    let mut client = HttpClient::new(topic.address);
    for _ in 0..MESSAGES {
        calls::post(&mut client, &topic.messages(), r#"{"message":"left"}"#)?;
    }
    let start = Instant::now();
    let mut found = 0;
    let pull = format!("{path}/pull");
    while found < MESSAGES && start.elapsed() < Duration::from_secs(20) {
        let pulled = calls::post(&mut client, &pull, r#"{"max":200,"wait_seconds":1}"#)?;
        found += usize::try_from(calls::ack_body(&pulled).1).unwrap_or_default();
    }
    println!(
        "  clients left, {found} of {MESSAGES} messages available in {:.0} ms: {}",
        start.elapsed().as_secs_f64() * 1e3,
        verdict(found == MESSAGES && start.elapsed() < Duration::from_secs(2)),
    );
    Ok(())
}

/// The CPU time of the server in one second without requests, in milliseconds.
#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
fn cpu_of_idling(server: &BenchServer) -> Result<f64, String> {
    let before = server.processor_seconds()?;
    thread::sleep(IDLE);
    let used = server.processor_seconds()? - before;
    Ok(used * 1e3 / IDLE.as_secs_f64())
}

/// A pull that waits.
fn open(topic: &WorkTopic, path: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(topic.address)?;
    let body = r#"{"max":1,"wait_seconds":20}"#;
    let request = format!(
        "POST {path}/pull HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Removes the pulls with a response and returns how many of them got a message.
fn take_woken(pulls: &mut Vec<TcpStream>) -> usize {
    let mut woken = 0;
    let mut chunk = [0; 4096];
    pulls.retain_mut(|pull| match pull.read(&mut chunk) {
        Ok(length) => {
            let response = chunk.get(..length).unwrap_or_default();
            let response = String::from_utf8_lossy(response);
            woken += usize::from(response.contains(r#""lease":"#));
            false
        }
        Err(_) => true,
    });
    woken
}
