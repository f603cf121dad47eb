//! Fills a file with messages, for measuring reads: `fill PATH COUNT [TOPICS]` prints the id in the middle, and topics
//! and ids of a sample. Messages are of `inbox`, and with TOPICS, after the first ones, of as many others in turn.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a tool of the bench"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{Append, Clock, MessageStore};
use posthorn_domain::{Attributes, Durability, MessageContent, NewMessage, Timestamp, Topic};
use posthorn_embedded::{EmbeddedStore, EmbeddedStoreSettings};

/// The number of concurrent appends.
const BATCH: usize = 512;
/// The messages of `inbox` before those of other topics.
const OF_INBOX: usize = 1_000;
/// The number of messages in the sample, evenly spread.
const SAMPLE: usize = 10_000;

struct WallClock;

#[async_trait]
impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        Timestamp::from_millis(u64::try_from(now.as_millis()).unwrap())
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().unwrap());
    let count: usize = arguments.next().unwrap().parse().unwrap();
    let topics: Option<usize> = arguments.next().map(|topics| topics.parse().unwrap());
    let settings = EmbeddedStoreSettings {
        durability: Durability::Memory,
        max_topics: u64::MAX,
        ..EmbeddedStoreSettings::new(path)
    };
    let store = EmbeddedStore::open(&settings, Arc::new(WallClock)).unwrap();
    let topic = |number: usize| match topics {
        Some(topics) if number >= OF_INBOX => {
            Topic::parse(&format!("t{}", number % topics)).unwrap()
        }
        _ => Topic::inbox(),
    };
    let append = |number| Append {
        message: NewMessage {
            topic: topic(number),
            content: MessageContent::from_store("The quick brown fox jumps over the lazy dog"),
            attributes: Attributes::default(),
            traceparent: None,
        },
        instance: "fill".into(),
        idempotency: None,
    };
    let (mut stored, mut middle) = (0, None);
    while stored < count {
        let batch = (stored..count.min(stored + BATCH)).map(|number| store.append(append(number)));
        let receipts = futures_util::future::join_all(batch).await;
        for (number, receipt) in (stored..).zip(&receipts) {
            if number % count.div_ceil(SAMPLE) == 0 {
                println!(
                    "sample {} {}",
                    topic(number),
                    receipt.as_ref().unwrap().receipt.id
                );
            }
        }
        stored += receipts.len();
        if middle.is_none() && stored >= count / 2 {
            middle = Some(receipts.last().unwrap().as_ref().unwrap().receipt.id);
        }
    }
    store.close().await;
    println!("middle {}", middle.unwrap());
}
