//! The `ConsumerStore` port: every call is one script, whose keys [`crate::keys`] documents.
//!
//! The calls go through the write pipeline of their node, behind the fence of their topic. So the
//! calls of this process take effect in their order.

pub(super) mod arguments;
mod count;
mod replies;
mod topics;
mod watch;
mod webhook_record;
mod webhooks;

use async_trait::async_trait;
use posthorn_application::{
    BulkDeletion, ByteBudget, ConsumerDelivery, ConsumerError, ConsumerPut, ConsumerStatus,
    ConsumerStore, DeadLetterPage, DeadLetterRequest, LeaseUpdate, LeasesUpdated,
    MAX_CONSUMERS_PER_TOPIC, PageLimit, Precondition, PullRequest, PulledLeases, PutConsumer,
    Redriven, StoreError, Subscription,
};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerPosition, LeaseDuration, LeaseNonce, LeaseToken, MessageId,
    Topic,
};
use redis::Value;

use super::RedisStore;
use super::record::padded_id;
use super::scripts::{self, PipelinedScript};
use super::write::command::{CallKind, ConsumerScriptCall, Write};
use crate::keys;

impl RedisStore {
    /// Calls `script` for one consumer. The reply begins behind the status.
    async fn call(
        &self,
        kind: CallKind,
        script: &'static PipelinedScript,
        key: &ConsumerKey,
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<Vec<Value>, ConsumerError> {
        replies::outcome(self.call_raw(kind, script, key, arguments).await?)
    }

    /// Calls `script` for one consumer and returns the whole reply.
    async fn call_raw(
        &self,
        kind: CallKind,
        script: &'static PipelinedScript,
        key: &ConsumerKey,
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<Value, StoreError> {
        let name = std::iter::once(keys::consumer_name(key));
        let call = ConsumerScriptCall {
            script,
            topic: key.topic.clone(),
            arguments: name.chain(arguments).collect(),
            kind,
        };
        self.bounded(self.send(call)).await
    }

    /// Calls `script`, which reads, for the consumers of one kind.
    async fn read_kind(
        &self,
        script: &'static PipelinedScript,
        topic: &Topic,
        kind: ConsumerKind,
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<Vec<Value>, StoreError> {
        let prefix = std::iter::once(format!("{}:", kind.as_str()));
        let call = ConsumerScriptCall {
            script,
            topic: topic.clone(),
            arguments: prefix.chain(arguments).collect(),
            kind: CallKind::Volatile,
        };
        let reply = replies::outcome(self.bounded(self.send(call)).await?);
        reply.map_err(ConsumerError::into_store_error)
    }

    /// Removes a message, and ends its waiting at the consumers; false if the topic did not hold it.
    pub(super) async fn delete_message(
        &self,
        topic: &Topic,
        id: MessageId,
    ) -> Result<bool, StoreError> {
        let reply = self.delete_by(&scripts::DELETE, topic, vec![padded_id(id)]);
        replies::flag(reply.await?)
    }

    /// Removes the oldest messages before an id, at most `limit`, and ends their waiting at the consumers.
    pub(super) async fn delete_messages(
        &self,
        topic: &Topic,
        before: MessageId,
        limit: usize,
    ) -> Result<BulkDeletion, StoreError> {
        let arguments = vec![padded_id(before), limit.to_string()];
        let reply = self.delete_by(&scripts::DELETE_BEFORE, topic, arguments);
        replies::bulk_deletion(reply.await?)
    }

    /// Calls a script that deletes messages. The reply begins behind the status.
    async fn delete_by(
        &self,
        script: &'static PipelinedScript,
        topic: &Topic,
        arguments: Vec<String>,
    ) -> Result<Vec<Value>, StoreError> {
        let call = ConsumerScriptCall {
            script,
            topic: topic.clone(),
            arguments,
            kind: CallKind::Durable,
        };
        let reply = replies::outcome(self.bounded(self.send(call)).await?);
        reply.map_err(ConsumerError::into_store_error)
    }

    /// Calls the script of a put, and indexes the topic around a creation. `parse` returns true and
    /// the outcome if the consumer was created.
    async fn put_indexed<T>(
        &self,
        key: &ConsumerKey,
        put: &PutConsumer,
        arguments: Vec<String>,
        parse: impl FnOnce(Vec<Value>) -> Result<(bool, T), StoreError>,
    ) -> Result<T, ConsumerError> {
        // Before and after the creation, as an append indexes its topic: the index must never lack a
        // topic with a consumer. The topic is indexed too, so that pruning deletes its empty stream.
        self.shared.check_last()?;
        if !self.bounded(self.admit_consumers(&key.topic)).await? {
            // The index has every topic with a consumer, so this consumer does not exist.
            return Err(if put.precondition.holds(None) {
                ConsumerError::TooManyTopics
            } else {
                ConsumerError::PreconditionFailed
            });
        }
        let reply = self.call_counting(CallKind::Create, &scripts::PUT, key, arguments);
        let (created, outcome) = parse(reply.await?)?;
        if created {
            self.bounded(self.index_consumers(&key.topic)).await?;
        }
        Ok(outcome)
    }

    async fn send(&self, call: ConsumerScriptCall) -> Result<Value, StoreError> {
        let slot = keys::topic_slot(&call.topic);
        let written = self
            .writers
            .write(slot, Write::Consumer(Box::new(call)))
            .await;
        Ok(written.map_err(StoreError::from)?.reply)
    }
}

#[async_trait]
impl ConsumerStore for RedisStore {
    async fn put(&self, key: &ConsumerKey, put: PutConsumer) -> Result<ConsumerPut, ConsumerError> {
        let arguments = arguments::put(&put, MAX_CONSUMERS_PER_TOPIC);
        let created = self.put_indexed(key, &put, arguments, |reply| {
            let put = replies::put(key, reply)?;
            Ok((put.created, put))
        });
        created.await
    }

    async fn status(&self, key: &ConsumerKey) -> Result<ConsumerStatus, ConsumerError> {
        let reply = self
            .call(CallKind::Volatile, &scripts::STATUS, key, [])
            .await?;
        Ok(replies::one_status(key, reply)?)
    }

    async fn list(
        &self,
        topic: &Topic,
        kind: ConsumerKind,
    ) -> Result<Vec<ConsumerStatus>, StoreError> {
        let reply = self.read_kind(&scripts::LIST, topic, kind, []).await?;
        replies::list(topic, kind, (reply, &self.damaged_consumers))
    }

    async fn deliveries(
        &self,
        topic: &Topic,
        kind: ConsumerKind,
        id: MessageId,
    ) -> Result<Vec<ConsumerDelivery>, StoreError> {
        let arguments = [padded_id(id)];
        let script = &scripts::DELIVERIES;
        let reply = self.read_kind(script, topic, kind, arguments).await?;
        replies::deliveries(topic, kind, (reply, &self.damaged_consumers))
    }

    async fn topics_with_consumers(
        &self,
        after: Option<&Topic>,
        limit: PageLimit,
    ) -> Result<Vec<Topic>, StoreError> {
        self.bounded(self.consumed_topics(after, limit.get())).await
    }

    async fn delete(
        &self,
        key: &ConsumerKey,
        precondition: &Precondition,
    ) -> Result<(), ConsumerError> {
        let arguments = arguments::precondition(precondition);
        self.call(CallKind::Durable, &scripts::REMOVE, key, arguments)
            .await
            .map(drop)
    }

    async fn pull(
        &self,
        key: &ConsumerKey,
        request: PullRequest,
    ) -> Result<PulledLeases, ConsumerError> {
        let mut unreadable = Vec::new();
        loop {
            let arguments = arguments::pull(request);
            let reply = self
                .call(CallKind::Volatile, &scripts::PULL, key, arguments)
                .await?;
            let (mut pulled, damaged) = replies::pull(key, request.nonce, reply)?;
            if !damaged.is_empty() {
                let arguments = arguments::update(&damaged, "miss", None, None);
                self.call(CallKind::Durable, &scripts::UPDATE, key, arguments)
                    .await?;
            }
            unreadable.append(&mut pulled.unreadable);
            // What is damaged keeps no other back. Each turn settles some of it.
            if damaged.is_empty() || !pulled.messages.is_empty() || !pulled.more {
                return Ok(PulledLeases {
                    unreadable,
                    ..pulled
                });
            }
        }
    }

    async fn update_leases(
        &self,
        key: &ConsumerKey,
        leases: &[LeaseToken],
        update: LeaseUpdate,
    ) -> Result<LeasesUpdated, ConsumerError> {
        let arguments = match &update {
            LeaseUpdate::Ack => arguments::update(leases, "ack", None, None),
            LeaseUpdate::Nack { delay, reason } => {
                arguments::update(leases, "nack", *delay, reason.as_ref())
            }
            LeaseUpdate::Extend(lease) => {
                let lease = lease.map(LeaseDuration::get);
                arguments::update(leases, "extend", lease, None)
            }
            LeaseUpdate::Release => arguments::update(leases, "release", None, None),
        };
        let kind = match update {
            // A release that a crash loses is an expiry.
            LeaseUpdate::Release => CallKind::Volatile,
            LeaseUpdate::Ack | LeaseUpdate::Nack { .. } | LeaseUpdate::Extend(_) => {
                CallKind::Durable
            }
        };
        let reply = self.call(kind, &scripts::UPDATE, key, arguments).await?;
        Ok(replies::update(&update, reply)?)
    }

    async fn give_back(&self, key: &ConsumerKey, nonce: LeaseNonce) -> Result<(), ConsumerError> {
        let arguments = [arguments::nonce(nonce)];
        self.call(CallKind::Volatile, &scripts::GIVE_BACK, key, arguments)
            .await
            .map(drop)
    }

    async fn seek(
        &self,
        key: &ConsumerKey,
        to: ConsumerPosition,
    ) -> Result<ConsumerStatus, ConsumerError> {
        let arguments = arguments::position(to);
        let reply = self
            .call_counting(CallKind::Durable, &scripts::SEEK, key, arguments)
            .await?;
        Ok(replies::one_status(key, reply)?)
    }

    async fn dead_letters(
        &self,
        key: &ConsumerKey,
        request: DeadLetterRequest,
    ) -> Result<DeadLetterPage, ConsumerError> {
        let limit = request.limit.get();
        let after = request.after.map(padded_id).unwrap_or_default();
        // One more than the limit shows whether there are more.
        let most = [limit + 1, ByteBudget::MAX].map(|most| most.to_string());
        let arguments = std::iter::once(after).chain(most);
        let reply = self
            .call(CallKind::Volatile, &scripts::DEAD, key, arguments)
            .await?;
        Ok(replies::dead_letters(key, limit, reply)?)
    }

    async fn redrive(
        &self,
        key: &ConsumerKey,
        ids: &[MessageId],
    ) -> Result<Redriven, ConsumerError> {
        let arguments = arguments::redrive(ids);
        let reply = self
            .call(CallKind::Durable, &scripts::REDRIVE, key, arguments)
            .await?;
        Ok(replies::redriven(ids, reply)?)
    }

    async fn delete_dead_letter(
        &self,
        key: &ConsumerKey,
        id: MessageId,
    ) -> Result<bool, ConsumerError> {
        let arguments = [padded_id(id)];
        let reply = self
            .call(CallKind::Durable, &scripts::DELETE_DEAD, key, arguments)
            .await?;
        Ok(replies::flag(reply)?)
    }

    async fn watch(&self, key: &ConsumerKey) -> Result<Box<dyn Subscription>, ConsumerError> {
        self.bounded(self.watch_consumer(key)).await
    }
}
