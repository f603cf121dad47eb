//! Wake-ups across processes: latency, number of connections, and lost announcements.

use std::time::{Duration, Instant};

use posthorn_application::{MessageStore, Subscription};
use posthorn_domain::Topic;
use posthorn_testkit::{RedisServer, eventually, samples};
use tokio::time::timeout;

use crate::support::{PATIENCE, Servers, store};

async fn woken(subscription: &mut Box<dyn Subscription>, within: Duration) -> bool {
    timeout(within, subscription.changed()).await.is_ok()
}

/// Waits until earlier changes have woken the subscription.
async fn settle(subscription: &mut Box<dyn Subscription>) {
    while woken(subscription, Duration::from_millis(20)).await {}
}

async fn check_latency(servers: Servers) {
    let (writer, reader) = (store(&servers.url()).await, store(&servers.url()).await);
    let mut latencies = Vec::new();
    for number in 0..500 {
        let topic = samples::topic(&format!("t{}", number % 5));
        let mut subscription = reader.subscribe(&topic).await.unwrap();
        let begin = Instant::now();
        writer
            .append(samples::append(&topic, "text"))
            .await
            .unwrap();
        assert!(woken(&mut subscription, Duration::from_secs(5)).await);
        latencies.push(begin.elapsed());
    }
    latencies.sort();
    // The median: beside other tests some wait for a processor. Without announcements all wait for a look, which
    // happens once a second.
    let median = latencies[latencies.len() / 2];
    assert!(median < Duration::from_millis(100), "{median:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_wakes_another_process_within_100_ms() {
    check_latency(Servers::server().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_wakes_another_process_within_100_ms_on_a_cluster() {
    check_latency(Servers::cluster().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_subscriptions_share_one_connection() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    let topics: Vec<_> = (0..10)
        .map(|number| samples::topic(&format!("t{number}")))
        .collect();
    let mut subscriptions = Vec::new();
    for number in 0..10_000 {
        subscriptions.push(
            store
                .subscribe(&topics[number % topics.len()])
                .await
                .unwrap(),
        );
    }
    let clients = server.command(&["CLIENT", "LIST"]).await.unwrap();
    let clients = clients
        .lines()
        .filter(|line| line.contains("addr="))
        .count();
    assert!(clients <= 4, "{clients} connections");
    for topic in &topics {
        store.append(samples::append(topic, "text")).await.unwrap();
    }
    for subscription in &mut subscriptions {
        assert!(woken(subscription, Duration::from_secs(5)).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_an_announcement_wakes_by_polling() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    let topic = Topic::inbox();
    let mut subscription = store.subscribe(&topic).await.unwrap();
    assert!(
        woken(&mut subscription, Duration::from_secs(5)).await,
        "the first look"
    );
    settle(&mut subscription).await;
    let key = "posthorn:{t:inbox}:messages";
    server
        .command(&["XADD", key, "*", "content", "text"])
        .await
        .unwrap();
    assert!(woken(&mut subscription, Duration::from_secs(5)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_wakes_every_subscription_and_is_replaced() {
    let mut server = RedisServer::start_durable().await;
    let (writer, reader) = (store(&server.url()).await, store(&server.url()).await);
    let topic = Topic::inbox();
    writer
        .append(samples::append(&topic, "text"))
        .await
        .unwrap();
    let mut subscription = reader.subscribe(&topic).await.unwrap();
    for round in 0..3 {
        settle(&mut subscription).await;
        if round == 0 {
            server
                .command(&["CLIENT", "KILL", "TYPE", "pubsub"])
                .await
                .unwrap();
        } else {
            server.stop();
        }
        assert!(
            woken(&mut subscription, Duration::from_secs(5)).await,
            "{round}: the loss"
        );
        if round > 0 {
            // Nothing can be promised. What woke may have been the end of the last round.
            eventually(PATIENCE, async || reader.subscribe(&topic).await.is_err()).await;
            server.start_again().await;
        }
        eventually(PATIENCE, async || reader.subscribe(&topic).await.is_ok()).await;
        settle(&mut subscription).await;
        writer
            .append(samples::append(&topic, "text"))
            .await
            .unwrap();
        assert!(
            woken(&mut subscription, Duration::from_secs(5)).await,
            "{round}: the message"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_server_wakes_every_subscription() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    let mut subscription = store.subscribe(&Topic::inbox()).await.unwrap();
    settle(&mut subscription).await;
    server.pause();
    assert!(
        woken(&mut subscription, Duration::from_secs(10)).await,
        "the loss"
    );
    server.resume();
    assert!(
        woken(&mut subscription, Duration::from_secs(10)).await,
        "the return"
    );
}
