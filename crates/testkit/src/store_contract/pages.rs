//! Pages: every anchor, every direction, no omission and no repeat.

use posthorn_application::{Anchor, ByteBudget, MessageStore, Page, PageLimit};
use posthorn_domain::{MessageId, Timestamp, Topic};

use super::StoreHarness;
use super::support::{append, append_many, ids, page, read_all};
use crate::samples::{limit, topic};

/// An empty topic is no error.
pub async fn an_empty_topic_has_empty_pages(harness: impl StoreHarness) {
    let (store, empty) = (harness.store(), topic("a"));
    let elsewhere = append(&*store, &topic("b"), "text").await.id;
    for anchor in anchors(&[elsewhere]) {
        let found = page(&*store, &empty, anchor, PageLimit::MAX).await;
        let expected = Page {
            truncated: expect_truncated(anchor, &[]).unwrap_or(found.truncated),
            ..Page::default()
        };
        assert_eq!(found, expected, "{anchor:?}");
    }
}

/// Every anchor with small, exact and large limits, against a naive implementation of the rule.
pub async fn a_page_has_the_messages_next_to_its_anchor(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let held = append_many(&*store, &topic, 10).await;
    check_pages(&*store, &topic, &held, &held).await;
}

/// As above, with deleted messages as anchors.
pub async fn a_page_steps_over_deleted_messages(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let given = append_many(&*store, &topic, 12).await;
    let mut held = Vec::new();
    for (place, id) in given.iter().enumerate() {
        if [0, 4, 5, 8, 11].contains(&place) {
            assert_eq!(store.delete(&topic, *id).await, Ok(true));
        } else {
            held.push(*id);
        }
    }
    check_pages(&*store, &topic, &held, &given).await;
}

/// Following the last id forwards, or the first one backwards.
pub async fn a_walk_in_either_direction_returns_each_message_once(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let held = append_many(&*store, &topic, 50).await;
    let mut forwards = Vec::new();
    let mut anchor = Anchor::Oldest;
    while forwards.len() < held.len() {
        let next = page(&*store, &topic, anchor, limit(7)).await;
        forwards.extend(ids(&next.messages));
        assert_eq!(next.has_newer, forwards.len() < held.len());
        anchor = Anchor::After(*forwards.last().expect("a page is not empty before the end"));
    }
    assert_eq!(forwards, held);
    let mut backwards = Vec::new();
    let mut anchor = Anchor::Newest;
    while backwards.len() < held.len() {
        let next = page(&*store, &topic, anchor, limit(7)).await;
        backwards.extend(ids(&next.messages).into_iter().rev());
        assert_eq!(next.has_older, backwards.len() < held.len());
        anchor = Anchor::Before(
            *backwards
                .last()
                .expect("a page is not empty before the end"),
        );
    }
    backwards.reverse();
    assert_eq!(backwards, held);
}

/// A full page of the largest size, from either end.
pub async fn the_largest_page_has_two_hundred_messages(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let held = append_many(&*store, &topic, 210).await;
    let oldest = page(&*store, &topic, Anchor::Oldest, PageLimit::MAX).await;
    assert!(held.starts_with(&ids(&oldest.messages)));
    let newest = page(&*store, &topic, Anchor::Newest, PageLimit::MAX).await;
    assert!(held.ends_with(&ids(&newest.messages)));
    assert_eq!((oldest.messages.len(), newest.messages.len()), (200, 200));
}

/// Long messages end a page before its limit, from either end; the walk is complete all the same.
pub async fn a_page_of_long_messages_ends_at_its_bytes(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let text = "\u{1f4ef}".repeat(1_000);
    let mut held = Vec::new();
    for _ in 0..150 {
        held.push(append(&*store, &topic, &text).await.id);
    }
    let check = |page: &Page| {
        let bytes: usize = page.messages.iter().map(|message| message.bytes()).sum();
        assert!(bytes <= ByteBudget::MAX, "{bytes}");
        assert!(bytes > ByteBudget::MAX / 2, "{bytes}");
    };
    let first = page(&*store, &topic, Anchor::Oldest, PageLimit::MAX).await;
    check(&first);
    assert!(first.has_newer && !first.has_older);
    let last = page(&*store, &topic, Anchor::Newest, PageLimit::MAX).await;
    check(&last);
    assert!(last.has_older && !last.has_newer);
    assert!(held.ends_with(&ids(&last.messages)));
    assert_eq!(ids(&read_all(&*store, &topic).await), held);
}

async fn check_pages(
    store: &dyn MessageStore,
    topic: &Topic,
    held: &[MessageId],
    around: &[MessageId],
) {
    for anchor in anchors(around) {
        for size in [1, 3, held.len() - 1, held.len(), held.len() + 1, 200] {
            let found = page(store, topic, anchor, limit(size)).await;
            let expected = expect_page(held, anchor, size);
            let places = (found.has_older, found.has_newer);
            assert_eq!(
                ids(&found.messages),
                expected.ids,
                "{anchor:?}, limit {size}"
            );
            assert_eq!(places, expected.places, "{anchor:?}, limit {size}");
            if let Some(truncated) = expect_truncated(anchor, around) {
                assert_eq!(found.truncated, truncated, "{anchor:?}, limit {size}");
            }
            assert!(found.messages.iter().all(|message| message.topic == *topic));
        }
    }
}

struct Expected {
    ids: Vec<MessageId>,
    /// `has_older`, `has_newer`.
    places: (bool, bool),
}

/// The page that the contract defines.
fn expect_page(held: &[MessageId], anchor: Anchor, size: usize) -> Expected {
    let (older, newer): (Vec<MessageId>, Vec<MessageId>) =
        held.iter().copied().partition(|id| match anchor {
            Anchor::Oldest => false,
            Anchor::Newest => true,
            Anchor::After(anchor) | Anchor::Since(anchor) => *id <= anchor,
            Anchor::Before(anchor) => *id < anchor,
        });
    match anchor {
        Anchor::Oldest | Anchor::After(_) | Anchor::Since(_) => Expected {
            ids: newer.iter().take(size).copied().collect(),
            places: (!older.is_empty(), newer.len() > size),
        },
        Anchor::Newest | Anchor::Before(_) => Expected {
            ids: older
                .iter()
                .skip(older.len().saturating_sub(size))
                .copied()
                .collect(),
            places: (older.len() > size, !newer.is_empty()),
        },
    }
}

/// Whether a page is truncated although retention removed no message: after the greatest id, which no store gives.
/// `None` for an id that the topic did not give: a store need not know that.
fn expect_truncated(anchor: Anchor, given: &[MessageId]) -> Option<bool> {
    match anchor {
        Anchor::After(MessageId::MAX) => Some(true),
        Anchor::After(id) if id != MessageId::MIN && !given.contains(&id) => None,
        _ => Some(false),
    }
}

/// Both ends, and each id: at it, just before it and just after it.
fn anchors(around: &[MessageId]) -> Vec<Anchor> {
    let mut anchors = vec![Anchor::Oldest, Anchor::Newest];
    let beside = |id: &MessageId| {
        let before = MessageId::new(id.timestamp(), id.sequence().saturating_sub(1));
        let long_before = MessageId::new(Timestamp::from_millis(1), id.sequence());
        let after = MessageId::new(id.timestamp(), id.sequence().saturating_add(1));
        [long_before, before, *id, after]
    };
    let ends = [MessageId::MIN, MessageId::MAX];
    for id in around.iter().flat_map(beside).chain(ends) {
        anchors.extend([Anchor::After(id), Anchor::Before(id)]);
    }
    anchors
}
