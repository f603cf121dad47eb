//! The state of one message at each consumer of its topic.

use posthorn_application::DeliveryState;
use posthorn_domain::{ConsumerKind, ConsumerOptions, ConsumerPosition, FailureReason, MessageId};

use super::ConsumerHarness;
use super::support::{ConsumerCase, LONG, attempt, key, nack, one_attempt, options};

fn new() -> DeliveryState {
    DeliveryState::Waiting {
        attempt: attempt(1),
        due_at: None,
        reason: None,
    }
}

fn reason(text: &str) -> FailureReason {
    FailureReason::parse(text).unwrap()
}

/// New, in flight, waiting, dead, redriven, settled: with attempts, times and the last reason.
pub async fn a_message_has_a_state_after_each_step(harness: impl ConsumerHarness) {
    let options = ConsumerOptions {
        max_attempts: Some(2),
        ..options()
    };
    let case = ConsumerCase::new(&harness, options).await;
    let id = case.append(1).await[0];
    assert_eq!(case.state(id).await, Some(new()));
    let (leases, pulled) = case.pull_for(1, None).await;
    let in_flight = DeliveryState::InFlight {
        attempt: attempt(1),
        expires_at: pulled.messages[0].expires_at,
    };
    assert_eq!(case.state(id).await, Some(in_flight));
    case.nack(&leases, Some("пять")).await;
    let Some(DeliveryState::Waiting {
        attempt: next,
        due_at,
        reason: last,
    }) = case.state(id).await
    else {
        panic!("it waits");
    };
    assert_eq!((next, last), (attempt(2), Some(reason("пять"))));
    assert!(due_at.unwrap() >= id.timestamp());
    let leases = case.pull(1).await;
    case.nack(&leases, Some("fatal")).await;
    let died_at = case.dead().await[0].died_at;
    let dead = DeliveryState::Dead {
        attempts: attempt(2),
        reason: Some(reason("fatal")),
        died_at,
    };
    assert_eq!(case.state(id).await, Some(dead));
    case.redrive_all().await;
    let Some(DeliveryState::Waiting {
        attempt: first,
        due_at: Some(_),
        reason: None,
    }) = case.state(id).await
    else {
        panic!("it waits again");
    };
    assert_eq!(first, attempt(1));
    let leases = case.pull(1).await;
    case.ack(&leases).await;
    assert_eq!(case.state(id).await, Some(DeliveryState::Settled));
    case.seek(ConsumerPosition::Oldest).await;
    assert_eq!(case.state(id).await, Some(new()));
}

/// Also of a delay that is not over.
pub async fn a_delayed_message_shows_when_it_is_due(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let id = case.append(1).await[0];
    let leases = case.pull(1).await;
    case.update(&leases, nack(Some(LONG), None)).await;
    let state = case.state(id).await;
    let Some(DeliveryState::Waiting {
        due_at: Some(due),
        reason: None,
        ..
    }) = state
    else {
        panic!("{state:?}");
    };
    assert!(due >= id.timestamp().saturating_add(LONG));
}

/// Each with its own state; those of another kind are not among them.
pub async fn consumers_have_states_of_their_own(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let ids = case.append(2).await;
    let leases = case.pull(1).await;
    case.ack(&leases).await;
    case.create(&key(&case.topic, "b"), one_attempt()).await;
    let name = |name: &str| name.to_owned();
    let expected = [(name("b"), new()), (name("c"), DeliveryState::Settled)];
    assert_eq!(case.states(ids[0]).await, expected);
    assert_eq!(
        case.states(ids[1]).await,
        [(name("b"), new()), (name("c"), new())]
    );
    let webhooks = case
        .consumers
        .deliveries(&case.topic, ConsumerKind::Webhook, ids[0]);
    assert_eq!(webhooks.await, Ok(vec![]));
}

/// It is left out, unless the consumer has it.
pub async fn a_message_that_is_not_held_has_no_state(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    for id in [MessageId::MIN, MessageId::MAX] {
        assert_eq!(case.state(id).await, None);
    }
    let ids = case.append(4).await;
    case.kill(1).await;
    let leases = case.pull(2).await;
    case.ack(&leases[1..]).await;
    for id in &ids {
        case.delete(*id).await;
    }
    assert!(matches!(
        case.state(ids[0]).await,
        Some(DeliveryState::Dead { .. })
    ));
    assert!(matches!(
        case.state(ids[1]).await,
        Some(DeliveryState::InFlight { .. })
    ));
    assert_eq!(case.state(ids[2]).await, None, "it was acknowledged");
    assert_eq!(case.state(ids[3]).await, None, "it was new");
    case.ack(&leases[..1]).await;
    assert_eq!(case.state(ids[1]).await, None);
}

/// As one that was acknowledged.
pub async fn a_skipped_message_is_settled(harness: impl ConsumerHarness) {
    let case = ConsumerCase::without_consumer(&harness);
    let before = case.append(1).await[0];
    case.start_at(ConsumerPosition::Newest).await.unwrap();
    let after = case.append(1).await[0];
    assert_eq!(case.state(before).await, Some(DeliveryState::Settled));
    assert_eq!(case.state(after).await, Some(new()));
}

/// Before the dead letter: it is handed out again.
pub async fn a_dead_message_that_is_new_again_is_waiting(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let id = case.append(1).await[0];
    case.kill(1).await;
    case.seek(ConsumerPosition::Oldest).await;
    assert_eq!(case.state(id).await, Some(new()));
    case.pull(1).await;
    assert!(matches!(
        case.state(id).await,
        Some(DeliveryState::InFlight { .. })
    ));
}
