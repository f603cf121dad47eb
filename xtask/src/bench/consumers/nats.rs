//! The same work on NATS `JetStream`: file storage, a pull consumer, explicit acknowledgements.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::targets::{STORED, WORKERS};
use crate::bench::jetstream::{self, NatsClient, NatsFrame};
use crate::{process, programs};

/// The messages of one pull.
const BATCH: u32 = 50;
const STREAM: &str = r#"{"name":"B","subjects":["b"],"storage":"file","retention":"limits"}"#;
const CONSUMER: &str = r#"{"stream_name":"B","config":{"durable_name":"w","ack_policy":"explicit","ack_wait":600000000000,"max_ack_pending":10000}}"#;

/// Measures and prints messages a second.
#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
pub(super) fn run(directory: &Path, seconds: u64) -> Result<(), String> {
    programs::ensure_package("nats-server", "nats-server")?;
    let address = process::free_address()?;
    let _server = jetstream::start(address, directory, "")?;
    let failed = |error: io::Error| format!("NATS: {error}");
    let mut client = NatsClient::connect(address).map_err(failed)?;
    client
        .request("$JS.API.STREAM.CREATE.B", STREAM)
        .map_err(failed)?;
    client
        .request("$JS.API.CONSUMER.DURABLE.CREATE.B.w", CONSUMER)
        .map_err(failed)?;
    fill(&mut client).map_err(failed)?;
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let settled = thread::scope(|scope| {
        let worker = || work(NatsClient::connect(address)?, end);
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

/// Publishes all messages, and waits until the stream has stored the last one.
fn fill(client: &mut NatsClient) -> io::Result<()> {
    let text = "The quick brown fox jumps over the lazy dog";
    let chunk = format!("PUB b {}\r\n{text}\r\n", text.len()).repeat(1_000);
    for _ in 0..STORED / 1_000 {
        client.send(&chunk)?;
        // The reply to the last one keeps the client from outrunning the server.
        client.request("b", text)?;
    }
    Ok(())
}

/// Pulls and acknowledges until `end`; returns the number of messages.
#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
fn work(mut client: NatsClient, end: Instant) -> io::Result<u32> {
    let body = format!(r#"{{"batch":{BATCH},"no_wait":true}}"#);
    let (inbox, length) = (client.inbox.clone(), body.len());
    let pull = format!("PUB $JS.API.CONSUMER.MSG.NEXT.B.w {inbox} {length}\r\n{body}\r\n");
    let mut settled = 0;
    while Instant::now() < end {
        client.send(&pull)?;
        let mut acks = String::new();
        let mut received = 0;
        while received < BATCH {
            match client.frame()? {
                NatsFrame::Message(reply) => {
                    acks += &format!("PUB {reply} 4\r\n+ACK\r\n");
                    received += 1;
                }
                NatsFrame::Status => break,
            }
        }
        client.send(&acks)?;
        settled += received;
        if received == 0 {
            break;
        }
    }
    Ok(settled)
}
