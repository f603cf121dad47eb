//! The cache in front of a revocation list, while a read and a revocation overlap.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{BackendError, Clock, RevocationList};
use posthorn_domain::{Timestamp, TokenId};
use posthorn_memory::CachedRevocationList;
use posthorn_testkit::{FakeClock, FakeRevocationList};
use tokio::sync::{Semaphore, oneshot};

/// Its first result is of the time before a revocation and is returned after it.
struct SlowList {
    has_read: Mutex<Option<oneshot::Sender<()>>>,
    may_return: Semaphore,
    inner: FakeRevocationList,
}

#[async_trait]
impl RevocationList for SlowList {
    async fn revoke(&self, id: &TokenId, until: Timestamp) -> Result<(), BackendError> {
        self.inner.revoke(id, until).await
    }

    async fn is_revoked(&self, id: &TokenId) -> Result<bool, BackendError> {
        let is_revoked = self.inner.is_revoked(id).await;
        let has_read = self.has_read.lock().unwrap().take();
        if let Some(has_read) = has_read {
            has_read.send(()).unwrap();
            let _permit = self.may_return.acquire().await.unwrap();
        }
        is_revoked
    }
}

#[tokio::test]
async fn a_result_from_before_a_revocation_is_not_cached_after_it() {
    let clock = Arc::new(FakeClock::new());
    let (has_read, was_read) = oneshot::channel();
    let slow = Arc::new(SlowList {
        has_read: Mutex::new(Some(has_read)),
        may_return: Semaphore::new(0),
        inner: FakeRevocationList::new(clock.clone()),
    });
    let list = Arc::new(CachedRevocationList::new(slow.clone(), clock.clone()));
    let id = TokenId::parse("id-1").unwrap();

    let reading = tokio::spawn({
        let (list, id) = (list.clone(), id.clone());
        async move { list.is_revoked(&id).await }
    });
    was_read.await.unwrap();
    let until = clock.now().saturating_add(Duration::from_mins(1));
    list.revoke(&id, until).await.unwrap();
    slow.may_return.add_permits(1);

    assert!(
        !reading.await.unwrap().unwrap(),
        "it began before the revocation"
    );
    assert!(list.is_revoked(&id).await.unwrap());
}
