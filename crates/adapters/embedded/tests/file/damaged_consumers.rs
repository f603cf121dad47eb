//! Damaged consumers, webhooks, deliveries and dead letters, which hide and block nothing around them.

use posthorn_application::Precondition;
use posthorn_domain::{ConsumerKey, ConsumerKind, ConsumerName};
use posthorn_testkit::consumer_contract::damage::{
    a_damaged_consumer_stops_no_removal, a_damaged_dead_letter_hides_no_other,
    a_damaged_delivery_hides_no_other,
};
use posthorn_testkit::webhook_contract::damage::{
    a_damaged_webhook_can_be_deleted, a_damaged_webhook_hides_no_other,
};

use super::damage::shell;
use super::*;

#[tokio::test]
async fn a_damaged_delivery_hides_and_blocks_no_other() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let clock = Arc::new(FakeClock::new());
    let store = EmbeddedStore::open(&settings, clock.clone() as Arc<dyn Clock>).unwrap();
    let store = Arc::new(store);
    let shell = shell(&settings);
    let pass = async || clock.advance(Duration::from_secs(1));
    for (topic, damage) in [
        ("attempt", "attempt = -4"),
        ("reason", "reason = CAST(x'ff' AS TEXT)"),
    ] {
        let damage = async |_: &ConsumerKey, id: MessageId| {
            let update = format!("UPDATE deliveries SET {damage} WHERE seq = ?1");
            assert_eq!(
                shell
                    .execute(&update, [id.sequence().cast_signed()])
                    .unwrap(),
                1
            );
        };
        let topic = samples::topic(topic);
        a_damaged_delivery_hides_no_other(Arc::clone(&store), &topic, damage, pass).await;
    }
}

#[tokio::test]
async fn a_damaged_dead_letter_hides_and_blocks_no_other() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = Arc::new(open(&settings).unwrap());
    let shell = shell(&settings);
    for (topic, damage) in [
        ("text", "content = content || 'x'"),
        ("attributes", "attributes = 'garbage'"),
    ] {
        let damage = async |_: &ConsumerKey, id: MessageId| {
            let update = format!("UPDATE dead_letters SET {damage} WHERE ms = ?1 AND seq = ?2");
            let ms = i64::try_from(id.timestamp().as_millis()).unwrap();
            let damaged = shell.execute(&update, (ms, id.sequence().cast_signed()));
            assert_eq!(damaged.unwrap(), 1);
        };
        let topic = samples::topic(topic);
        a_damaged_dead_letter_hides_no_other(Arc::clone(&store), &topic, damage).await;
    }
}

#[tokio::test]
async fn a_damaged_consumer_stops_no_removal_and_harms_no_other() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = Arc::new(open(&settings).unwrap());
    let shell = shell(&settings);
    for (topic, damage) in [
        ("lease", "lease_ms = -5"),
        ("tag", "tag = CAST(x'ff' AS TEXT)"),
    ] {
        let damage = async |key: &ConsumerKey| {
            let update = format!(
                "UPDATE consumers SET {damage} WHERE name = ?1 \
                 AND topic_id = (SELECT topic_id FROM topics WHERE name = ?2)"
            );
            let of = (key.name.as_str(), key.topic.as_str());
            assert_eq!(shell.execute(&update, of).unwrap(), 1);
        };
        let topic = samples::topic(topic);
        a_damaged_consumer_stops_no_removal(Arc::clone(&store), &topic, damage).await;
    }
    let damaged = ConsumerKey {
        topic: samples::topic("tag"),
        kind: ConsumerKind::Consumer,
        name: ConsumerName::parse("c").unwrap(),
    };
    let deleted =
        posthorn_application::ConsumerStore::delete(&*store, &damaged, &Precondition::None).await;
    assert_eq!(deleted, Ok(()));
}

/// The messages of a topic do not wait for one of its consumers.
#[tokio::test]
async fn retention_and_deletions_pass_a_damaged_consumer() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    let (topic, damage) = (samples::topic("t"), async |_: &ConsumerKey| {
        let update = "UPDATE consumers SET lease_ms = -5 WHERE name = 'b'";
        assert_eq!(shell(&settings).execute(update, []).unwrap(), 1);
    });
    a_damaged_webhook_hides_no_other(&store, &topic, damage).await;
    let mut ids = Vec::new();
    for text in ["1", "2", "3"] {
        ids.push(store.append(append(&topic, text)).await.unwrap().receipt.id);
    }
    assert_eq!(store.delete(&topic, ids[1]).await, Ok(true));
    let policy = RetentionPolicy {
        max_age: Duration::from_hours(1),
        max_count: 1,
    };
    assert_eq!(store.prune(&policy, 100).await.unwrap().removed, 1);
}

#[tokio::test]
async fn a_damaged_webhook_hides_and_blocks_no_other() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    let shell = shell(&settings);
    for (topic, damage) in [
        ("url", "UPDATE webhooks SET url = '::::'"),
        ("format", "UPDATE webhooks SET format = 'zz'"),
        ("lease", "UPDATE consumers SET lease_ms = -5"),
    ] {
        let topic = samples::topic(topic);
        let damage = async |key: &ConsumerKey| {
            let update = format!(
                "{damage} WHERE consumer_id = (SELECT consumer_id FROM consumers JOIN topics \
                 USING (topic_id) WHERE topics.name = ?1 AND consumers.name = ?2)"
            );
            let of = (key.topic.as_str(), key.name.as_str());
            assert_eq!(shell.execute(&update, of).unwrap(), 1);
        };
        let damaged = a_damaged_webhook_hides_no_other(&store, &topic, damage).await;
        // A record that cannot be read says nothing about writes.
        assert_eq!(store.health().await, Ok(()));
        a_damaged_webhook_can_be_deleted(&store, &damaged).await;
    }
}
