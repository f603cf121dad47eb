//! The `ConsumerStore` port on the file: every call is a step of the writer, in the order of the
//! calls, and shares its commit with the appends beside it.

use async_trait::async_trait;
use posthorn_application::{
    ConsumerDelivery, ConsumerError, ConsumerPut, ConsumerStatus, ConsumerStore, DeadLetterPage,
    DeadLetterRequest, LeaseUpdate, LeasesUpdated, PageLimit, Precondition, PullRequest,
    PulledLeases, PutConsumer, Redriven, StoreError, Subscription,
};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerPosition, LeaseNonce, LeaseToken, MessageId, Timestamp,
    Topic,
};

use crate::call_span::SqlCall;
use crate::consumer_call::{ClosureCall, ConsumerReply, Executed};
use crate::sql::consumers::{self, Call, keys, with_consumer};
use crate::sql::write_batch::WriteBatch;
use crate::store::EmbeddedStore;
use crate::writer::command::Command;

/// The calls on consumers, of several statements each.
const CONSUMERS: SqlCall = SqlCall::on("consumers");

impl EmbeddedStore {
    /// Executes `operation` on the writer; `key` names the consumer whose watchers it may wake.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        key: Option<&ConsumerKey>,
        operation: impl FnMut(&mut WriteBatch<'_>, Timestamp) -> rusqlite::Result<Executed<T>>
        + Send
        + 'static,
    ) -> Result<T, ConsumerError> {
        let key = key.cloned();
        self.execute(|reply| ClosureCall::new(key, operation, reply))
            .await
    }

    /// Executes the call that `call` makes of the channel of its reply.
    async fn execute<T, F>(
        &self,
        call: impl FnOnce(ConsumerReply<T>) -> ClosureCall<T, F>,
    ) -> Result<T, ConsumerError>
    where
        T: Send + 'static,
        F: FnMut(&mut WriteBatch<'_>, Timestamp) -> rusqlite::Result<Executed<T>> + Send + 'static,
    {
        self.write(CONSUMERS, |reply| Command::Consumer(Box::new(call(reply))))
            .await
    }

    /// As [`EmbeddedStore::call`], for an operation that only reads: it succeeds on a full disk, too.
    pub(crate) async fn inspect<T: Send + 'static>(
        &self,
        mut operation: impl FnMut(
            &mut WriteBatch<'_>,
            Timestamp,
        ) -> rusqlite::Result<Result<T, ConsumerError>>
        + Send
        + 'static,
    ) -> Result<T, ConsumerError> {
        let operation = move |batch: &mut WriteBatch<'_>, now| {
            Ok(operation(batch, now)?.map(|outcome| (outcome, false)))
        };
        self.execute(|reply| ClosureCall::new(None, operation, reply).reading())
            .await
    }

    /// As [`EmbeddedStore::inspect`], on the consumer `key`, which exists.
    pub(crate) async fn inspect_one<T: Send + 'static>(
        &self,
        key: &ConsumerKey,
        mut operation: impl FnMut(&mut Call<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ConsumerError> {
        let key = key.clone();
        self.inspect(move |batch, now| with_consumer(batch, &key, now, &mut operation))
            .await
    }

    /// What `read` returns for each consumer of `topic` of this kind, by name: all of one moment. If one of them is
    /// damaged, each is read on its own and the damaged one is left out.
    pub(crate) async fn inspect_kind<T: Send + 'static>(
        &self,
        topic: &Topic,
        kind: ConsumerKind,
        read: impl Fn(&mut Call<'_>) -> rusqlite::Result<T> + Clone + Send + 'static,
    ) -> Result<Vec<T>, StoreError> {
        let (owned, read_one) = (topic.clone(), read.clone());
        let all = self.inspect(move |batch, now| {
            let mut found = Vec::new();
            for key in keys(batch, &owned, kind)? {
                found.extend(with_consumer(batch, &key, now, &read_one)?);
            }
            Ok(Ok(found))
        });
        match all.await.map_err(ConsumerError::into_store_error) {
            Err(StoreError::Corrupt(_)) => {}
            outcome => return outcome,
        }
        let owned = topic.clone();
        let keys = self.inspect(move |batch, _| keys(batch, &owned, kind).map(Ok));
        let mut found = Vec::new();
        for key in keys.await.map_err(ConsumerError::into_store_error)? {
            match self.inspect_one(&key, read.clone()).await {
                Ok(one) => found.push(one),
                Err(ConsumerError::Store(error @ StoreError::Corrupt(_))) => {
                    let name = key.name.as_str();
                    self.damaged_consumers.report(topic, kind, name, &error);
                }
                Err(ConsumerError::Store(error)) => return Err(error),
                // Deleted meanwhile.
                Err(_) => {}
            }
        }
        Ok(found)
    }

    /// As [`EmbeddedStore::call`], and wakes the subscriptions to the set of webhooks.
    pub(crate) async fn call_changing_webhooks<T: Send + 'static>(
        &self,
        key: &ConsumerKey,
        operation: impl FnMut(&mut WriteBatch<'_>, Timestamp) -> rusqlite::Result<Executed<T>>
        + Send
        + 'static,
    ) -> Result<T, ConsumerError> {
        let key = Some(key.clone());
        self.execute(|reply| ClosureCall::new(key, operation, reply).changing_webhooks())
            .await
    }

    /// Executes `operation` on the consumer `key`, which exists.
    pub(crate) async fn call_on<T: Send + 'static>(
        &self,
        key: &ConsumerKey,
        mut operation: impl FnMut(&mut Call<'_>) -> rusqlite::Result<(T, bool)> + Send + 'static,
    ) -> Result<T, ConsumerError> {
        let owned = key.clone();
        self.call(Some(key), move |batch, now| {
            with_consumer(batch, &owned, now, &mut operation)
        })
        .await
    }

    /// As [`EmbeddedStore::call_on`], for an operation that a power cut may undo, without a sync of its own.
    pub(crate) async fn call_volatile_on<T: Send + 'static>(
        &self,
        key: &ConsumerKey,
        mut operation: impl FnMut(&mut Call<'_>) -> rusqlite::Result<(T, bool)> + Send + 'static,
    ) -> Result<T, ConsumerError> {
        let owned = key.clone();
        let run = move |batch: &mut WriteBatch<'_>, now| {
            with_consumer(batch, &owned, now, &mut operation)
        };
        self.execute(|reply| ClosureCall::new(Some(key.clone()), run, reply).volatile())
            .await
    }
}

#[async_trait]
impl ConsumerStore for EmbeddedStore {
    async fn put(&self, key: &ConsumerKey, put: PutConsumer) -> Result<ConsumerPut, ConsumerError> {
        let owned = key.clone();
        self.call(Some(key), move |batch, now| {
            let outcome = consumers::put(batch, &owned, &put, now)?;
            Ok(outcome.map(|put| (put, true)))
        })
        .await
    }

    async fn status(&self, key: &ConsumerKey) -> Result<ConsumerStatus, ConsumerError> {
        self.inspect_one(key, |call| call.status()).await
    }

    async fn list(
        &self,
        topic: &Topic,
        kind: ConsumerKind,
    ) -> Result<Vec<ConsumerStatus>, StoreError> {
        self.inspect_kind(topic, kind, |call| call.status()).await
    }

    async fn deliveries(
        &self,
        topic: &Topic,
        kind: ConsumerKind,
        id: MessageId,
    ) -> Result<Vec<ConsumerDelivery>, StoreError> {
        let found = self.inspect_kind(topic, kind, move |call| call.consumer_delivery(id));
        Ok(found.await?.into_iter().flatten().collect())
    }

    async fn topics_with_consumers(
        &self,
        after: Option<&Topic>,
        limit: PageLimit,
    ) -> Result<Vec<Topic>, StoreError> {
        let after = after.cloned();
        self.read(CONSUMERS, move |connection| {
            consumers::topics(connection, after.as_ref(), limit.get())
        })
        .await
    }

    async fn delete(
        &self,
        key: &ConsumerKey,
        precondition: &Precondition,
    ) -> Result<(), ConsumerError> {
        let (owned, precondition) = (key.clone(), precondition.clone());
        let delete = move |batch: &mut WriteBatch<'_>, now| {
            let outcome = consumers::delete(batch, &owned, &precondition, now)?;
            Ok(outcome.map(|()| ((), true)))
        };
        match key.kind {
            ConsumerKind::Consumer => self.call(Some(key), delete).await,
            ConsumerKind::Webhook => self.call_changing_webhooks(key, delete).await,
        }
    }

    async fn pull(
        &self,
        key: &ConsumerKey,
        request: PullRequest,
    ) -> Result<PulledLeases, ConsumerError> {
        self.call_volatile_on(key, move |call| Ok((call.pull(request)?, false)))
            .await
    }

    async fn update_leases(
        &self,
        key: &ConsumerKey,
        leases: &[LeaseToken],
        update: LeaseUpdate,
    ) -> Result<LeasesUpdated, ConsumerError> {
        let leases = leases.to_vec();
        self.call_on(key, move |call| {
            let was_at_limit = call.is_at_limit();
            let before = match update {
                LeaseUpdate::Extend(_) => call.next_change()?,
                LeaseUpdate::Ack | LeaseUpdate::Nack { .. } | LeaseUpdate::Release => None,
            };
            let updated = call.update_leases(&leases, &update)?;
            let wakes = match update {
                LeaseUpdate::Ack => was_at_limit,
                LeaseUpdate::Nack { .. } | LeaseUpdate::Release => true,
                // A shorter lease may end before the next change that waiting pulls know of.
                LeaseUpdate::Extend(_) => call.next_change()? < before,
            };
            Ok((updated, wakes))
        })
        .await
    }

    async fn give_back(&self, key: &ConsumerKey, nonce: LeaseNonce) -> Result<(), ConsumerError> {
        self.call_volatile_on(key, move |call| Ok((call.give_back(nonce)?, true)))
            .await
    }

    async fn seek(
        &self,
        key: &ConsumerKey,
        to: ConsumerPosition,
    ) -> Result<ConsumerStatus, ConsumerError> {
        let sought = self.call_on(key, move |call| {
            let outcome = call.seek(to)?;
            let status = call.status()?;
            Ok((outcome.map(|()| status), true))
        });
        sought.await?
    }

    async fn dead_letters(
        &self,
        key: &ConsumerKey,
        request: DeadLetterRequest,
    ) -> Result<DeadLetterPage, ConsumerError> {
        self.inspect_one(key, move |call| call.dead_letters(request))
            .await
    }

    async fn redrive(
        &self,
        key: &ConsumerKey,
        ids: &[MessageId],
    ) -> Result<Redriven, ConsumerError> {
        let ids = ids.to_vec();
        self.call_on(key, move |call| Ok((call.redrive(&ids)?, true)))
            .await
    }

    async fn delete_dead_letter(
        &self,
        key: &ConsumerKey,
        id: MessageId,
    ) -> Result<bool, ConsumerError> {
        self.call_on(key, move |call| Ok((call.delete_dead_letter(id)?, false)))
            .await
    }

    async fn watch(&self, key: &ConsumerKey) -> Result<Box<dyn Subscription>, ConsumerError> {
        let subscription = self.notifiers().consumers.subscribe(key);
        // Looked at after the subscription: a deletion and a close either wake it or are seen here.
        self.status(key).await?;
        Ok(Box::new(subscription))
    }
}
