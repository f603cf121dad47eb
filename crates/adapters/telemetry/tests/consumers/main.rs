//! The metrics of consumers, over a store that the test scripts.

#![allow(clippy::unwrap_used, reason = "tests")]

mod store;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use posthorn_application::{
    AppIdentity, ConsumerCounts, ConsumerStatus, ConsumerStore, DeadLetterRequest, LeaseUpdate,
    PageLimit, PullRequest, RetentionPolicy, StoreError,
};
use posthorn_domain::{
    Attempt, ConsumerKey, ConsumerKind, ConsumerName, ConsumerSettings, LeaseNonce, LeaseToken,
    MessageId, SettingsTag, Topic,
};
use posthorn_telemetry::{ConsumerSampler, InstrumentedConsumerStore, Metrics};
use posthorn_testkit::{FakeClock, eventually};
use store::CountedStore;

const GAUGES: [&str; 6] = [
    "waiting",
    "in_flight",
    "dead",
    "missed",
    "dead_dropped",
    "oldest_age_seconds",
];
/// A round of the sampler happens at least this often.
const ROUND: Duration = Duration::from_secs(3);

fn key(topic: &str, kind: ConsumerKind, name: &str) -> ConsumerKey {
    ConsumerKey {
        topic: Topic::parse(topic).unwrap(),
        kind,
        name: ConsumerName::parse(name).unwrap(),
    }
}

/// A consumer with these counts, whose oldest waiting message is `age` old.
fn status(
    topic: &str,
    name: &str,
    [waiting, in_flight, dead, missed]: [u64; 4],
    age: Option<Duration>,
) -> ConsumerStatus {
    ConsumerStatus {
        key: key(topic, ConsumerKind::Consumer, name),
        settings: ConsumerSettings::default(),
        tag: SettingsTag::from_bytes([1; SettingsTag::LENGTH]),
        counts: ConsumerCounts {
            waiting,
            in_flight,
            dead,
            missed,
            dead_dropped: missed / 2,
        },
        oldest_waiting_at: age.map(|age| FakeClock::START.saturating_sub(age)),
        last_pull_at: None,
    }
}

fn metrics(clock: &Arc<FakeClock>) -> Metrics {
    let identity = AppIdentity {
        name: "posthorn".into(),
        version: "1.2.3".into(),
        environment: "testing".into(),
        instance: "pod-7".into(),
    };
    Metrics::new(&identity, Arc::clone(clock) as _)
}

struct Fixture {
    clock: Arc<FakeClock>,
    store: Arc<CountedStore>,
    metrics: Metrics,
}

impl Fixture {
    /// A sampler that runs, and has ended its first round.
    async fn sampling(store: CountedStore, max_series: usize) -> Self {
        let clock = Arc::new(FakeClock::new());
        let store = Arc::new(store);
        let metrics = metrics(&clock);
        let sampler = ConsumerSampler::new(Arc::clone(&store) as _, &metrics, max_series);
        tokio::spawn(async move { sampler.run().await });
        clock.wait_for_sleepers(1).await;
        Self {
            clock,
            store,
            metrics,
        }
    }

    /// Lets the sampler make its next round.
    async fn next_round(&self) {
        let rounds = self.store.rounds.load(Ordering::SeqCst);
        self.clock.advance(ROUND);
        eventually(Duration::from_mins(1), async || {
            self.store.rounds.load(Ordering::SeqCst) > rounds && self.clock.sleepers() == 1
        })
        .await;
    }

    /// The gauges of a consumer, in the order of [`GAUGES`]; none if it has no series.
    fn gauges(&self, topic: &str, consumer: &str) -> Vec<String> {
        let text = self.metrics.render().unwrap();
        let series =
            |gauge| format!("app_consumer_{gauge}{{topic=\"{topic}\",consumer=\"{consumer}\"}} ");
        let find = |gauge| {
            text.lines()
                .find_map(|line| line.strip_prefix(&series(gauge)))
        };
        GAUGES.iter().filter_map(find).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn each_consumer_has_its_counts_and_an_age_that_grows() {
    let store = CountedStore::default();
    store.set(status(
        "jobs",
        "mailer",
        [3, 2, 1, 7],
        Some(Duration::from_millis(1500)),
    ));
    store.set(status("news", "idle", [0, 0, 0, 0], None));
    let webhook = status("jobs", "hook", [9, 9, 9, 9], None);
    store.set(ConsumerStatus {
        key: key("jobs", ConsumerKind::Webhook, "hook"),
        ..webhook
    });
    let fixture = Fixture::sampling(store, 200).await;
    assert_eq!(
        fixture.gauges("jobs", "mailer"),
        ["3", "2", "1", "7", "3", "1.5"]
    );
    assert_eq!(
        fixture.gauges("news", "idle"),
        ["0", "0", "0", "0", "0", "0.0"]
    );
    // A webhook differs from a consumer of its name.
    assert_eq!(fixture.gauges("jobs", "hook"), [""; 0]);
    let text = fixture.metrics.render().unwrap();
    let webhook = r#"app_consumer_waiting{topic="jobs",consumer="hook",kind="webhook"} 9"#;
    assert!(text.contains(webhook), "{text}");
    // Between two rounds too.
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(fixture.gauges("jobs", "mailer")[5], "2.5");
    assert_eq!(fixture.gauges("news", "idle")[5], "0.0");
}

#[tokio::test]
async fn new_counts_show_with_the_next_round_and_deleted_consumers_disappear() {
    let store = CountedStore::default();
    store.set(status("jobs", "mailer", [1, 0, 0, 0], None));
    store.set(status("jobs", "other", [2, 0, 0, 0], None));
    let fixture = Fixture::sampling(store, 200).await;
    let deleted = key("jobs", ConsumerKind::Consumer, "mailer");
    fixture.store.consumers.lock().unwrap().remove(&deleted);
    fixture
        .store
        .set(status("jobs", "other", [5, 0, 0, 0], None));
    fixture.next_round().await;
    assert_eq!(fixture.gauges("jobs", "mailer"), [""; 0]);
    assert_eq!(fixture.gauges("jobs", "other")[0], "5");
}

#[tokio::test]
async fn consumers_above_the_limit_are_added_up() {
    let store = CountedStore::default();
    store.set(status("a", "one", [1, 1, 1, 1], None));
    store.set(status("a", "two", [2, 2, 2, 2], None));
    store.set(status(
        "b",
        "one",
        [3, 4, 5, 6],
        Some(Duration::from_secs(9)),
    ));
    store.set(status(
        "c",
        "one",
        [10, 10, 10, 10],
        Some(Duration::from_secs(4)),
    ));
    // Names of the sum.
    store.set(status("other", "other", [100, 0, 0, 0], None));
    let fixture = Fixture::sampling(store, 2).await;
    assert_eq!(fixture.gauges("a", "two")[0], "2");
    assert_eq!(fixture.gauges("b", "one"), [""; 0]);
    let sum = ["113", "14", "15", "16", "8", "9.0"];
    assert_eq!(fixture.gauges("other", "other"), sum);
}

#[tokio::test]
async fn a_consumer_with_the_names_of_the_sum_has_one_series() {
    let store = CountedStore::default();
    store.set(status("other", "other", [1, 0, 0, 0], None));
    store.set(status("z", "one", [2, 0, 0, 0], None));
    let fixture = Fixture::sampling(store, 200).await;
    assert_eq!(fixture.gauges("other", "other")[0], "1");
    assert_eq!(fixture.gauges("z", "one")[0], "2");
}

#[tokio::test]
async fn more_topics_than_a_page_are_all_counted() {
    let store = CountedStore::default();
    for number in 0..450 {
        store.set(status(&format!("t{number:03}"), "one", [1, 0, 0, 0], None));
    }
    let fixture = Fixture::sampling(store, 400).await;
    assert_eq!(fixture.gauges("t399", "one")[0], "1");
    assert_eq!(fixture.gauges("t400", "one"), [""; 0]);
    assert_eq!(fixture.gauges("other", "other")[0], "50");
}

#[tokio::test]
async fn a_store_that_fails_has_no_counts_until_it_is_back() {
    let store = CountedStore::default();
    store.set(status("jobs", "mailer", [1, 0, 0, 0], None));
    let fixture = Fixture::sampling(store, 200).await;
    let failure = || StoreError::Unavailable("as the test wants".to_owned());
    fixture.store.errors.lock().unwrap().push(failure());
    fixture.next_round().await;
    let text = fixture.metrics.render().unwrap();
    assert!(!text.contains("app_consumer_waiting"), "{text}");
    fixture.next_round().await;
    assert_eq!(fixture.gauges("jobs", "mailer")[0], "1");
}

#[tokio::test]
async fn an_unreadable_topic_hides_no_other() {
    let store = CountedStore::default();
    store.set(status("broken", "mailer", [1, 0, 0, 0], None));
    store.set(status("jobs", "mailer", [1, 0, 0, 0], None));
    store
        .corrupt
        .lock()
        .unwrap()
        .push(Topic::parse("broken").unwrap());
    let fixture = Fixture::sampling(store, 200).await;
    assert_eq!(fixture.gauges("broken", "mailer"), [""; 0]);
    assert_eq!(fixture.gauges("jobs", "mailer")[0], "1");
}

#[tokio::test]
async fn damaged_messages_of_pulls_and_dead_letters_are_counted_once() {
    let metrics = metrics(&Arc::new(FakeClock::new()));
    let inner = Arc::new(CountedStore::default());
    let store = InstrumentedConsumerStore::new(Arc::clone(&inner) as _, &metrics);
    let request = PullRequest {
        limit: posthorn_domain::PullLimit::default(),
        lease: None,
        nonce: LeaseNonce::from_bits(2),
    };
    let page = DeadLetterRequest {
        after: None,
        limit: PageLimit::MAX,
    };
    let consumer = key("jobs", ConsumerKind::Consumer, "mailer");
    for (damaged, total) in [
        (MessageId::MIN, 1),
        (MessageId::MIN, 1),
        (MessageId::MAX, 2),
    ] {
        inner.damaged.lock().unwrap().push(damaged);
        store.pull(&consumer, request).await.unwrap();
        store.dead_letters(&consumer, page).await.unwrap();
        // One that another consumer meets is the same message.
        store
            .pull(&key("jobs", ConsumerKind::Consumer, "other"), request)
            .await
            .unwrap();
        let text = metrics.render().unwrap();
        let line = format!("app_store_unreadable_records_total {total}");
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[tokio::test]
async fn settled_leases_and_operations_are_counted_by_outcome() {
    let metrics = metrics(&Arc::new(FakeClock::new()));
    let inner = Arc::new(CountedStore::default());
    let store = InstrumentedConsumerStore::new(Arc::clone(&inner) as _, &metrics);
    let lease = |attempt| LeaseToken {
        id: MessageId::MIN,
        attempt: Attempt::new(attempt).unwrap(),
        nonce: LeaseNonce::from_bits(1),
    };
    let leases = [lease(1), lease(2), lease(4)];
    let nack = || LeaseUpdate::Nack {
        delay: None,
        reason: None,
    };
    let consumer = key("jobs", ConsumerKind::Consumer, "mailer");
    let webhook = key("jobs", ConsumerKind::Webhook, "mailer");
    for (key, update) in [
        (&consumer, LeaseUpdate::Ack),
        (&consumer, nack()),
        (&consumer, nack()),
        (&consumer, LeaseUpdate::Extend(None)),
        (&webhook, LeaseUpdate::Ack),
    ] {
        store.update_leases(key, &leases, update).await.unwrap();
    }
    let full = StoreError::Full("as the test wants".to_owned());
    inner.errors.lock().unwrap().push(full);
    let request = PullRequest {
        limit: posthorn_domain::PullLimit::default(),
        lease: None,
        nonce: LeaseNonce::from_bits(2),
    };
    store.pull(&consumer, request).await.unwrap_err();
    store.pull(&consumer, request).await.unwrap();
    store.status(&consumer).await.unwrap_err();
    let text = metrics.render().unwrap();
    let operation = "app_store_operation_duration_seconds_count";
    for line in [
        r#"app_consumer_settled_total{outcome="acked"} 2"#.to_owned(),
        r#"app_consumer_settled_total{outcome="nacked"} 4"#.to_owned(),
        r#"app_consumer_settled_total{outcome="stale"} 3"#.to_owned(),
        format!(r#"{operation}{{operation="consumer_ack",outcome="ok"}} 2"#),
        format!(r#"{operation}{{operation="consumer_extend",outcome="ok"}} 1"#),
        format!(r#"{operation}{{operation="consumer_pull",outcome="full"}} 1"#),
        format!(r#"{operation}{{operation="consumer_pull",outcome="ok"}} 1"#),
        format!(r#"{operation}{{operation="consumer_status",outcome="rejected"}} 1"#),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[test]
fn the_limits_of_retention_are_shown() {
    let policy = RetentionPolicy {
        max_age: Duration::from_hours(24),
        max_count: 100,
    };
    let metrics = metrics(&Arc::new(FakeClock::new())).with_retention(&policy);
    let text = metrics.render().unwrap();
    for line in [
        "app_retention_age_seconds 86400.0",
        "app_retention_messages 100",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}
