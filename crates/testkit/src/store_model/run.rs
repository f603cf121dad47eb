//! Runs operations on a store and on the model, and compares every outcome.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{Anchor, Clock, PageLimit, PageRequest, RetentionPolicy, TopicRequest};
use posthorn_domain::{MessageId, Timestamp, Topic};

use super::StoreModel;
use super::operations::{PagePosition, StoreOperation, operations};
use crate::random_sequences::check_random;
use crate::samples;
use crate::store_contract::StoreHarness;

/// Not a multiple of a second, so that no key is used exactly at its expiry.
const TTL: Duration = Duration::from_millis(10_500);
const TOPICS: [&str; 3] = ["a", "b", "c"];
const TEXTS: [&str; 3] = ["x", "yy", "zzz"];
const KEYS: [&str; 4] = ["k0", "k1", "k2", "k3"];

/// Checks `cases` random sequences of operations, each on a fresh store made by `make`; shrinks a
/// failing sequence.
///
/// # Panics
/// If the store and the model differ.
pub fn check_model<H: StoreHarness>(cases: u32, make: impl AsyncFn() -> H) {
    check_random(cases, &operations(), async |operations| {
        run_model(make().await, operations).await;
    });
}

/// Runs `operations` on the fresh store of `harness` and on a model.
///
/// # Panics
/// If the store and the model differ.
async fn run_model(harness: impl StoreHarness, operations: &[StoreOperation]) {
    let mut run = StoreModelRun {
        harness,
        model: StoreModel::default(),
        ids: Vec::new(),
    };
    for (step, operation) in operations.iter().enumerate() {
        run.step(operation, &format!("step {step}, {operation:?}"))
            .await;
    }
    run.compare_everything().await;
}

struct StoreModelRun<H> {
    harness: H,
    model: StoreModel,
    /// Every id so far, in any topic.
    ids: Vec<MessageId>,
}

impl<H: StoreHarness> StoreModelRun<H> {
    #[expect(clippy::too_many_lines, reason = "an arm for each operation")]
    async fn step(&mut self, operation: &StoreOperation, context: &str) {
        let store = self.harness.store();
        match *operation {
            StoreOperation::Append { topic, text, key } => {
                self.append(topic, text, key, context).await;
            }
            StoreOperation::AppendBatch {
                topic,
                ref texts,
                key,
            } => self.append_batch(topic, texts, key, context).await,
            StoreOperation::Get { topic, id } => {
                let (topic, id) = (name(topic), self.id(id));
                let expected = self.model.get(&topic, id);
                assert_eq!(store.get(&topic, id).await, Ok(expected), "{context}");
            }
            StoreOperation::Delete { topic, id } => {
                let (topic, id) = (name(topic), self.id(id));
                let expected = self.model.delete(&topic, id);
                assert_eq!(store.delete(&topic, id).await, Ok(expected), "{context}");
            }
            StoreOperation::DeleteBefore { topic, id, limit } => {
                let (topic, id) = (name(topic), self.id(id));
                let expected = self.model.delete_before(&topic, id, limit);
                let deleted = store.delete_before(&topic, id, limit).await;
                assert_eq!(deleted, Ok(expected), "{context}");
            }
            StoreOperation::Page {
                topic,
                position,
                limit,
            } => {
                let request = PageRequest {
                    anchor: self.anchor(position),
                    limit: samples::limit(limit),
                };
                self.compare_page(&name(topic), request, context).await;
            }
            StoreOperation::Topics { after, limit } => {
                let request = TopicRequest::after(after.map(name).as_ref(), samples::limit(limit));
                let expected = self.model.topics(&request);
                assert_eq!(store.topics(request).await, Ok(expected), "{context}");
            }
            StoreOperation::Prune {
                max_age,
                max_count,
                budget,
            } => {
                self.prune(max_age, max_count, budget, context).await;
            }
            StoreOperation::Pass(seconds) => {
                if let Some(clock) = self.harness.clock() {
                    clock.advance(Duration::from_secs(seconds));
                }
            }
            StoreOperation::Reopen => {
                drop(store);
                self.harness.reopen().await;
            }
        }
    }

    async fn append(&mut self, topic: u8, text: u8, key: Option<u8>, context: &str) {
        let (topic, text) = (name(topic), pick(&TEXTS, text));
        let append = match key {
            Some(key) => samples::keyed_append(&topic, text, pick(&KEYS, key), self.ttl()),
            None => samples::append(&topic, text),
        };
        let monotonic = self.monotonic();
        let replay = append.idempotency.as_ref().map_or(Ok(None), |idempotency| {
            self.model.replay(&topic, idempotency, monotonic)
        });
        let outcome = self.harness.store().append(append.clone()).await;
        let appended = match (outcome, replay) {
            (Err(error), Err(expected)) => return assert_eq!(error, expected, "{context}"),
            (Ok(appended), Ok(Some(first))) => {
                assert!(appended.replayed, "{context}");
                return assert_eq!(appended.receipt, first, "{context}");
            }
            (Ok(appended), Ok(None)) => appended,
            (outcome, expected) => panic!("{context}: {outcome:?}, not {expected:?}"),
        };
        assert!(!appended.replayed, "{context}");
        assert_eq!(
            (&appended.receipt.topic, &appended.receipt.instance),
            (&topic, &append.instance)
        );
        if let Some(clock) = self.harness.clock() {
            assert_eq!(appended.receipt.processed_at, clock.now(), "{context}");
        }
        let message = append
            .message
            .accepted_at(appended.receipt.id, appended.receipt.processed_at);
        let message = Arc::new(message);
        self.model
            .record(message, &appended.receipt, append.idempotency, monotonic);
        self.ids.push(appended.receipt.id);
    }

    async fn append_batch(&mut self, topic: u8, texts: &[u8], key: Option<u8>, context: &str) {
        let topic = name(topic);
        let texts: Vec<_> = texts.iter().map(|text| pick(&TEXTS, *text)).collect();
        let append = match key {
            Some(key) => samples::keyed_batch(&topic, &texts, pick(&KEYS, key), self.ttl()),
            None => samples::batch(&topic, &texts),
        };
        let monotonic = self.monotonic();
        let replay = append.idempotency.as_ref().map_or(Ok(None), |idempotency| {
            self.model.replay(&topic, idempotency, monotonic)
        });
        let outcome = self.harness.store().append_batch(append.clone()).await;
        let (appended, replayed) = match (outcome, replay) {
            (Err(error), Err(expected)) => return assert_eq!(error, expected, "{context}"),
            (Ok(appended), Ok(replayed)) => (appended, replayed),
            (outcome, expected) => panic!("{context}: {outcome:?}, not {expected:?}"),
        };
        assert_eq!(appended.count, texts.len(), "{context}");
        assert_eq!(appended.replayed, replayed.is_some(), "{context}");
        if let Some(first) = replayed {
            return assert_eq!(appended.first, first, "{context}");
        }
        let mut idempotency = append.idempotency;
        let messages = append.batch.into_messages().into_iter();
        for (message, receipt) in messages.zip(appended.receipts()) {
            let message = message.into_message(topic.clone());
            let message = Arc::new(message.accepted_at(receipt.id, receipt.processed_at));
            // The key of a batch is kept once, with the receipt of its first message.
            let idempotency = idempotency.take();
            self.model.record(message, &receipt, idempotency, monotonic);
            self.ids.push(receipt.id);
        }
    }

    async fn prune(&mut self, max_age: u64, max_count: u64, budget: usize, context: &str) {
        // With a real clock, no message is ever old.
        let (now, max_age) = match self.harness.clock() {
            Some(clock) => (clock.now(), Duration::from_secs(max_age)),
            None => (Timestamp::default(), Duration::from_hours(24)),
        };
        let policy = RetentionPolicy { max_age, max_count };
        let expected = self.model.prune(&policy, now, usize::MAX).removed;
        let mut removed = 0;
        for _ in 0..=self.ids.len() {
            let round = self.harness.store().prune(&policy, budget).await;
            let round = round.unwrap_or_else(|error| panic!("{context}: {error}"));
            removed += round.removed;
            if !round.more {
                return assert_eq!(removed, expected, "{context}");
            }
        }
        panic!("{context}: pruning does not end");
    }

    async fn compare_page(&self, topic: &Topic, request: PageRequest, context: &str) {
        let mut expected = self.model.page(topic, request);
        let page = self.harness.store().page(topic, request).await;
        if let (Anchor::After(id), Ok(page)) = (request.anchor, &page)
            && !self.model.is_known(topic, id)
        {
            expected.truncated = page.truncated;
        }
        assert_eq!(page, Ok(expected), "{context}");
    }

    async fn compare_everything(&self) {
        let all = PageRequest {
            anchor: Anchor::After(MessageId::MIN),
            limit: PageLimit::MAX,
        };
        for topic in TOPICS {
            self.compare_page(&samples::topic(topic), all, "at the end")
                .await;
        }
        let request = TopicRequest::after(None, PageLimit::MAX);
        let expected = self.model.topics(&request);
        assert_eq!(
            self.harness.store().topics(request).await,
            Ok(expected),
            "at the end"
        );
    }

    fn anchor(&self, position: PagePosition) -> Anchor {
        match position {
            PagePosition::Oldest => Anchor::Oldest,
            PagePosition::Newest => Anchor::Newest,
            PagePosition::After(id) => Anchor::After(self.id(id)),
            PagePosition::Before(id) => Anchor::Before(self.id(id)),
        }
    }

    /// One of the ids so far, or the least or the greatest id.
    fn id(&self, index: u8) -> MessageId {
        let index = usize::from(index) % (self.ids.len() + 2);
        let ends = [MessageId::MIN, MessageId::MAX];
        self.ids
            .iter()
            .chain(&ends)
            .nth(index)
            .copied()
            .unwrap_or(MessageId::MIN)
    }

    fn monotonic(&self) -> Duration {
        self.harness
            .clock()
            .map_or(Duration::ZERO, Clock::monotonic)
    }

    /// With a real clock, no key ever expires.
    fn ttl(&self) -> Duration {
        if self.harness.clock().is_some() {
            TTL
        } else {
            Duration::from_hours(24)
        }
    }
}

fn name(topic: u8) -> Topic {
    samples::topic(pick(&TOPICS, topic))
}

fn pick<'a>(from: &[&'a str], index: u8) -> &'a str {
    from.iter()
        .cycle()
        .nth(usize::from(index))
        .expect("not empty")
}
