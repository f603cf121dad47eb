//! Dead letters: dying, reading, redriving and deleting.

use posthorn_application::{DeadLetterRequest, Redriven};
use posthorn_domain::{Attributes, ConsumerOptions, FailureReason, MessageId};

use super::ConsumerHarness;
use super::support::{
    ConsumerCase, attempt, attempts, counts, dead_ids, ids, lease, one_attempt, options,
};
use crate::samples;

fn two_attempts() -> ConsumerOptions {
    ConsumerOptions {
        max_attempts: Some(2),
        ..options()
    }
}

/// With the attempts, and the reason of the last one.
pub async fn a_message_dies_after_its_last_attempt(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, two_attempts()).await;
    let given = case.append(3).await;
    let leases = case.pull(3).await;
    assert_eq!(case.nack(&leases, Some("first")).await, [true; 3]);
    let leases = case.pull(3).await;
    assert_eq!(attempts(&leases), [2; 3]);
    assert_eq!(case.nack(&leases[..1], Some("пять")).await, [true]);
    assert_eq!(case.nack(&leases[1..2], None).await, [true]);
    assert_eq!(case.ack(&leases[2..]).await, [true]);
    case.check_counts(counts(0, 0, 2, 0)).await;
    let dead = case.dead().await;
    assert_eq!(dead_ids(&dead), given[..2]);
    assert_eq!(dead[0].attempts, attempt(2));
    assert_eq!(dead[0].reason, Some(FailureReason::parse("пять").unwrap()));
    assert_eq!(dead[1].reason, None, "the last attempt had none");
    assert!(dead[0].died_at >= given[0].timestamp());
    assert_eq!(case.pull(10).await, []);
    assert_eq!(case.ack(&leases).await, [false; 3]);
}

/// Before anybody pulls.
pub async fn a_message_dies_of_expired_leases(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let given = case.append(1).await;
    let (leases, pulled) = case.pull_for(1, lease(harness.unit())).await;
    harness.pass(harness.unit()).await;
    crate::eventually(super::support::SOON, async || case.counts().await.dead == 1).await;
    case.check_counts(counts(0, 0, 1, 0)).await;
    let dead = case.dead().await;
    assert_eq!(dead_ids(&dead), given);
    assert_eq!(dead[0].reason, Some(FailureReason::lease_expired()));
    assert_eq!(dead[0].died_at, pulled.messages[0].expires_at);
    assert_eq!(case.ack(&leases).await, [false]);
}

/// In the order of ids, from after any id on.
pub async fn dead_letters_come_page_by_page(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    case.append(7).await;
    let killed = case.kill(7).await;
    let page = async |after, most| {
        let limit = samples::limit(most);
        let request = DeadLetterRequest { after, limit };
        let page = case
            .consumers
            .dead_letters(&case.key, request)
            .await
            .unwrap();
        (dead_ids(&page.letters), page.has_more)
    };
    assert_eq!(page(None, 3).await, (killed[..3].to_vec(), true));
    assert_eq!(
        page(Some(killed[2]), 3).await,
        (killed[3..6].to_vec(), true)
    );
    assert_eq!(
        page(Some(killed[3]), 3).await,
        (killed[4..].to_vec(), false)
    );
    assert_eq!(page(Some(killed[6]), 3).await, (vec![], false));
    assert_eq!(page(Some(MessageId::MIN), 200).await, (killed, false));
}

/// Before redeliveries that become due later and before new messages.
pub async fn a_redriven_message_comes_first_with_attempt_one(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, two_attempts()).await;
    let given = case.append(3).await;
    for _ in 0..2 {
        let leases = case.pull(2).await;
        case.nack(&leases, Some("no")).await;
    }
    let outcome = case.redrive(&[given[1]]).await;
    let expected = Redriven {
        redriven: 1,
        remaining: 1,
        unknown: vec![],
    };
    assert_eq!(outcome, expected);
    case.check_counts(counts(2, 0, 1, 0)).await;
    let pulled = case.pull(3).await;
    assert_eq!(ids(&pulled), given[1..]);
    assert_eq!(attempts(&pulled), [1, 1]);
    assert_eq!(case.ack(&pulled).await, [true, true]);
    assert_eq!(case.pull(3).await, []);
    assert_eq!(dead_ids(&case.dead().await), given[..1]);
}

/// With the number that is left.
pub async fn a_redrive_takes_two_hundred(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    case.append(250).await;
    let mut killed = case.kill(200).await;
    killed.extend(case.kill(50).await);
    for (ids, remaining) in [(&killed[..200], 50), (&killed[200..], 0), (&[], 0)] {
        let outcome = case.redrive(ids).await;
        let redriven = u64::try_from(ids.len()).unwrap();
        assert_eq!((outcome.redriven, outcome.remaining), (redriven, remaining));
        assert_eq!(outcome.unknown, []);
    }
    case.check_counts(counts(250, 0, 0, 0)).await;
    assert_eq!(ids(&case.pull_all().await), killed);
}

/// In the order of the call; the others are redriven.
pub async fn a_redrive_names_unknown_ids(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let given = case.append(3).await;
    case.kill(2).await;
    let asked = vec![MessageId::MAX, given[2], given[1], MessageId::MIN];
    let outcome = case.redrive(&asked).await;
    let expected = Redriven {
        redriven: 1,
        remaining: 1,
        unknown: vec![MessageId::MAX, given[2], MessageId::MIN],
    };
    assert_eq!(outcome, expected);
    let again = case.redrive(&[given[1]]).await;
    assert_eq!((again.redriven, again.unknown), (0, vec![given[1]]));
    assert_eq!(ids(&case.pull(3).await), given[1..]);
}

/// With attempts and a reason of its own.
pub async fn a_redriven_message_may_die_again(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, two_attempts()).await;
    case.append(1).await;
    for round in ["first", "second"] {
        for number in [1, 2] {
            let leases = case.pull(1).await;
            assert_eq!(attempts(&leases), [number]);
            case.nack(&leases, Some(round)).await;
        }
        let dead = case.dead().await;
        assert_eq!(dead.len(), 1);
        assert_eq!(dead[0].attempts, attempt(2));
        assert_eq!(dead[0].reason, Some(FailureReason::parse(round).unwrap()));
        case.redrive_all().await;
        case.check_counts(counts(1, 0, 0, 0)).await;
    }
}

/// For good.
pub async fn a_deleted_dead_letter_is_gone(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let given = case.append(3).await;
    case.kill(2).await;
    let delete = async |id| case.consumers.delete_dead_letter(&case.key, id).await;
    assert_eq!(delete(given[0]).await, Ok(true));
    assert_eq!(delete(given[0]).await, Ok(false));
    assert_eq!(delete(given[2]).await, Ok(false));
    case.check_counts(counts(1, 0, 1, 0)).await;
    assert_eq!(dead_ids(&case.dead().await), given[1..2]);
    let outcome = case.redrive(&[given[0]]).await;
    assert_eq!((outcome.redriven, outcome.unknown), (0, vec![given[0]]));
}

/// Text, attributes, `traceparent` and topic, as they were stored.
pub async fn dead_letters_keep_the_whole_message(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let mut append = samples::append(&case.topic, "Привет,\n\tмир 👋");
    let pairs = [("a", "1"), ("b.c", "два")];
    let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
    append.message.attributes = Attributes::parse(pairs).unwrap();
    append.message.traceparent = Some(samples::traceparent(7));
    let id = case.store.append(append).await.unwrap().receipt.id;
    let message = case.store.get(&case.topic, id).await.unwrap().unwrap();
    assert_eq!(message.traceparent, Some(samples::traceparent(7)));
    let leased = case.pull_for(1, None).await;
    assert_eq!(leased.1.messages[0].message, message);
    case.nack(&leased.0, None).await;
    case.keep(1).await;
    assert_eq!(case.dead().await[0].message, message);
    case.append(1).await;
    case.keep(1).await;
    case.redrive_all().await;
    let (_, redriven) = case.pull_for(1, None).await;
    assert_eq!(redriven.messages[0].message, message);
}
