//! A service over a fake store with a fake clock, and its followers.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    Anchor, FollowEvent, MessageService, MessageStore, RetentionPolicy, SendMessage, TopicFollower,
    TopicTails,
};
use posthorn_domain::{Attributes, Message, MessageContent, MessageId, Topic};
use posthorn_testkit::{FakeClock, FakeStore};
use tokio::task::JoinSet;

/// The texts of messages, one per line.
pub(crate) type Frame = Arc<[u8]>;
pub(crate) type Follower = TopicFollower<Frame>;

pub(crate) struct Setup {
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) store: Arc<FakeStore>,
    pub(crate) service: MessageService,
    tails: Arc<TopicTails<Frame>>,
    _running: JoinSet<()>,
}

pub(crate) fn setup() -> Setup {
    let clock = Arc::new(FakeClock::new());
    let store = Arc::new(FakeStore::new(Arc::clone(&clock)));
    let service = MessageService::new(
        Arc::clone(&store) as _,
        "pod".into(),
        Duration::from_hours(24),
    );
    let tails = Arc::new(service.tails(Arc::clone(&clock) as _, encode));
    let mut running = JoinSet::new();
    let run = Arc::clone(&tails);
    running.spawn(async move { run.run().await });
    Setup {
        clock,
        store,
        service,
        tails,
        _running: running,
    }
}

fn encode(messages: &[Arc<Message>]) -> Frame {
    texts_of(messages).join("\n").into_bytes().into()
}

fn texts_of(messages: &[Arc<Message>]) -> Vec<String> {
    let texts = messages.iter().map(|message| message.content.as_str());
    texts.map(str::to_owned).collect()
}

impl Setup {
    pub(crate) async fn send_all(&self, texts: &[&str]) -> Vec<MessageId> {
        let mut ids = Vec::new();
        for text in texts {
            let send = SendMessage {
                topic: Topic::inbox(),
                content: MessageContent::from_store(*text),
                attributes: Attributes::default(),
                traceparent: None,
                idempotency_key: None,
                sender: None,
            };
            ids.push(self.service.send(send).await.unwrap().receipt.id);
        }
        ids
    }

    pub(crate) async fn prune_to(&self, max_count: u64) {
        let policy = RetentionPolicy {
            max_age: Duration::from_hours(1),
            max_count,
        };
        self.store.prune(&policy, usize::MAX).await.unwrap();
    }

    pub(crate) async fn follow(&self, after: Option<MessageId>) -> Follower {
        self.follow_from(after.map(Anchor::After)).await
    }

    pub(crate) async fn follow_from(&self, start: Option<Anchor>) -> Follower {
        self.tails.follow(Topic::inbox(), start).await.unwrap()
    }

    /// Followers at the tail: each got the message `text` from it.
    pub(crate) async fn follow_tail(&self, count: usize) -> Vec<Follower> {
        let mut followers = Vec::new();
        for _ in 0..count {
            followers.push(self.follow(None).await);
        }
        for follower in &mut followers {
            assert_waits(follower).await;
        }
        // Until all have joined.
        self.send_all(&["joined"]).await;
        for follower in &mut followers {
            assert_eq!(texts(follower).await, ["joined"]);
        }
        followers
    }
}

pub(crate) async fn texts(follower: &mut Follower) -> Vec<String> {
    match next(follower).await {
        FollowEvent::Messages(messages) => texts_of(&messages),
        FollowEvent::Frame(frame) => lines(&frame),
        event => panic!("{event:?}"),
    }
}

pub(crate) async fn next(follower: &mut Follower) -> FollowEvent<Frame> {
    let next = tokio::time::timeout(Duration::from_secs(10), follower.next());
    next.await.unwrap().unwrap()
}

pub(crate) fn lines(frame: &Frame) -> Vec<String> {
    let text = std::str::from_utf8(frame).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Lets the follower and the tail go on until both wait: there is nothing for the follower.
pub(crate) async fn assert_waits(follower: &mut Follower) {
    for _ in 0..10 {
        tokio::select! {
            biased;
            event = follower.next() => panic!("there is nothing yet, but it got {event:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
}
