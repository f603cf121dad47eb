//! A value is never returned after its TTL.

use std::time::Duration;

use super::{CacheHarness, LONG};

/// Each value has a TTL of its own; an expired value cannot be deleted either.
pub async fn a_value_expires_with_its_ttl(harness: impl CacheHarness) {
    let (cache, unit) = (harness.cache(), harness.unit());
    assert_eq!(cache.set("short", &b"1".to_vec(), unit).await, Ok(()));
    assert_eq!(cache.set("short-too", &b"2".to_vec(), unit).await, Ok(()));
    assert_eq!(cache.set("long", &b"3".to_vec(), LONG).await, Ok(()));
    harness.pass(unit * 2).await;
    assert_eq!(cache.delete("short-too").await, Ok(false));
    assert_eq!(cache.get("short").await, Ok(None));
    assert_eq!(cache.get("short-too").await, Ok(None));
    assert_eq!(cache.get("long").await, Ok(Some(b"3".to_vec())));
}

/// The new TTL applies, whether it is longer or shorter.
pub async fn setting_again_starts_a_new_ttl(harness: impl CacheHarness) {
    let (cache, unit) = (harness.cache(), harness.unit());
    assert_eq!(cache.set("longer", &b"1".to_vec(), unit).await, Ok(()));
    assert_eq!(cache.set("longer", &b"2".to_vec(), LONG).await, Ok(()));
    assert_eq!(cache.set("shorter", &b"1".to_vec(), LONG).await, Ok(()));
    assert_eq!(cache.set("shorter", &b"2".to_vec(), unit).await, Ok(()));
    harness.pass(unit * 2).await;
    assert_eq!(cache.get("longer").await, Ok(Some(b"2".to_vec())));
    assert_eq!(cache.get("shorter").await, Ok(None));
}

/// A TTL of zero has passed at once.
pub async fn a_ttl_of_zero_stores_nothing_and_removes(harness: impl CacheHarness) {
    let cache = harness.cache();
    assert_eq!(
        cache.set("new", &b"1".to_vec(), Duration::ZERO).await,
        Ok(())
    );
    assert_eq!(cache.get("new").await, Ok(None));
    assert_eq!(cache.set("old", &b"1".to_vec(), LONG).await, Ok(()));
    assert_eq!(
        cache.set("old", &b"2".to_vec(), Duration::ZERO).await,
        Ok(())
    );
    assert_eq!(cache.get("old").await, Ok(None));
    assert_eq!(cache.delete("old").await, Ok(false));
}

/// Neither a very long nor a very short TTL overflows or becomes zero.
pub async fn a_very_long_ttl_is_no_error(harness: impl CacheHarness) {
    let cache = harness.cache();
    for ttl in [Duration::from_secs(u64::from(u32::MAX)), Duration::MAX] {
        assert_eq!(cache.set("key", &b"value".to_vec(), ttl).await, Ok(()));
        assert_eq!(cache.get("key").await, Ok(Some(b"value".to_vec())));
    }
    // Shorter than the resolution of a back end: it may have passed, but it is no error.
    assert_eq!(
        cache
            .set("key", &b"value".to_vec(), Duration::from_nanos(1))
            .await,
        Ok(())
    );
}
