//! A consumer store whose pulls and dead letters are scripted; its other calls find nothing.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use posthorn_application::{
    ConsumerDelivery, ConsumerError, ConsumerNotifier, ConsumerPut, ConsumerStatus, ConsumerStore,
    DeadLetter, DeadLetterPage, DeadLetterRequest, LeaseUpdate, LeasedMessage, LeasesUpdated,
    PageLimit, Precondition, PullRequest, PulledLeases, PutConsumer, Redriven, StoreError,
    Subscription,
};
use posthorn_domain::{
    Attempt, ConsumerKey, ConsumerKind, ConsumerPosition, LeaseNonce, LeaseToken, MessageId,
    SettingsTag, Timestamp, Topic,
};
use tokio::sync::Semaphore;

use crate::samples;

/// A `ConsumerStore` without messages: it logs its pulls, and fails or stalls on request.
pub struct FakeConsumerStore {
    /// The names of the consumers that can be pulled from; any if `None`.
    existing: Option<&'static [&'static str]>,
    /// The number of messages for the next pulls, from the last one on; none if 0.
    ready: Mutex<u64>,
    /// The errors of the next pulls, the last one first.
    errors: Mutex<Vec<ConsumerError>>,
    /// A pull takes effect, and a return of leases ends, only with a permit.
    permits: Semaphore,
    pulls: Mutex<Vec<LeaseNonce>>,
    returned: Mutex<Vec<LeaseNonce>>,
    tags: Mutex<Vec<SettingsTag>>,
    /// The dead letters of each consumer, and whether they can be read.
    letters: Mutex<BTreeMap<MessageId, bool>>,
    notifier: Arc<ConsumerNotifier>,
}

impl Default for FakeConsumerStore {
    /// A store in which each consumer can be pulled from.
    fn default() -> Self {
        Self {
            existing: None,
            ready: Mutex::default(),
            errors: Mutex::default(),
            permits: Semaphore::new(1_000),
            pulls: Mutex::default(),
            returned: Mutex::default(),
            tags: Mutex::default(),
            letters: Mutex::default(),
            notifier: Arc::default(),
        }
    }
}

impl FakeConsumerStore {
    /// A store in which only the consumers with these names can be pulled from.
    pub fn with_consumers(names: &'static [&'static str]) -> Self {
        Self {
            existing: Some(names),
            ..Self::default()
        }
    }

    fn find(&self, key: &ConsumerKey) -> Result<(), ConsumerError> {
        match self.existing {
            Some(names) if !names.contains(&key.name.as_str()) => Err(ConsumerError::NotFound),
            _ => Ok(()),
        }
    }

    /// Makes `count` messages due, and reports a change of the consumer.
    pub fn set_ready(&self, key: &ConsumerKey, count: u64) {
        *self.ready.lock().unwrap() = count;
        self.notifier.notify(key);
    }

    /// Lets the next pull or return of leases fail with `error`.
    pub fn fail_next(&self, error: ConsumerError) {
        self.errors.lock().unwrap().push(error);
    }

    /// Lets pulls and returns of leases stall until [`Self::resume`].
    pub fn stall(&self) {
        self.permits
            .forget_permits(self.permits.available_permits());
    }

    /// Lets the next ten pulls take effect.
    pub fn resume(&self) {
        self.permits.add_permits(10);
    }

    /// The number of pulls so far.
    pub fn pulls(&self) -> usize {
        self.pulls.lock().unwrap().len()
    }

    /// The leases that were given back, in order.
    pub fn returned(&self) -> Vec<LeaseNonce> {
        self.returned.lock().unwrap().clone()
    }

    /// Adds dead letters, which are damaged if not `readable`.
    pub fn add_dead_letters(&self, ids: impl IntoIterator<Item = MessageId>, readable: bool) {
        let letters = ids.into_iter().map(|id| (id, readable));
        self.letters.lock().unwrap().extend(letters);
    }

    /// The tags of the settings that were put, in order.
    pub fn tags(&self) -> Vec<SettingsTag> {
        self.tags.lock().unwrap().clone()
    }
}

#[async_trait]
impl ConsumerStore for FakeConsumerStore {
    async fn put(&self, _: &ConsumerKey, put: PutConsumer) -> Result<ConsumerPut, ConsumerError> {
        self.tags.lock().unwrap().push(put.tag);
        Err(ConsumerError::LimitReached)
    }

    async fn status(&self, _: &ConsumerKey) -> Result<ConsumerStatus, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn list(&self, _: &Topic, _: ConsumerKind) -> Result<Vec<ConsumerStatus>, StoreError> {
        Ok(Vec::new())
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
        _: Option<&Topic>,
        _: PageLimit,
    ) -> Result<Vec<Topic>, StoreError> {
        Ok(Vec::new())
    }

    async fn delete(&self, _: &ConsumerKey, _: &Precondition) -> Result<(), ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn pull(
        &self,
        key: &ConsumerKey,
        request: PullRequest,
    ) -> Result<PulledLeases, ConsumerError> {
        self.find(key)?;
        self.pulls.lock().unwrap().push(request.nonce);
        self.permits.acquire().await.unwrap().forget();
        if let Some(error) = self.errors.lock().unwrap().pop() {
            return Err(error);
        }
        let mut ready = self.ready.lock().unwrap();
        let Some(left) = ready.checked_sub(1) else {
            return Ok(PulledLeases::default());
        };
        *ready = left;
        let id = MessageId::new(Timestamp::from_millis(1), left);
        let leased = LeasedMessage {
            message: Arc::new(samples::message(&key.topic, "x").accepted(id)),
            attempt: Attempt::FIRST,
            expires_at: Timestamp::MAX,
        };
        Ok(PulledLeases {
            messages: vec![leased],
            unreadable: Vec::new(),
            more: left > 0,
            next_due: None,
        })
    }

    /// Leases with an even nonce are valid.
    async fn update_leases(
        &self,
        key: &ConsumerKey,
        leases: &[LeaseToken],
        _: LeaseUpdate,
    ) -> Result<LeasesUpdated, ConsumerError> {
        self.find(key)?;
        let valid = leases.iter().map(|token| token.nonce.to_bits() % 2 == 0);
        Ok(LeasesUpdated {
            valid: valid.collect(),
            expires_at: None,
        })
    }

    async fn give_back(&self, key: &ConsumerKey, nonce: LeaseNonce) -> Result<(), ConsumerError> {
        self.find(key)?;
        self.returned.lock().unwrap().push(nonce);
        let _permit = self.permits.acquire().await;
        self.errors.lock().unwrap().pop().map_or(Ok(()), Err)
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
        key: &ConsumerKey,
        request: DeadLetterRequest,
    ) -> Result<DeadLetterPage, ConsumerError> {
        self.find(key)?;
        let letters = self.letters.lock().unwrap();
        let start = request.after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut page = DeadLetterPage::default();
        for (id, readable) in letters.range((start, Bound::Unbounded)) {
            page.has_more = page.len() == request.limit.get();
            if page.has_more {
                break;
            }
            if *readable {
                page.letters.push(dead_letter(key, *id));
            } else {
                page.unreadable.push(*id);
            }
        }
        Ok(page)
    }

    async fn redrive(
        &self,
        key: &ConsumerKey,
        ids: &[MessageId],
    ) -> Result<Redriven, ConsumerError> {
        self.find(key)?;
        let mut letters = self.letters.lock().unwrap();
        let mut redriven = Redriven::default();
        for id in ids {
            if letters.remove(id).is_some() {
                redriven.redriven += 1;
            } else {
                redriven.unknown.push(*id);
            }
        }
        redriven.remaining = u64::try_from(letters.len()).unwrap();
        Ok(redriven)
    }

    async fn delete_dead_letter(
        &self,
        _: &ConsumerKey,
        _: MessageId,
    ) -> Result<bool, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn watch(&self, key: &ConsumerKey) -> Result<Box<dyn Subscription>, ConsumerError> {
        Ok(Box::new(self.notifier.subscribe(key)))
    }
}

fn dead_letter(key: &ConsumerKey, id: MessageId) -> DeadLetter {
    DeadLetter {
        message: Arc::new(samples::message(&key.topic, "x").accepted(id)),
        attempts: Attempt::FIRST,
        reason: None,
        died_at: id.timestamp(),
    }
}
