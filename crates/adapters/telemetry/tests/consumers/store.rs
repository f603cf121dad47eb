//! A store of consumers that the tests script.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use posthorn_application::{
    ConsumerDelivery, ConsumerError, ConsumerPut, ConsumerStatus, ConsumerStore, DeadLetterPage,
    DeadLetterRequest, LeaseUpdate, LeasesUpdated, PageLimit, Precondition, PullRequest,
    PulledLeases, PutConsumer, Redriven, StoreError, Subscription,
};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerPosition, LeaseNonce, LeaseToken, MessageId, Topic,
};

/// A store of consumers that have counts and nothing else.
#[derive(Default)]
pub(crate) struct CountedStore {
    pub(crate) consumers: Mutex<BTreeMap<ConsumerKey, ConsumerStatus>>,
    /// The next calls fail with these, from the last one on.
    pub(crate) errors: Mutex<Vec<StoreError>>,
    /// The number of times that the list of topics was read from its beginning.
    pub(crate) rounds: AtomicUsize,
    /// Topics whose consumers cannot be read.
    pub(crate) corrupt: Mutex<Vec<Topic>>,
    /// The damaged messages that each pull and each page of dead letters meets.
    pub(crate) damaged: Mutex<Vec<MessageId>>,
}

impl CountedStore {
    fn next_error(&self) -> Result<(), StoreError> {
        self.errors.lock().unwrap().pop().map_or(Ok(()), Err)
    }

    pub(crate) fn set(&self, status: ConsumerStatus) {
        let mut consumers = self.consumers.lock().unwrap();
        consumers.insert(status.key.clone(), status);
    }
}

#[async_trait]
impl ConsumerStore for CountedStore {
    async fn put(&self, _: &ConsumerKey, _: PutConsumer) -> Result<ConsumerPut, ConsumerError> {
        Err(ConsumerError::LimitReached)
    }

    async fn status(&self, _: &ConsumerKey) -> Result<ConsumerStatus, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn list(
        &self,
        topic: &Topic,
        kind: ConsumerKind,
    ) -> Result<Vec<ConsumerStatus>, StoreError> {
        self.next_error()?;
        if self.corrupt.lock().unwrap().contains(topic) {
            return Err(StoreError::Corrupt("as the test wants".to_owned()));
        }
        let consumers = self.consumers.lock().unwrap();
        let of_topic = |key: &ConsumerKey| key.topic == *topic && key.kind == kind;
        let listed = consumers.values().filter(|status| of_topic(&status.key));
        Ok(listed.cloned().collect())
    }

    async fn deliveries(
        &self,
        _: &Topic,
        _: ConsumerKind,
        _: MessageId,
    ) -> Result<Vec<ConsumerDelivery>, StoreError> {
        Ok(Vec::new())
    }

    async fn topics_with_consumers(
        &self,
        after: Option<&Topic>,
        limit: PageLimit,
    ) -> Result<Vec<Topic>, StoreError> {
        if after.is_none() {
            self.rounds.fetch_add(1, Ordering::SeqCst);
        }
        self.next_error()?;
        let consumers = self.consumers.lock().unwrap();
        let mut topics: Vec<_> = consumers.keys().map(|key| key.topic.clone()).collect();
        topics.dedup();
        topics.retain(|topic| after.is_none_or(|after| topic > after));
        topics.truncate(limit.get());
        Ok(topics)
    }

    async fn delete(&self, _: &ConsumerKey, _: &Precondition) -> Result<(), ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn pull(&self, _: &ConsumerKey, _: PullRequest) -> Result<PulledLeases, ConsumerError> {
        self.next_error()?;
        Ok(PulledLeases {
            unreadable: self.damaged.lock().unwrap().clone(),
            ..PulledLeases::default()
        })
    }

    /// The leases with an even attempt are valid.
    async fn update_leases(
        &self,
        _: &ConsumerKey,
        leases: &[LeaseToken],
        _: LeaseUpdate,
    ) -> Result<LeasesUpdated, ConsumerError> {
        self.next_error()?;
        let is_valid = |lease: &LeaseToken| lease.attempt.get().is_multiple_of(2);
        Ok(LeasesUpdated {
            valid: leases.iter().map(is_valid).collect(),
            expires_at: None,
        })
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
        Ok(DeadLetterPage {
            unreadable: self.damaged.lock().unwrap().clone(),
            ..DeadLetterPage::default()
        })
    }

    async fn redrive(&self, _: &ConsumerKey, _: &[MessageId]) -> Result<Redriven, ConsumerError> {
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
        Err(ConsumerError::NotFound)
    }
}
