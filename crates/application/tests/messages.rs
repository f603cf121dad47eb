//! `MessageService` and retention against a fake store, with a fake clock.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    Anchor, AppendError, Appended, MessageService, MessageStore, PageLimit, PageRequest,
    RetentionPolicy, RetentionService, RetentionSettings, SendMessage, StoreError,
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
            traceparent: None,
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
    eventually(Duration::from_mins(1), async || {
        setup.clock.advance(Duration::from_secs(1));
        held().await == 2
    })
    .await;
    setup.clock.advance(Duration::from_hours(2));
    eventually(Duration::from_mins(1), async || {
        setup.clock.advance(Duration::from_secs(1));
        held().await == 0
    })
    .await;
    running.abort();
}
