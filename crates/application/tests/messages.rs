//! `MessageService`, following and retention against a fake store, with a fake clock.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    Anchor, AppendError, Appended, CursorEvent, MessageService, MessageStore, PageLimit,
    PageRequest, RetentionPolicy, RetentionService, RetentionSettings, SendMessage, StoreError,
    TopicCursor,
};
use posthorn_domain::{Attributes, IdempotencyKey, MessageContent, MessageId, Topic};
use posthorn_testkit::{FakeClock, FakeStore, eventually};

struct Setup {
    clock: Arc<FakeClock>,
    store: Arc<FakeStore>,
    service: MessageService,
}

fn setup() -> Setup {
    let clock = Arc::new(FakeClock::new());
    let store = Arc::new(FakeStore::new(Arc::clone(&clock)));
    let service = MessageService::new(
        Arc::clone(&store) as _,
        "pod".into(),
        Duration::from_hours(24),
    );
    Setup {
        clock,
        store,
        service,
    }
}

impl Setup {
    async fn send(&self, text: &str, key: Option<&str>) -> Result<Appended, AppendError> {
        let send = SendMessage {
            topic: Topic::inbox(),
            content: MessageContent::from_store(text),
            attributes: Attributes::default(),
            idempotency_key: key.map(|key| IdempotencyKey::parse(key).unwrap()),
            sender: None,
        };
        self.service.send(send).await
    }

    async fn send_all(&self, texts: &[&str]) -> Vec<MessageId> {
        let mut ids = Vec::new();
        for text in texts {
            ids.push(self.send(text, None).await.unwrap().receipt.id);
        }
        ids
    }

    async fn prune_to(&self, max_count: u64) {
        let policy = RetentionPolicy {
            max_age: Duration::from_hours(1),
            max_count,
        };
        self.store.prune(&policy, usize::MAX).await.unwrap();
    }

    async fn follow(&self, after: Option<MessageId>) -> TopicCursor {
        self.service.follow(Topic::inbox(), after).await.unwrap()
    }
}

async fn texts(follow: &mut TopicCursor) -> Vec<String> {
    match follow.next().await.unwrap() {
        CursorEvent::Messages(messages) => messages
            .iter()
            .map(|message| message.content.as_str().to_owned())
            .collect(),
        CursorEvent::Gap { first } => panic!("a gap before {first:?}"),
    }
}

#[tokio::test]
async fn a_retry_gets_the_first_receipt_and_another_message_is_rejected() {
    let setup = setup();
    let first = setup.send("text", Some("key")).await.unwrap();
    assert!(!first.replayed);
    assert_eq!(&*first.receipt.instance, "pod");
    setup.clock.advance(Duration::from_hours(23));
    let again = setup.send("text", Some("key")).await.unwrap();
    assert_eq!((again.receipt, again.replayed), (first.receipt, true));
    assert_eq!(
        setup.send("other", Some("key")).await,
        Err(AppendError::KeyReused)
    );
    setup.clock.advance(Duration::from_hours(1));
    assert!(!setup.send("other", Some("key")).await.unwrap().replayed);
}

#[tokio::test]
async fn a_sent_message_is_read_by_id_and_page_until_it_is_deleted() {
    let setup = setup();
    let ids = setup.send_all(&["a", "b"]).await;
    let inbox = Topic::inbox();
    let request = PageRequest {
        anchor: Anchor::Oldest,
        limit: PageLimit::DEFAULT,
    };
    let page = setup.service.list(&inbox, request).await.unwrap();
    assert_eq!(
        page.messages
            .iter()
            .map(|message| message.id)
            .collect::<Vec<_>>(),
        ids
    );
    let message = setup.service.get(&inbox, ids[1]).await.unwrap().unwrap();
    assert_eq!(message.content.as_str(), "b");
    assert!(setup.service.delete(&inbox, ids[1]).await.unwrap());
    assert!(!setup.service.delete(&inbox, ids[1]).await.unwrap());
    assert_eq!(setup.service.get(&inbox, ids[1]).await.unwrap(), None);
}

#[tokio::test]
async fn a_cursor_replays_then_goes_live_without_loss_or_repeat() {
    let setup = setup();
    let ids = setup.send_all(&["a", "b", "c"]).await;
    let mut follow = setup.follow(Some(ids[0])).await;
    assert_eq!(texts(&mut follow).await, ["b", "c"]);
    setup.send_all(&["d"]).await;
    assert_eq!(texts(&mut follow).await, ["d"]);
    let waiting = tokio::spawn(async move { texts(&mut follow).await });
    setup.send_all(&["e"]).await;
    assert_eq!(waiting.await.unwrap(), ["e"]);
    eventually(Duration::from_secs(5), async || {
        setup.store.subscribers() == 0
    })
    .await;
}

#[tokio::test]
async fn a_cursor_returns_a_bounded_number_of_bytes_at_once() {
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
async fn a_cursor_without_a_position_returns_later_messages_only() {
    let setup = setup();
    let ids = setup.send_all(&["a", "b"]).await;
    let mut follow = setup.follow(None).await;
    assert_eq!(follow.position(), ids[1]);
    setup.send_all(&["c"]).await;
    assert_eq!(texts(&mut follow).await, ["c"]);
}

#[tokio::test]
async fn a_cursor_over_an_emptied_topic_resumes_without_a_gap() {
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

/// A cursor over the empty topic starts at `place` and then returns `text` only.
async fn resumes_without_a_gap(setup: &Setup, place: MessageId, text: &str) {
    let mut from_now = setup.follow(None).await;
    assert_eq!(from_now.position(), place);
    let mut back = setup.follow(Some(from_now.position())).await;
    let heard = back.next();
    tokio::select! {
        biased;
        event = heard => panic!("there is nothing yet, but it heard {event:?}"),
        () = std::future::ready(()) => {}
    }
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
    assert_eq!(back.next().await, Ok(CursorEvent::Gap { first }));
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
        Ok(CursorEvent::Gap {
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
    assert_eq!(follow.next().await, Ok(CursorEvent::Gap { first: None }));
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
        // Polled once and dropped while it waits.
        let next = follow.next();
        tokio::select! {
            biased;
            _ = next => panic!("there is nothing yet"),
            () = std::future::ready(()) => {}
        }
        setup.send_all(&[text]).await;
        assert_eq!(texts(&mut follow).await, [text]);
    }
}

#[tokio::test]
async fn a_cursor_keeps_its_position_when_the_store_fails() {
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
async fn retention_prunes_in_bounded_steps_and_continues_after_a_failure() {
    let setup = setup();
    setup.send_all(&["a", "b", "c", "d", "e"]).await;
    let policy = RetentionPolicy {
        max_age: Duration::from_hours(1),
        max_count: 2,
    };
    let settings = RetentionSettings {
        policy,
        interval: Duration::from_secs(10),
        budget: 1,
        pause: Duration::from_millis(10),
    };
    let store = Arc::clone(&setup.store) as Arc<dyn MessageStore>;
    let service = RetentionService::new(store, Arc::clone(&setup.clock) as _, settings);
    setup
        .store
        .fail_next(1, StoreError::Unavailable("as the test wants".to_owned()));
    let running = tokio::spawn(async move { service.run().await });
    let held = async || {
        let request = PageRequest {
            anchor: Anchor::Oldest,
            limit: PageLimit::DEFAULT,
        };
        setup
            .store
            .page(&Topic::inbox(), request)
            .await
            .unwrap()
            .messages
            .len()
    };
    setup.clock.wait_for_sleepers(1).await;
    assert_eq!(held().await, 5, "the first round failed");
    eventually(Duration::from_secs(5), async || {
        setup.clock.advance(Duration::from_secs(1));
        held().await == 2
    })
    .await;
    setup.clock.advance(Duration::from_hours(2));
    eventually(Duration::from_secs(5), async || {
        setup.clock.advance(Duration::from_secs(1));
        held().await == 0
    })
    .await;
    running.abort();
}
