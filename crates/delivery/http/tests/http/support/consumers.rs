//! A store without consumers: every call on one finds nothing, but a pull from `idle` waits, and one
//! from `slow` lasts as long as the test wants.

use async_trait::async_trait;
use posthorn_application::{
    ConsumerError, ConsumerPut, ConsumerStatus, ConsumerStore, DeadLetterPage, DeadLetterRequest,
    LeaseUpdate, LeasesUpdated, PageLimit, Precondition, PullRequest, PulledLeases, PutConsumer,
    Redrive, Redriven, StoreError, Subscription,
};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerPosition, LeaseNonce, LeaseToken, MessageId, Topic,
};
use tokio::sync::Notify;

/// For the one test that pulls from `slow`.
pub(crate) static SLOW_PULL_BEGUN: Notify = Notify::const_new();
pub(crate) static SLOW_PULL_MAY_END: Notify = Notify::const_new();

pub(crate) struct NoConsumers;

#[async_trait]
impl ConsumerStore for NoConsumers {
    async fn put(&self, _: &ConsumerKey, _: PutConsumer) -> Result<ConsumerPut, ConsumerError> {
        Err(ConsumerError::LimitReached)
    }

    async fn status(&self, _: &ConsumerKey) -> Result<ConsumerStatus, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn list(&self, _: &Topic, _: ConsumerKind) -> Result<Vec<ConsumerStatus>, StoreError> {
        Ok(Vec::new())
    }

    async fn topics_with_consumers(
        &self,
        _: Option<&Topic>,
        _: PageLimit,
    ) -> Result<Vec<Topic>, StoreError> {
        Ok(Vec::new())
    }

    async fn delete(&self, _: &ConsumerKey, _: &Precondition) -> Result<(), ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn pull(&self, key: &ConsumerKey, _: PullRequest) -> Result<PulledLeases, ConsumerError> {
        match key.name.as_str() {
            "idle" => {}
            "slow" => {
                SLOW_PULL_BEGUN.notify_one();
                SLOW_PULL_MAY_END.notified().await;
                return Err(ConsumerError::NotFound);
            }
            _ => return Err(ConsumerError::NotFound),
        }
        Ok(PulledLeases {
            messages: Vec::new(),
            more: false,
            next_due: None,
        })
    }

    async fn update_leases(
        &self,
        _: &ConsumerKey,
        _: &[LeaseToken],
        _: LeaseUpdate,
    ) -> Result<LeasesUpdated, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn give_back(&self, _: &ConsumerKey, _: LeaseNonce) -> Result<(), ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn seek(
        &self,
        _: &ConsumerKey,
        _: ConsumerPosition,
    ) -> Result<ConsumerStatus, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn dead_letters(
        &self,
        _: &ConsumerKey,
        _: DeadLetterRequest,
    ) -> Result<DeadLetterPage, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn redrive(&self, _: &ConsumerKey, _: &Redrive) -> Result<Redriven, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn delete_dead_letter(
        &self,
        _: &ConsumerKey,
        _: MessageId,
    ) -> Result<bool, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn watch(&self, _: &ConsumerKey) -> Result<Box<dyn Subscription>, ConsumerError> {
        Ok(Box::new(Idle))
    }
}

/// Never changes.
struct Idle;

#[async_trait]
impl Subscription for Idle {
    async fn changed(&mut self) {
        std::future::pending::<()>().await;
    }
}
