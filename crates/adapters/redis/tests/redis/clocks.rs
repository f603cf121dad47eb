//! The clock of the server after a jump. A test cannot move it, so the data is as if it had been moved.

use std::time::Duration;

use posthorn_application::{MessageStore, RetentionPolicy};
use posthorn_domain::{Timestamp, Topic};
use posthorn_redis::RedisStore;
use posthorn_testkit::{RedisServer, samples};

use crate::support::{ALL, DAY, store, texts};

const MESSAGES: &str = "posthorn:{t:inbox}:messages";

/// The clock of the server.
async fn now(server: &RedisServer) -> Timestamp {
    let time = server.command(&["TIME"]).await.unwrap();
    let seconds: u64 = time.lines().next().unwrap().parse().unwrap();
    Timestamp::from_millis(seconds * 1000)
}

/// Adds an entry that was stored at `time`, by its id.
async fn add(server: &RedisServer, time: Timestamp, text: &str) {
    let id = format!("{}-1", time.as_millis());
    let topics = ["ZADD", "posthorn:topics", "0", "inbox"];
    server.command(&topics).await.unwrap();
    let add = ["XADD", MESSAGES, &id, "content", text];
    server.command(&add).await.unwrap();
}

async fn prune(store: &RedisStore, max_age: Duration) -> u64 {
    let policy = RetentionPolicy {
        max_age,
        max_count: 1000,
    };
    store.prune(&policy, 1000).await.unwrap().removed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_behind_one_from_the_future_has_its_own_time() {
    let server = RedisServer::start().await;
    let (store, topic) = (store(&server.url()).await, Topic::inbox());
    let future = now(&server).await.saturating_add(400 * DAY);
    add(&server, future, "future").await;
    let policy = RetentionPolicy {
        max_age: DAY,
        max_count: 1000,
    };
    let pruned = store.prune(&policy, 1000).await.unwrap();
    assert_eq!(pruned.removed, 0);
    assert!(pruned.id_lead > 399 * DAY, "{:?}", pruned.id_lead);

    let single = samples::append(&topic, "single");
    let single = store.append(single).await.unwrap().receipt;
    let keyed = || samples::keyed_append(&topic, "keyed", "key", DAY);
    let first = store.append(keyed()).await.unwrap().receipt;
    let batch = || samples::keyed_batch(&topic, &["a", "b"], "batch", DAY);
    let first_batch = store.append_batch(batch()).await.unwrap().first;
    let now = now(&server).await;
    for receipt in [&single, &first, &first_batch] {
        assert!(receipt.id.timestamp() >= future);
        let distance = receipt.processed_at.saturating_since(now);
        assert!(distance < Duration::from_secs(10), "{distance:?}");
        let message = store.get(&topic, receipt.id).await.unwrap().unwrap();
        assert_eq!(message.processed_at, receipt.processed_at);
    }
    assert_eq!(store.append(keyed()).await.unwrap().receipt, first);
    let again = store.append_batch(batch()).await.unwrap().first;
    assert_eq!(again, first_batch);
    let page = store.page(&topic, ALL).await.unwrap();
    let ids: Vec<_> = page.messages.iter().map(|message| message.id).collect();
    assert_eq!(ids.len(), 5);
    assert!(ids.is_sorted());

    // All are older than the last one, which is old.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(prune(&store, DAY).await, 0);
    assert_eq!(prune(&store, Duration::from_secs(1)).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_notices_that_ids_are_ahead() {
    let server = RedisServer::start().await;
    let (store, topic) = (store(&server.url()).await, Topic::inbox());
    prune(&store, DAY).await;
    let future = now(&server).await.saturating_add(400 * DAY);
    add(&server, future, "future").await;
    for _ in 0..2 {
        let append = samples::append(&topic, "text");
        store.append(append).await.unwrap();
    }
    let page = store.page(&topic, ALL).await.unwrap();
    let last = page.messages.last().unwrap();
    assert!(last.processed_at < future);
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_does_not_follow_a_clock_that_is_ahead_of_what_was_seen() {
    let server = RedisServer::start().await;
    let now = now(&server).await;
    // As if the clock of the server had jumped by 8 days: the message was stored half a day ago.
    let seen = now.saturating_sub(8 * DAY).as_millis().to_string();
    let set = ["SET", "posthorn:seen", &seen];
    server.command(&set).await.unwrap();
    add(&server, now.saturating_sub(8 * DAY + DAY / 2), "text").await;
    let jumped = store(&server.url()).await;
    assert_eq!(prune(&jumped, 7 * DAY).await, 0);
    // The time of the last process is kept.
    for _ in 0..2 {
        assert_eq!(prune(&jumped, 7 * DAY).await, 0);
    }
    let kept = ["GET", "posthorn:seen"];
    assert_eq!(server.command(&kept).await.unwrap(), seen);
    // A store without such a time trusts the server, and keeps its time.
    server.command(&["DEL", "posthorn:seen"]).await.unwrap();
    let trusting = store(&server.url()).await;
    assert_eq!(prune(&trusting, 7 * DAY).await, 1);
    prune(&trusting, 7 * DAY).await;
    let kept: u64 = server.command(&kept).await.unwrap().parse().unwrap();
    assert!(kept >= now.as_millis());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_server_forgot_by_a_jump_of_its_clock_loses_no_message() {
    let server = RedisServer::start().await;
    let (store, inbox) = (store(&server.url()).await, Topic::inbox());
    for (key, text) in [("first", "a"), ("second", "b")] {
        let append = samples::keyed_append(&inbox, text, key, DAY);
        store.append(append).await.unwrap();
    }
    let batch = samples::keyed_batch(&samples::topic("other"), &["c", "d"], "third", DAY);
    store.append_batch(batch).await.unwrap();
    // The server forgets what has expired by its clock, and restarts when the clock is right again.
    for (topic, key) in [("inbox", "first"), ("inbox", "second"), ("other", "third")] {
        let record = format!("posthorn:{{t:{topic}}}:key:{key}");
        assert_eq!(server.command(&["DEL", &record]).await.unwrap(), "1");
        let fence = format!("posthorn:{{t:{topic}}}:fence");
        server
            .command(&["HSET", &fence, "run", "other"])
            .await
            .unwrap();
    }
    let store = crate::support::store(&server.url()).await;
    assert_eq!(texts(&store, &inbox).await, ["a", "b"]);
    assert_eq!(texts(&store, &samples::topic("other")).await, ["c", "d"]);
}
