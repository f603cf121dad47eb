//! Runs operations on a store and on its model, and compares every answer.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{Anchor, Clock, PageLimit, PageRequest, RetentionPolicy, TopicRequest};
use posthorn_domain::{MessageId, Timestamp, Topic};
use proptest::test_runner::{Config, TestRunner};

use super::{Operation, Place, StoreModel, operations};
use crate::samples;
use crate::store_contract::StoreHarness;

/// No multiple of a second, so that no key is asked for in the moment that ends it.
const TTL: Duration = Duration::from_millis(10_500);
const TOPICS: [&str; 3] = ["a", "b", "c"];
const TEXTS: [&str; 3] = ["x", "yy", "zzz"];
const KEYS: [&str; 4] = ["k0", "k1", "k2", "k3"];

/// Checks `cases` random sequences of operations, each on a fresh store made by `make`; shrinks
/// what fails.
///
/// # Panics
/// When the store and the model differ.
pub fn check_model<H: StoreHarness>(cases: u32, make: impl AsyncFn() -> H) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&operations(), |operations| {
        runtime.block_on(async { run_model(make().await, &operations).await });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// Runs `operations` on the fresh store of `harness` and on a model.
///
/// # Panics
/// When an answer of the store is not the answer of the model.
pub async fn run_model(harness: impl StoreHarness, operations: &[Operation]) {
    let mut run = Run {
        harness,
        model: StoreModel::default(),
        given: Vec::new(),
    };
    for (step, operation) in operations.iter().enumerate() {
        run.step(operation, &format!("step {step}, {operation:?}"))
            .await;
    }
    run.compare_everything().await;
}

struct Run<H> {
    harness: H,
    model: StoreModel,
    /// Every id given so far, in any topic.
    given: Vec<MessageId>,
}

impl<H: StoreHarness> Run<H> {
    async fn step(&mut self, operation: &Operation, context: &str) {
        let store = self.harness.store();
        match *operation {
            Operation::Append { topic, text, key } => self.append(topic, text, key, context).await,
            Operation::Get { topic, id } => {
                let (topic, id) = (name(topic), self.id(id));
                let expected = self.model.get(&topic, id);
                assert_eq!(store.get(&topic, id).await, Ok(expected), "{context}");
            }
            Operation::Delete { topic, id } => {
                let (topic, id) = (name(topic), self.id(id));
                let expected = self.model.delete(&topic, id);
                assert_eq!(store.delete(&topic, id).await, Ok(expected), "{context}");
            }
            Operation::Page {
                topic,
                place,
                limit,
            } => {
                let request = PageRequest {
                    anchor: self.anchor(place),
                    limit: samples::limit(limit),
                };
                self.compare_page(&name(topic), request, context).await;
            }
            Operation::Topics { after, limit } => {
                let request = TopicRequest {
                    after: after.map(name),
                    limit: samples::limit(limit),
                };
                let expected = self.model.topics(&request);
                assert_eq!(store.topics(request).await, Ok(expected), "{context}");
            }
            Operation::Prune {
                max_age,
                max_count,
                budget,
            } => {
                self.prune(max_age, max_count, budget, context).await;
            }
            Operation::Pass(seconds) => {
                if let Some(clock) = self.harness.clock() {
                    clock.advance(Duration::from_secs(seconds));
                }
            }
            Operation::Reopen => {
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
            assert_eq!(appended.receipt.processed_at(), clock.now(), "{context}");
        }
        let message = Arc::new(append.message.accepted(appended.receipt.id));
        self.model
            .record(message, &appended.receipt, append.idempotency, monotonic);
        self.given.push(appended.receipt.id);
    }

    async fn prune(&mut self, max_age: u64, max_count: u64, budget: usize, context: &str) {
        // With a real clock, nothing is ever old.
        let (now, max_age) = match self.harness.clock() {
            Some(clock) => (clock.now(), Duration::from_secs(max_age)),
            None => (Timestamp::default(), Duration::from_hours(24)),
        };
        let policy = RetentionPolicy { max_age, max_count };
        let expected = self.model.prune(&policy, now, usize::MAX).removed;
        let mut removed = 0;
        for _ in 0..=self.given.len() {
            let round = self.harness.store().prune(&policy, budget).await;
            let round = round.unwrap_or_else(|error| panic!("{context}: {error}"));
            removed += round.removed;
            if !round.more {
                return assert_eq!(removed, expected, "{context}");
            }
        }
        panic!("{context}: pruning does not come to an end");
    }

    async fn compare_page(&self, topic: &Topic, request: PageRequest, context: &str) {
        let expected = self.model.page(topic, request);
        let page = self.harness.store().page(topic, request).await;
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
        let request = TopicRequest {
            after: None,
            limit: PageLimit::MAX,
        };
        let expected = self.model.topics(&request);
        assert_eq!(
            self.harness.store().topics(request).await,
            Ok(expected),
            "at the end"
        );
    }

    fn anchor(&self, place: Place) -> Anchor {
        match place {
            Place::Oldest => Anchor::Oldest,
            Place::Newest => Anchor::Newest,
            Place::After(id) => Anchor::After(self.id(id)),
            Place::Before(id) => Anchor::Before(self.id(id)),
        }
    }

    /// One of the ids given so far, or one of the two ends.
    fn id(&self, place: u8) -> MessageId {
        let place = usize::from(place) % (self.given.len() + 2);
        let ends = [MessageId::MIN, MessageId::MAX];
        self.given
            .iter()
            .chain(&ends)
            .nth(place)
            .copied()
            .unwrap_or(MessageId::MIN)
    }

    fn monotonic(&self) -> Duration {
        self.harness
            .clock()
            .map_or(Duration::ZERO, Clock::monotonic)
    }

    /// With a real clock, no key is ever forgotten.
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

fn pick<'a>(from: &[&'a str], place: u8) -> &'a str {
    from.iter()
        .cycle()
        .nth(usize::from(place))
        .expect("not empty")
}
