//! Consumers so simple that they are plainly right: no cursor but a state for each message, and no
//! counters, because every number is the length of a list.

use std::collections::BTreeMap;
use std::time::Duration;

use posthorn_application::{
    ConsumerCounts, LeaseUpdate, LeasesUpdated, PullRequest, Redriven, RequeueRequest,
};
use posthorn_domain::{
    Attempt, ConsumerSettings, FailureReason, LeaseNonce, LeaseToken, MessageId, Timestamp,
};

/// A topic: the ids that it holds.
#[derive(Debug, Default)]
pub(super) struct HeldMessages {
    pub(super) held: Vec<MessageId>,
}

/// A consumer: what became of each message. A message without a state is settled, or was skipped.
#[derive(Debug)]
pub(super) struct ConsumerModel {
    pub(super) settings: ConsumerSettings,
    pub(super) messages: BTreeMap<MessageId, MessageState>,
    pub(super) dead: BTreeMap<MessageId, Death>,
    pub(super) missed: u64,
    pub(super) last_pull_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum MessageState {
    New,
    Waiting(Wait),
    Leased(ModelLease),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wait {
    pub(super) attempt: Attempt,
    pub(super) due: Timestamp,
    pub(super) reason: Option<FailureReason>,
    pub(super) copy: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ModelLease {
    pub(super) attempt: Attempt,
    pub(super) nonce: LeaseNonce,
    pub(super) expires_at: Timestamp,
    pub(super) reason: Option<FailureReason>,
    pub(super) copy: bool,
    pub(super) removed: Option<ModelRemoval>,
    /// The state that the message has again if the grant is lost.
    pub(super) before: Box<MessageState>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ModelRemoval {
    Deleted,
    Pruned,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Death {
    pub(super) attempts: Attempt,
    pub(super) reason: Option<FailureReason>,
    pub(super) died_at: Timestamp,
}

impl ConsumerModel {
    pub(super) fn new(
        settings: ConsumerSettings,
        topic: &HeldMessages,
        position: MessageId,
    ) -> Self {
        Self {
            settings,
            messages: new_after(topic, position),
            dead: BTreeMap::new(),
            missed: 0,
            last_pull_at: None,
        }
    }

    pub(super) fn counts(&self) -> ConsumerCounts {
        let leased = self.leases().count();
        let number = |count: usize| u64::try_from(count).unwrap();
        ConsumerCounts {
            waiting: number(self.messages.len() - leased),
            in_flight: number(leased),
            dead: number(self.dead.len()),
            missed: self.missed,
            dead_dropped: 0,
        }
    }

    pub(super) fn oldest_waiting_at(&self) -> Option<Timestamp> {
        let mut waiting = self.messages.iter();
        let waiting = waiting.find(|(_, place)| !matches!(place, MessageState::Leased(_)));
        waiting.map(|(id, _)| id.timestamp())
    }

    pub(super) fn leases(&self) -> impl Iterator<Item = (MessageId, &ModelLease)> {
        self.messages.iter().filter_map(|(id, place)| match place {
            MessageState::Leased(lease) => Some((*id, lease)),
            _ => None,
        })
    }

    /// The due messages, by due time and then by id, and after them the new ones.
    pub(super) fn ready(&self, now: Timestamp) -> Vec<MessageId> {
        let mut ready: Vec<_> = self
            .messages
            .iter()
            .filter_map(|(id, place)| match place {
                MessageState::New => Some((Timestamp::MAX, *id)),
                MessageState::Waiting(wait) if wait.due <= now => Some((wait.due, *id)),
                _ => None,
            })
            .collect();
        ready.sort_unstable();
        ready.into_iter().map(|(_, id)| id).collect()
    }

    pub(super) fn next_due(&self, now: Timestamp) -> Option<Duration> {
        let times = self.messages.values().filter_map(|place| match place {
            MessageState::New => None,
            MessageState::Waiting(wait) => Some(wait.due),
            MessageState::Leased(lease) => Some(lease.expires_at),
        });
        let next = times.filter(|time| *time > now).min()?;
        Some(Duration::from_millis(next.as_millis() - now.as_millis()))
    }

    pub(super) fn capacity(&self) -> usize {
        let limit = usize::from(self.settings.max_in_flight.get());
        limit.saturating_sub(self.leases().count())
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        let expired = self.leases().filter(|(_, lease)| lease.expires_at <= now);
        let expired: Vec<_> = expired.map(|(id, lease)| (id, lease.expires_at)).collect();
        for (id, end) in expired {
            let reason = Some(FailureReason::lease_expired());
            self.fail(id, end, None, reason);
        }
    }

    pub(super) fn pull(
        &mut self,
        request: &PullRequest,
        now: Timestamp,
    ) -> Vec<(MessageId, Attempt)> {
        self.last_pull_at = Some(now);
        let limit = request.limit.get().min(self.capacity());
        let expires_at = now.saturating_add(request.lease.unwrap_or(self.settings.lease).get());
        let ready = self.ready(now).into_iter().take(limit);
        let mut pulled = Vec::new();
        for id in ready {
            let before = self.messages[&id].clone();
            let (attempt, reason, copy) = match &before {
                MessageState::Waiting(wait) => (wait.attempt, wait.reason.clone(), wait.copy),
                _ => (Attempt::FIRST, None, false),
            };
            let lease = ModelLease {
                attempt,
                nonce: request.nonce,
                expires_at,
                reason,
                copy,
                removed: None,
                before: Box::new(before),
            };
            self.messages.insert(id, MessageState::Leased(lease));
            pulled.push((id, attempt));
        }
        pulled
    }

    pub(super) fn update(
        &mut self,
        tokens: &[LeaseToken],
        update: &LeaseUpdate,
        now: Timestamp,
    ) -> LeasesUpdated {
        let extended = match update {
            LeaseUpdate::Extend(lease) => {
                Some(now.saturating_add(lease.unwrap_or(self.settings.lease).get()))
            }
            _ => None,
        };
        let mut valid = Vec::new();
        for token in tokens {
            let lease = match self.messages.get_mut(&token.id) {
                Some(MessageState::Leased(lease))
                    if lease.attempt == token.attempt && lease.nonce == token.nonce =>
                {
                    lease
                }
                _ => {
                    valid.push(false);
                    continue;
                }
            };
            valid.push(true);
            match update {
                LeaseUpdate::Ack => drop(self.messages.remove(&token.id)),
                LeaseUpdate::Nack { delay, reason } => {
                    self.fail(token.id, now, *delay, reason.clone());
                }
                LeaseUpdate::Extend(_) => lease.expires_at = extended.unwrap(),
                LeaseUpdate::Release => self.release(token.id, now),
            }
        }
        LeasesUpdated {
            valid,
            expires_at: extended,
        }
    }

    pub(super) fn give_back(&mut self, nonce: LeaseNonce, now: Timestamp) {
        let under = self.leases().filter(|(_, lease)| lease.nonce == nonce);
        for id in under.map(|(id, _)| id).collect::<Vec<_>>() {
            self.release(id, now);
        }
    }

    /// Ends a lease as if it had not been granted.
    fn release(&mut self, id: MessageId, now: Timestamp) {
        if let Some(lease) = self.end(id) {
            let wait = Wait {
                attempt: lease.attempt,
                due: now,
                reason: lease.reason,
                copy: lease.copy,
            };
            self.messages.insert(id, MessageState::Waiting(wait));
        }
    }

    /// Of the messages that the topic holds in the range, those without a state and without a dead
    /// letter wait again. New messages end the range: every later message is new too. Returns how many wait again, and the
    /// first one not examined.
    pub(super) fn requeue(
        &mut self,
        topic: &HeldMessages,
        request: RequeueRequest,
        now: Timestamp,
    ) -> (u64, Option<MessageId>) {
        let is_new = |id: &MessageId| matches!(self.messages.get(id), Some(MessageState::New));
        let held = topic.held.iter().copied();
        let held = held.filter(|id| (request.from..=request.to).contains(id) && !is_new(id));
        let mut held = held.collect::<Vec<_>>().into_iter();
        let mut queued = 0;
        for id in held.by_ref().take(request.limit.get()) {
            if !self.messages.contains_key(&id) && !self.dead.contains_key(&id) {
                let copy = false;
                let wait = Wait {
                    copy,
                    ..redriven(now)
                };
                self.messages.insert(id, MessageState::Waiting(wait));
                queued += 1;
            }
        }
        (queued, held.next())
    }

    pub(super) fn seek(&mut self, topic: &HeldMessages, position: MessageId, now: Timestamp) {
        let mut messages = new_after(topic, position);
        for (id, place) in std::mem::take(&mut self.messages) {
            let (copy, removed) = match place {
                MessageState::New => (false, None),
                MessageState::Waiting(wait) => (wait.copy, None),
                MessageState::Leased(lease) => (lease.copy, lease.removed),
            };
            if id <= position {
                continue;
            }
            match removed {
                Some(ModelRemoval::Pruned) => self.missed += 1,
                None if copy && !topic.held.contains(&id) => {
                    messages.insert(id, MessageState::Waiting(redriven(now)));
                }
                Some(ModelRemoval::Deleted) | None => {}
            }
        }
        self.messages = messages;
    }

    pub(super) fn dead_ids(&self) -> Vec<MessageId> {
        self.dead.keys().copied().collect()
    }

    pub(super) fn redrive(&mut self, ids: &[MessageId], now: Timestamp) -> Redriven {
        let mut outcome = Redriven::default();
        for &id in ids {
            if self.dead.remove(&id).is_none() {
                outcome.unknown.push(id);
                continue;
            }
            outcome.redriven += 1;
            let wait = MessageState::Waiting(redriven(now));
            self.messages.entry(id).or_insert(wait);
        }
        outcome.remaining = u64::try_from(self.dead.len()).unwrap();
        outcome
    }

    /// The message `id`, which the topic held, is removed.
    pub(super) fn removed(&mut self, id: MessageId, removal: ModelRemoval) {
        let Some(place) = self.messages.get_mut(&id) else {
            return;
        };
        let copy = match place {
            MessageState::New => false,
            MessageState::Waiting(wait) => wait.copy,
            MessageState::Leased(lease) => lease.copy,
        };
        if removal == ModelRemoval::Pruned && copy {
            return;
        }
        if let MessageState::Leased(lease) = place {
            lease.removed = Some(removal);
            return;
        }
        self.messages.remove(&id);
        self.missed += u64::from(removal == ModelRemoval::Pruned);
    }

    pub(super) fn fail(
        &mut self,
        id: MessageId,
        at: Timestamp,
        delay: Option<Duration>,
        reason: Option<FailureReason>,
    ) {
        let Some(lease) = self.end(id) else {
            return;
        };
        let attempts = lease.attempt;
        if attempts >= self.settings.max_attempts {
            let death = Death {
                attempts,
                reason,
                died_at: at,
            };
            self.dead.insert(id, death);
            return;
        }
        let delay = delay.unwrap_or(self.settings.backoff.delay_after(attempts));
        let wait = Wait {
            attempt: attempts.next(),
            due: at.saturating_add(delay),
            reason,
            copy: lease.copy,
        };
        self.messages.insert(id, MessageState::Waiting(wait));
    }

    /// Takes out a lease that ends without an acknowledgement; `None` if its message was removed.
    pub(super) fn end(&mut self, id: MessageId) -> Option<ModelLease> {
        let Some(MessageState::Leased(lease)) = self.messages.remove(&id) else {
            panic!("{id} is not leased");
        };
        match lease.removed {
            Some(ModelRemoval::Pruned) => self.missed += 1,
            Some(ModelRemoval::Deleted) => {}
            None => return Some(lease),
        }
        None
    }

    /// Takes the grant of the message `id` back, as a crash of the store may.
    pub(super) fn lose_grant(&mut self, id: MessageId) {
        let Some(MessageState::Leased(lease)) = self.messages.remove(&id) else {
            panic!("{id} is not leased");
        };
        match lease.removed {
            Some(ModelRemoval::Pruned) => self.missed += 1,
            Some(ModelRemoval::Deleted) => {}
            None => drop(self.messages.insert(id, *lease.before)),
        }
    }
}

fn redriven(now: Timestamp) -> Wait {
    Wait {
        attempt: Attempt::FIRST,
        due: now,
        reason: None,
        copy: true,
    }
}

fn new_after(topic: &HeldMessages, position: MessageId) -> BTreeMap<MessageId, MessageState> {
    let held = topic.held.iter().filter(|id| **id > position);
    held.map(|id| (*id, MessageState::New)).collect()
}
