//! Positions, gaps and failures: what a follower gets, from the store or from the tail.

use std::time::Duration;

use posthorn_application::{Anchor, Clock, FollowEvent, StoreError};
use posthorn_domain::{MessageId, Topic};
use posthorn_testkit::eventually;

use crate::support::{Setup, assert_waits, next, setup, texts};

#[tokio::test]
async fn a_follower_replays_then_goes_live_without_loss_or_repeat() {
    let setup = setup();
    let ids = setup.send_all(&["a", "b", "c"]).await;
    let mut follow = setup.follow(Some(ids[0])).await;
    assert_eq!(texts(&mut follow).await, ["b", "c"]);
    setup.send_all(&["d"]).await;
    assert_eq!(texts(&mut follow).await, ["d"]);
    let waiting = tokio::spawn(async move { texts(&mut follow).await });
    setup.send_all(&["e"]).await;
    assert_eq!(waiting.await.unwrap(), ["e"]);
    eventually(Duration::from_mins(1), async || {
        setup.store.subscribers() == 0
    })
    .await;
}

#[tokio::test]
async fn a_follower_returns_a_bounded_number_of_bytes_at_once() {
    let setup = setup();
    let (short, long, longest) = ("a".repeat(10), "b".repeat(20_000), "c".repeat(200_000));
    let mut sent = vec![short.as_str(); 40];
    sent.extend([long.as_str(); 10]);
    sent.extend([longest.as_str(), short.as_str()]);
    setup.send_all(&sent).await;
    let mut follow = setup.follow(Some(MessageId::MIN)).await;
    let mut heard = Vec::new();
    while heard.len() < sent.len() {
        let texts = texts(&mut follow).await;
        let bytes: usize = texts.iter().map(String::len).sum();
        assert!(
            bytes <= 65_536 || texts.len() == 1,
            "{bytes} in {}",
            texts.len()
        );
        heard.extend(texts);
    }
    assert_eq!(heard, sent);
}

#[tokio::test]
async fn a_follower_without_a_position_returns_later_messages_only() {
    let setup = setup();
    let ids = setup.send_all(&["a", "b"]).await;
    let mut follow = setup.follow(None).await;
    assert_eq!(follow.position(), ids[1]);
    setup.send_all(&["c"]).await;
    assert_eq!(texts(&mut follow).await, ["c"]);
}

#[tokio::test]
async fn a_follower_over_an_emptied_topic_resumes_without_a_gap() {
    let setup = setup();
    // Retention leaves one, which a client deletes; then it leaves none.
    let ids = setup.send_all(&["a", "b"]).await;
    setup.prune_to(1).await;
    setup.service.delete(&Topic::inbox(), ids[1]).await.unwrap();
    resumes_without_a_gap(&setup, ids[0], "c").await;
    let ids = setup.send_all(&["d"]).await;
    setup.clock.advance(Duration::from_hours(2));
    setup.prune_to(10).await;
    resumes_without_a_gap(&setup, ids[0], "e").await;
}

/// A follower over the empty topic starts at `place` and then returns `text` only.
async fn resumes_without_a_gap(setup: &Setup, place: MessageId, text: &str) {
    let mut from_now = setup.follow(None).await;
    assert_eq!(from_now.position(), place);
    let mut back = setup.follow(Some(from_now.position())).await;
    assert_waits(&mut back).await;
    setup.send_all(&[text]).await;
    assert_eq!(texts(&mut from_now).await, [text]);
    assert_eq!(texts(&mut back).await, [text]);
    // Also when it comes back only now.
    assert_eq!(texts(&mut setup.follow(Some(place)).await).await, [text]);
}

#[tokio::test]
async fn messages_pruned_while_a_reader_is_disconnected_are_a_gap() {
    let setup = setup();
    setup.send_all(&["a"]).await;
    setup.clock.advance(Duration::from_hours(2));
    setup.prune_to(10).await;
    let place = setup.follow(None).await.position();
    let ids = setup.send_all(&["b", "c"]).await;
    setup.prune_to(1).await;
    let mut back = setup.follow(Some(place)).await;
    let first = Some(ids[1]);
    assert_eq!(back.next().await, Ok(FollowEvent::Gap { first }));
    assert_eq!(texts(&mut back).await, ["c"]);
}

#[tokio::test]
async fn a_pruned_position_is_a_gap_reported_once_before_the_remaining_messages() {
    let setup = setup();
    let ids = setup.send_all(&["a", "b", "c", "d"]).await;
    setup.prune_to(2).await;
    let mut follow = setup.follow(Some(ids[0])).await;
    assert_eq!(
        follow.next().await,
        Ok(FollowEvent::Gap {
            first: Some(ids[2])
        })
    );
    assert_eq!(texts(&mut follow).await, ["c", "d"]);
    // "b" is removed as well, so a reader that saw it misses nothing.
    assert_eq!(
        texts(&mut setup.follow(Some(ids[1])).await).await,
        ["c", "d"]
    );
}

#[tokio::test]
async fn a_topic_pruned_to_nothing_is_one_gap_and_then_live() {
    let setup = setup();
    let ids = setup.send_all(&["a", "b"]).await;
    setup.clock.advance(Duration::from_hours(2));
    setup.prune_to(10).await;
    let mut follow = setup.follow(Some(ids[0])).await;
    assert_eq!(follow.next().await, Ok(FollowEvent::Gap { first: None }));
    setup.send_all(&["c"]).await;
    assert_eq!(texts(&mut follow).await, ["c"]);
    // Who starts from now has missed nothing.
    let mut from_now = setup.follow(None).await;
    setup.send_all(&["d"]).await;
    assert_eq!(texts(&mut from_now).await, ["d"]);
}

#[tokio::test]
async fn a_dropped_call_of_next_loses_nothing() {
    let setup = setup();
    let mut follow = setup.follow(None).await;
    for text in ["a", "b", "c"] {
        assert_waits(&mut follow).await;
        setup.send_all(&[text]).await;
        assert_eq!(texts(&mut follow).await, [text]);
    }
}

#[tokio::test]
async fn a_follower_keeps_its_position_when_the_store_fails() {
    let setup = setup();
    let mut follow = setup.follow(None).await;
    setup.send_all(&["a"]).await;
    let error = StoreError::Unavailable("as the test wants".to_owned());
    setup.store.fail_next(2, error.clone());
    assert_eq!(follow.next().await, Err(error.clone()));
    assert_eq!(follow.next().await, Err(error));
    assert_eq!(texts(&mut follow).await, ["a"]);
}

#[tokio::test]
async fn a_position_that_the_store_never_gave_begins_with_a_gap_and_the_oldest_message() {
    let setup = setup();
    let mut empty = setup.follow(Some(MessageId::MAX)).await;
    assert_eq!(next(&mut empty).await, FollowEvent::Gap { first: None });
    let ids = setup.send_all(&["a", "b"]).await;
    let mut heard = texts(&mut empty).await;
    while heard.len() < 2 {
        heard.extend(texts(&mut empty).await);
    }
    assert_eq!(heard, ["a", "b"]);
    let mut follow = setup.follow(Some(MessageId::MAX)).await;
    let gap = FollowEvent::Gap {
        first: Some(ids[0]),
    };
    assert_eq!(next(&mut follow).await, gap);
    assert_eq!(texts(&mut follow).await, ["a", "b"]);
    setup.send_all(&["c"]).await;
    assert_eq!(texts(&mut follow).await, ["c"]);
}

#[tokio::test]
async fn a_time_after_the_newest_message_waits_without_a_gap() {
    let setup = setup();
    setup.send_all(&["a"]).await;
    setup.clock.advance(Duration::from_hours(1));
    let since = MessageId::new(setup.clock.now(), u64::MAX);
    let mut follow = setup.follow_from(Some(Anchor::Since(since))).await;
    assert_waits(&mut follow).await;
    setup.clock.advance(Duration::from_secs(1));
    setup.send_all(&["b"]).await;
    assert_eq!(texts(&mut follow).await, ["b"]);
}

#[tokio::test]
async fn a_damaged_message_is_named_in_its_place() {
    let setup = setup();
    let ids = setup.send_all(&["a", "b", "c", "d"]).await;
    setup.store.damage(ids[1]);
    setup.store.damage(ids[3]);
    let mut follow = setup.follow(Some(MessageId::MIN)).await;
    assert_eq!(texts(&mut follow).await, ["a"]);
    let unreadable = |id| FollowEvent::Unreadable { id };
    assert_eq!(next(&mut follow).await, unreadable(ids[1]));
    assert_eq!(texts(&mut follow).await, ["c"]);
    assert_eq!(next(&mut follow).await, unreadable(ids[3]));
    assert_eq!(follow.position(), ids[3]);
    setup.send_all(&["e"]).await;
    assert_eq!(texts(&mut follow).await, ["e"]);
}
