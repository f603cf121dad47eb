//! The tail that followers share.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{FollowEvent, StoreError};
use posthorn_domain::Topic;
use posthorn_testkit::eventually;

use crate::support::{Follower, assert_waits, lines, next, setup, texts};

#[tokio::test]
async fn a_message_is_read_once_and_encoded_once_for_all_followers() {
    let setup = setup();
    let mut followers = setup.follow_tail(100).await;
    let before = setup.store.pages();
    for text in ["a", "b", "c"] {
        setup.send_all(&[text]).await;
        let mut frames = Vec::new();
        for follower in &mut followers {
            match next(follower).await {
                FollowEvent::Frame(frame) => frames.push(frame),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(lines(&frames[0]), [text]);
        assert!(frames.iter().all(|frame| Arc::ptr_eq(frame, &frames[0])));
    }
    // Each message, and each time the end after it.
    assert_eq!(setup.store.pages() - before, 6);
}

#[tokio::test]
async fn a_follower_that_is_too_slow_for_the_tail_loses_nothing() {
    let setup = setup();
    let [mut quick, mut slow] = <[_; 2]>::try_from(setup.follow_tail(2).await).ok().unwrap();
    let long = "a".repeat(10_000);
    let sent: Vec<_> = (0..40).map(|number| format!("{number} {long}")).collect();
    for text in &sent {
        setup.send_all(&[text]).await;
        assert_eq!(texts(&mut quick).await, [text.as_str()]);
    }
    let mut got = Vec::new();
    while got.len() < sent.len() {
        got.extend(texts(&mut slow).await);
    }
    assert_eq!(got, sent);
    assert_waits(&mut slow).await;
    setup.send_all(&["last"]).await;
    assert!(matches!(next(&mut slow).await, FollowEvent::Frame(_)));
}

#[tokio::test]
async fn the_tail_holds_no_message_for_long() {
    let setup = setup();
    let [mut quick, mut slow] = <[_; 2]>::try_from(setup.follow_tail(2).await).ok().unwrap();
    let ids = setup.send_all(&["a"]).await;
    assert_eq!(texts(&mut quick).await, ["a"]);
    assert_waits(&mut quick).await;
    setup.service.delete(&Topic::inbox(), ids[0]).await.unwrap();
    setup.clock.advance(Duration::from_secs(1));
    assert_waits(&mut quick).await;
    assert_waits(&mut slow).await;
}

#[tokio::test]
async fn a_topic_without_followers_is_not_read() {
    let setup = setup();
    let followers = setup.follow_tail(2).await;
    assert_eq!(setup.store.subscribers(), 1);
    drop(followers);
    eventually(Duration::from_mins(1), async || {
        setup.store.subscribers() == 0
    })
    .await;
    let before = setup.store.pages();
    setup.send_all(&["a"]).await;
    tokio::task::yield_now().await;
    assert_eq!(setup.store.pages(), before);
    setup.follow_tail(1).await;
}

#[tokio::test]
async fn followers_at_the_tail_get_a_gap_each() {
    let setup = setup();
    let mut followers = setup.follow_tail(3).await;
    // The tail does not run meanwhile.
    let ids = setup.send_all(&["a", "b", "c"]).await;
    setup.prune_to(1).await;
    let first = Some(ids[2]);
    for follower in &mut followers {
        assert_eq!(next(follower).await, FollowEvent::Gap { first });
        assert_eq!(texts(follower).await, ["c"]);
        assert_waits(follower).await;
    }
}

#[tokio::test]
async fn the_tail_waits_out_a_failure_of_the_store() {
    let setup = setup();
    let mut followers = setup.follow_tail(2).await;
    let error = StoreError::Unavailable("as the test wants".to_owned());
    let before = setup.store.pages();
    setup.store.fail_next_pages(2, error);
    setup.send_all(&["a"]).await;
    eventually(Duration::from_mins(1), async || {
        setup.clock.advance(Duration::from_secs(5));
        setup.store.pages() - before > 2
    })
    .await;
    for follower in &mut followers {
        assert_eq!(texts(follower).await, ["a"]);
    }
}

/// Followers of all speeds, that come and go, get each message once and in order.
#[tokio::test]
async fn whatever_the_speed_no_message_is_lost_or_repeated() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let setup = setup();
        let mut sent: Vec<String> = Vec::new();
        // Each with the number of messages before its first.
        let mut followers: Vec<(usize, Follower, Vec<String>)> = Vec::new();
        for _ in 0..60 {
            match random.below(8) {
                0 => followers.push((sent.len(), setup.follow(None).await, Vec::new())),
                1 if !followers.is_empty() => {
                    followers.swap_remove(random.below(followers.len()));
                }
                2 => setup.clock.advance(Duration::from_millis(700)),
                3 => tokio::task::yield_now().await,
                4 => {
                    for _ in 0..random.below(40) {
                        let text = format!("{} {}", sent.len(), "a".repeat(random.below(4_000)));
                        setup.send_all(&[&text]).await;
                        sent.push(text);
                    }
                }
                _ => {
                    for (_, follower, got) in &mut followers {
                        if random.below(2) == 0 {
                            got.extend(texts_at_once(follower).await);
                        }
                    }
                }
            }
        }
        for (from, follower, got) in &mut followers {
            let expected = &sent[*from..];
            while got.len() < expected.len() {
                got.extend(texts(follower).await);
            }
            assert_eq!(got, expected, "seed {seed}");
            assert_waits(follower).await;
        }
    }
}

/// The next texts, if there are any without a wait.
async fn texts_at_once(follower: &mut Follower) -> Vec<String> {
    tokio::select! {
        biased;
        texts = texts(follower) => texts,
        () = std::future::ready(()) => Vec::new(),
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }
}
