//! Appends per second through the port, beside the engine's own ceiling: the same rows handed over
//! by as many tasks to one thread that commits them in groups, with nothing else around it.
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
use tokio::sync::{mpsc, oneshot};

const TASKS: usize = 64;
/// As long as the text that `cargo xtask bench` sends.
const TEXT_BYTES: usize = 43;
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
        ceilings.push(runtime.block_on(ceiling(directory.path().join("raw.db"), time)));
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

/// A raw group-commit writer: as many tasks hand rows to one thread, which commits and syncs
/// whatever waits and then tells each task.
async fn ceiling(path: PathBuf, time: Duration) -> f64 {
    let (rows, waiting) = mpsc::channel(TASKS);
    let writer = std::thread::spawn(move || write(&path, waiting));
    let start = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let rows = rows.clone();
            let text = "x".repeat(TEXT_BYTES);
            tokio::spawn(async move {
                while start.elapsed() < time {
                    let (done, committed) = oneshot::channel();
                    rows.send((text.clone(), done)).await.unwrap();
                    committed.await.unwrap();
                }
            })
        })
        .collect();
    drop(rows);
    for task in tasks {
        task.await.unwrap();
    }
    let elapsed = start.elapsed();
    writer.join().unwrap() as f64 / elapsed.as_secs_f64()
}

/// Writes until nobody hands rows over any more; says how many they were.
fn write(path: &Path, mut rows: mpsc::Receiver<(String, oneshot::Sender<()>)>) -> i64 {
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
    let (mut seq, mut group) = (0_i64, Vec::new());
    while rows.blocking_recv_many(&mut group, TASKS) > 0 {
        let transaction = connection.transaction().unwrap();
        for (text, _) in &group {
            seq += 1;
            let insert = "INSERT INTO messages VALUES (1, ?1, ?1, ?2, NULL, NULL, NULL, NULL)";
            transaction
                .prepare_cached(insert)
                .unwrap()
                .execute((seq, text))
                .unwrap();
        }
        transaction.commit().unwrap();
        for (_, done) in group.drain(..) {
            done.send(()).unwrap();
        }
    }
    seq
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
                traceparent: None,
            };
            let append = Append {
                message,
                instance: "bench".into(),
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
