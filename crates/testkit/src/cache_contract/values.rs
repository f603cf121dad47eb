//! A stored value comes back until it is replaced or removed.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{CacheHarness, LONG};

/// Any bytes, also none, in every process.
pub async fn a_value_comes_back_as_it_was_set(harness: impl CacheHarness) {
    let (cache, other) = (harness.cache(), harness.other_process().await);
    let all_bytes: Vec<u8> = (0..=255).collect();
    for value in [b"value".to_vec(), Vec::new(), vec![0], all_bytes] {
        assert_eq!(cache.set("key", &value, LONG).await, Ok(()));
        assert_eq!(cache.get("key").await, Ok(Some(value.clone())));
        assert_eq!(other.get("key").await, Ok(Some(value.clone())));
    }
}

/// There is no value to get or delete, and clearing an empty cache is no error.
pub async fn a_missing_value_is_not_found(harness: impl CacheHarness) {
    let cache = harness.cache();
    assert_eq!(cache.get("key").await, Ok(None));
    assert_eq!(cache.delete("key").await, Ok(false));
    assert_eq!(cache.clear().await, Ok(()));
}

/// The last value stays, whatever the lengths.
pub async fn a_value_is_replaced(harness: impl CacheHarness) {
    let cache = harness.cache();
    for value in ["first", "a much longer second value", "", "x"] {
        assert_eq!(
            cache.set("key", &value.as_bytes().to_vec(), LONG).await,
            Ok(())
        );
        assert_eq!(cache.get("key").await, Ok(Some(value.as_bytes().to_vec())));
    }
    assert_eq!(cache.delete("key").await, Ok(true));
    assert_eq!(cache.get("key").await, Ok(None));
}

/// A delete returns whether there was a value, and keeps the others.
pub async fn a_deleted_value_is_gone(harness: impl CacheHarness) {
    let (cache, other) = (harness.cache(), harness.other_process().await);
    assert_eq!(cache.set("gone", &b"1".to_vec(), LONG).await, Ok(()));
    assert_eq!(cache.set("kept", &b"2".to_vec(), LONG).await, Ok(()));
    assert_eq!(other.delete("gone").await, Ok(true));
    assert_eq!(cache.delete("gone").await, Ok(false));
    assert_eq!(cache.get("gone").await, Ok(None));
    assert_eq!(cache.get("kept").await, Ok(Some(b"2".to_vec())));
}

/// More keys than one step of any back end removes; later values are stored.
pub async fn clearing_removes_everything_and_the_cache_keeps_working(harness: impl CacheHarness) {
    let (cache, other) = (harness.cache(), harness.other_process().await);
    // More keys than an adapter removes at once; then few, because it has to work again.
    for (round, keys) in [(0, 1_500), (1, 20), (2, 20)] {
        for number in 0..keys {
            let value = vec![round, 1];
            assert_eq!(
                cache.set(&format!("key-{number}"), &value, LONG).await,
                Ok(())
            );
        }
        assert_eq!(cache.clear().await, Ok(()));
        for number in 0..keys {
            assert_eq!(other.get(&format!("key-{number}")).await, Ok(None));
        }
        assert_eq!(cache.set("after", &vec![round], LONG).await, Ok(()));
        assert_eq!(other.get("after").await, Ok(Some(vec![round])));
    }
}

/// Keys with all kinds of characters, and long ones, are different keys.
pub async fn unusual_keys_are_distinguished(harness: impl CacheHarness) {
    let cache = harness.cache();
    let long = "k".repeat(1_000);
    let longer = "k".repeat(1_001);
    let keys = [
        "", " ", "  ", "a", "A", "a ", "a\n", "a\0", "a\0b", "a*", "a?", "[a]", "{a}", "{a}b",
        "a:b", "a/b", "ключ", "👋", "é", "e\u{301}", &long, &longer,
    ];
    for key in keys {
        assert_eq!(
            cache.set(key, &key.as_bytes().to_vec(), LONG).await,
            Ok(()),
            "{key:?}"
        );
    }
    for key in keys {
        assert_eq!(
            cache.get(key).await,
            Ok(Some(key.as_bytes().to_vec())),
            "{key:?}"
        );
    }
    assert_eq!(cache.delete("a*").await, Ok(true));
    assert_eq!(cache.get("a").await, Ok(Some(b"a".to_vec())));
    assert_eq!(cache.clear().await, Ok(()));
    for key in keys {
        assert_eq!(cache.get(key).await, Ok(None), "{key:?}");
    }
}

/// One MiB.
pub async fn a_large_value_is_stored(harness: impl CacheHarness) {
    let cache = harness.cache();
    let value: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    assert_eq!(cache.set("key", &value, LONG).await, Ok(()));
    assert!(cache.get("key").await == Ok(Some(value)));
}

/// Concurrent sets of one key: a reader sees one of the values, never a mixture.
pub async fn concurrent_users_see_whole_values(harness: impl CacheHarness) {
    let (cache, other) = (harness.cache(), harness.other_process().await);
    assert_eq!(cache.set("key", &vec![0; 100], LONG).await, Ok(()));
    let mut tasks = JoinSet::new();
    for byte in 0..8 {
        let asked = Arc::clone(if byte % 2 == 0 { &cache } else { &other });
        tasks.spawn(async move {
            for _ in 0..50 {
                assert_eq!(asked.set("key", &vec![byte; 100], LONG).await, Ok(()));
                let value = asked.get("key").await.expect("asked").expect("held");
                assert!(value.len() == 100 && value.iter().all(|other| *other == value[0]));
            }
        });
    }
    tasks.join_all().await;
}
