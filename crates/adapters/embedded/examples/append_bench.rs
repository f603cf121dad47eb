//! Appends per second through the port, beside the engine's own ceiling: the same rows committed
//! in groups of as many as there are tasks, by one thread with nothing around it.
//!
//! `cargo run --release -p posthorn-embedded --example append_bench [DIRECTORY] [SECONDS]`

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a tool that measures real time and prints"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use posthorn_application::{Append, Clock, MessageStore};
use posthorn_domain::{Attributes, MessageContent, NewMessage, Timestamp, Topic};
use posthorn_embedded::{EmbeddedStore, EmbeddedStoreSettings, schema};
use rusqlite::Connection;

const TASKS: usize = 64;
const TEXT_BYTES: usize = 500;
const ROUNDS: usize = 3;

struct WallClock(Instant);

#[async_trait]
impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        Timestamp::from_millis(u64::try_from(now.as_millis()).unwrap())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = arguments.next().map_or(3, |text| text.parse().unwrap());
    let time = Duration::from_secs(seconds);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut ceilings, mut ports) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let directory = tempfile::tempdir_in(&directory).unwrap();
        ceilings.push(ceiling(&directory.path().join("raw.db"), time));
        ports.push(runtime.block_on(port(directory.path().join("port.db"), time)));
        println!(
            "round {round}: engine {:.0}/s, port {:.0}/s",
            ceilings[round], ports[round]
        );
    }
    let median = |figures: &mut Vec<f64>| {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let (ceiling, port) = (median(&mut ceilings), median(&mut ports));
    println!("engine_appends_per_second {ceiling:.0}");
    println!("port_appends_per_second {port:.0}");
    println!("ratio {:.2}", port / ceiling);
}

/// The engine alone: groups of [`TASKS`] rows, each group committed and synced.
fn ceiling(path: &Path, time: Duration) -> f64 {
    let mut connection = Connection::open(path).unwrap();
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .unwrap();
    connection
        .pragma_update(None, "synchronous", "FULL")
        .unwrap();
    schema::create(&mut connection).unwrap();
    connection
        .execute("INSERT INTO topics (name) VALUES ('inbox')", [])
        .unwrap();
    let text = "x".repeat(TEXT_BYTES);
    let (start, mut seq) = (Instant::now(), 0_i64);
    while start.elapsed() < time {
        let transaction = connection.transaction().unwrap();
        for _ in 0..TASKS {
            seq += 1;
            let insert = "INSERT INTO messages VALUES (1, ?1, ?1, ?2, NULL)";
            transaction
                .prepare_cached(insert)
                .unwrap()
                .execute((seq, &text))
                .unwrap();
        }
        transaction.commit().unwrap();
    }
    seq as f64 / start.elapsed().as_secs_f64()
}

/// The store through its port, with [`TASKS`] tasks that append without a pause.
async fn port(path: PathBuf, time: Duration) -> f64 {
    let clock = Arc::new(WallClock(Instant::now()));
    let store = Arc::new(EmbeddedStore::open(&EmbeddedStoreSettings::new(path), clock).unwrap());
    let (running, count) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let text: Box<str> = "x".repeat(TEXT_BYTES).into();
    let start = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (store, running, count) =
                (Arc::clone(&store), Arc::clone(&running), Arc::clone(&count));
            let message = NewMessage {
                topic: Topic::inbox(),
                content: MessageContent::from_store(text.clone()),
                attributes: Attributes::default(),
            };
            let append = Append {
                message,
                pod: "bench".into(),
                idempotency: None,
            };
            tokio::spawn(async move {
                while running.load(Ordering::Relaxed) {
                    store.append(append.clone()).await.unwrap();
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tokio::time::sleep(time).await;
    running.store(false, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    let rate = count.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    store.close().await;
    rate
}
