//! The counters and the order match the messages.

use posthorn_application::{RetentionPolicy, TimeBounds};
use posthorn_testkit::samples;

use super::*;

/// Compares the counters and the order with a new count.
#[track_caller]
fn check(state: &StoreState) {
    let all: Vec<_> = state.topics.values().flat_map(TopicLog::messages).collect();
    let bytes: usize = all.iter().map(|m| weight(m.parts())).sum();
    assert_eq!(state.bytes, bytes);
    assert!(state.bytes <= state.settings.max_bytes);
    let first = |(topic, log): (&Topic, &TopicLog)| Some((log.first()?, topic.clone()));
    let oldest: BTreeMap<_, _> = state.topics.iter().filter_map(first).collect();
    assert_eq!(state.oldest, oldest);
    assert_eq!(state.oldest.len(), state.topics.len(), "no topic is empty");
}

#[test]
fn counters_and_order_match_the_messages() {
    let settings = MemoryStoreSettings {
        max_bytes: 9_000,
        ..Default::default()
    };
    let mut state = StoreState::new(settings);
    let mut sent = Vec::new();
    let instance: Arc<str> = Arc::from("pod");
    for number in 0..2_000_usize {
        let topic = samples::topic(["a", "b", "c"][number * 7 % 11 % 3]);
        match number * 13 % 10 {
            0..=5 => {
                let message = samples::message(&topic, &"x".repeat(1 + number * 31 % 900));
                let instance = Arc::clone(&instance);
                let append = Append {
                    message,
                    instance,
                    idempotency: None,
                };
                let now = Timestamp::from_millis(1_000);
                sent.push(
                    state
                        .append(append, TimeBounds::new(now, now), Duration::ZERO)
                        .unwrap()
                        .receipt
                        .id,
                );
            }
            6..=8 => {
                let nth = number * 17 % sent.len().max(1);
                let recent = sent.iter().rev().nth(nth % 25);
                recent.map(|id| state.delete(&topic, *id, Timestamp::from_millis(1_000)));
            }
            _ => {
                let max_count = 1 + u64::try_from(number % 7).unwrap();
                let policy = RetentionPolicy {
                    max_age: Duration::from_hours(1),
                    max_count,
                };
                let now = Timestamp::from_millis(1_000);
                state.prune_step(&policy, TimeBounds::new(now, now), None, 3);
            }
        }
        check(&state);
    }
    assert!(sent.len() > 1_000);
}
