//! Consumers on a server whose append-only file ends within a step of a consumer; see `torn_log`.
//!
//! The server loses the end of the step, does other work, and restarts once more: then the beginning
//! of the step comes back.

use std::collections::BTreeSet;

use posthorn_application::{
    ConsumerError, ConsumerStore, DeadLetterRequest, LeaseUpdate, MessageStore, PageLimit,
    Precondition, PullRequest, PulledLeases, PutConsumer, RetentionPolicy,
};
use posthorn_domain::{
    Attempt, ConsumerKey, ConsumerKind, ConsumerName, ConsumerPosition, ConsumerSettings,
    LeaseNonce, LeaseToken, MessageId, PullLimit, SettingsTag, Topic,
};
use posthorn_redis::{RedisStore, RedisStoreSettings};
use posthorn_testkit::{RedisServer, samples};
use secrecy::SecretString;
use tokio::task::JoinSet;

use crate::support::{self, DAY};

/// The step that is torn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Pull,
    Ack,
    Nack,
    Death,
    Redrive,
    Seek,
    Delete,
    Prune,
    GiveBack,
}

static STEPS: [Step; 9] = [
    Step::Pull,
    Step::Ack,
    Step::Nack,
    Step::Death,
    Step::Redrive,
    Step::Seek,
    Step::Delete,
    Step::Prune,
    Step::GiveBack,
];

/// The number of places at which each step is torn.
const CUTS: u64 = 8;
/// The number of servers at once.
const AT_ONCE: usize = 3;

fn key() -> ConsumerKey {
    ConsumerKey {
        topic: Topic::inbox(),
        kind: ConsumerKind::Consumer,
        name: ConsumerName::parse("work").unwrap(),
    }
}

fn nonce(number: u64) -> LeaseNonce {
    LeaseNonce::from_bits(number)
}

fn token(id: MessageId, number: u64) -> LeaseToken {
    LeaseToken {
        id,
        attempt: Attempt::FIRST,
        nonce: nonce(number),
    }
}

async fn connect(server: &RedisServer) -> RedisStore {
    let settings = RedisStoreSettings::new(SecretString::from(server.url()));
    support::connect(settings).await
}

async fn append(store: &RedisStore, text: &str) -> MessageId {
    let append = samples::append(&Topic::inbox(), text);
    store.append(append).await.unwrap().receipt.id
}

async fn pull(store: &RedisStore, limit: u64, number: u64) -> PulledLeases {
    let request = PullRequest {
        limit: PullLimit::parse(limit).unwrap(),
        lease: None,
        nonce: nonce(number),
    };
    store.pull(&key(), request).await.unwrap()
}

fn ids(pulled: &PulledLeases) -> BTreeSet<MessageId> {
    pulled.messages.iter().map(|m| m.message.id).collect()
}

async fn dead(store: &RedisStore) -> BTreeSet<MessageId> {
    let request = DeadLetterRequest {
        after: None,
        limit: PageLimit::MAX,
    };
    let page = store.dead_letters(&key(), request).await.unwrap();
    page.letters.iter().map(|l| l.message.id).collect()
}

async fn ack(store: &RedisStore, token: LeaseToken) -> bool {
    let updated = store
        .update_leases(&key(), &[token], LeaseUpdate::Ack)
        .await;
    updated.unwrap().valid[0]
}

async fn nack(store: &RedisStore, token: LeaseToken) -> bool {
    let update = LeaseUpdate::Nack {
        delay: None,
        reason: None,
    };
    let updated = store.update_leases(&key(), &[token], update).await;
    updated.unwrap().valid[0]
}

/// A consumer that settled the first of six messages, has leases on the next two, and a dead letter
/// of the fourth if `step` needs one.
async fn prepare(store: &RedisStore, step: Step) -> Vec<MessageId> {
    let mut messages = Vec::new();
    for number in 0..6 {
        messages.push(append(store, &number.to_string()).await);
    }
    let attempts = match step {
        Step::Death | Step::Redrive => 1,
        _ => 5,
    };
    let put = PutConsumer {
        settings: ConsumerSettings {
            max_attempts: Attempt::new(attempts).unwrap(),
            ..ConsumerSettings::default()
        },
        tag: SettingsTag::from_bytes([7; 16]),
        start: ConsumerPosition::Oldest,
        precondition: Precondition::None,
    };
    store.put(&key(), put).await.unwrap();
    assert_eq!(pull(store, 3, 1).await.messages.len(), 3);
    assert!(ack(store, token(messages[0], 1)).await);
    if step == Step::Redrive {
        assert_eq!(pull(store, 1, 9).await.messages.len(), 1);
        assert!(nack(store, token(messages[3], 9)).await);
    }
    messages
}

async fn perform(store: &RedisStore, step: Step, messages: &[MessageId]) {
    let second = token(messages[1], 1);
    match step {
        Step::Pull => drop(pull(store, 2, 2).await),
        Step::Ack => assert!(ack(store, second).await),
        Step::Nack | Step::Death => assert!(nack(store, second).await),
        Step::Redrive => {
            let redriven = store.redrive(&key(), &messages[3..4]).await.unwrap();
            assert_eq!(redriven.redriven, 1);
        }
        Step::Seek => {
            let seek = store.seek(&key(), ConsumerPosition::Oldest).await;
            assert_eq!(seek.unwrap().counts.waiting, 6);
        }
        Step::Delete => {
            let deleted = MessageStore::delete(store, &Topic::inbox(), messages[1]).await;
            assert_eq!(deleted, Ok(true));
        }
        Step::Prune => {
            let policy = RetentionPolicy {
                max_age: DAY,
                max_count: 4,
            };
            assert_eq!(store.prune(&policy, 100).await.unwrap().removed, 2);
        }
        Step::GiveBack => store.give_back(&key(), nonce(1)).await.unwrap(),
    }
}

fn log_length(server: &RedisServer) -> u64 {
    let folder = std::fs::read_dir(server.directory().join("appendonlydir")).unwrap();
    let lengths = folder
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".incr.aof"))
        .map(|entry| entry.metadata().unwrap().len());
    lengths.max().unwrap()
}

/// Tears the step at every place, on copies of one server.
async fn check_all(step: Step) {
    let mut server = RedisServer::start_durable().await;
    let store = connect(&server).await;
    let messages = prepare(&store, step).await;
    let before = log_length(&server);
    perform(&store, step, &messages).await;
    let length = log_length(&server) - before;
    drop(store);
    server.stop();
    for part in 0..CUTS {
        let torn = 1 + (length - 1) * part / CUTS;
        for works_between in [true, false] {
            let context = format!("{step:?} {part}/{CUTS} {works_between}");
            let copy = server.torn_copy(torn).await;
            check(copy, step, &messages, works_between, &context).await;
        }
    }
}

async fn check(
    mut server: RedisServer,
    step: Step,
    messages: &[MessageId],
    works_between: bool,
    context: &str,
) {
    // The step is lost. Other work follows, behind what is left of it.
    let store = connect(&server).await;
    let mut accepted: BTreeSet<_> = messages[1..].iter().copied().collect();
    if works_between {
        accepted.insert(append(&store, "between").await);
        pull(&store, 1, 3).await;
        assert!(ack(&store, token(messages[2], 1)).await, "{context}");
        accepted.remove(&messages[2]);
    } else {
        let other = samples::append(&samples::topic("other"), "text");
        store.append(other).await.unwrap();
    }
    drop(store);
    server.stop();
    server.start_again().await;

    // Every message is handed out, dead or gone as the step says, and none that was acknowledged.
    let store = connect(&server).await;
    for number in [1, 2, 3, 9] {
        store.give_back(&key(), nonce(number)).await.unwrap();
    }
    let handed_out = pull(&store, 200, 4).await;
    let dead = dead(&store).await;
    let found: BTreeSet<_> = ids(&handed_out).union(&dead).copied().collect();
    if step != Step::Seek {
        assert!(!found.contains(&messages[0]), "{context}");
        if works_between {
            assert!(!found.contains(&messages[2]), "{context}");
        }
    }
    for missing in accepted.difference(&found) {
        let may_be_gone = match step {
            Step::Ack | Step::Delete | Step::Prune => *missing == messages[1],
            _ => false,
        };
        assert!(may_be_gone, "{context}: {missing} is lost");
    }
    let status = store.status(&key()).await.unwrap();
    let in_flight = u64::try_from(handed_out.messages.len()).unwrap();
    assert_eq!(status.counts.in_flight, in_flight, "{context}");
    assert_eq!(status.counts.waiting, 0, "{context}");
    assert!(!handed_out.more, "{context}");
    let tokens: Vec<_> = handed_out
        .messages
        .iter()
        .map(|m| m.token(nonce(4)))
        .collect();
    let acked = store
        .update_leases(&key(), &tokens, LeaseUpdate::Ack)
        .await
        .unwrap();
    assert!(acked.valid.iter().all(|valid| *valid), "{context}");
    assert_eq!(
        pull(&store, 200, 5).await,
        PulledLeases::default(),
        "{context}"
    );
    let deleted = ConsumerStore::delete(&store, &key(), &Precondition::None).await;
    assert_eq!(deleted, Ok(()), "{context}");
    let status = store.status(&key()).await;
    assert_eq!(status, Err(ConsumerError::NotFound), "{context}");
    let pattern = ["KEYS", "posthorn:{t:inbox}:consumer*"];
    assert_eq!(server.command(&pattern).await.unwrap(), "", "{context}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_step_of_a_consumer_loses_no_message_and_repeats_no_acknowledged_one() {
    // Some at once: each waits for the starts of its servers.
    let tasks = STEPS.chunks(STEPS.len().div_ceil(AT_ONCE));
    let tasks = tasks.map(|steps| async move {
        for step in steps {
            check_all(*step).await;
        }
    });
    tasks.collect::<JoinSet<()>>().join_all().await;
}
