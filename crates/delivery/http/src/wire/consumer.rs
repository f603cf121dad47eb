//! The JSON bodies of the consumer routes.

mod call;

use std::collections::HashSet;

use posthorn_application::{ConsumerStatus, DeadLetter, LeasedDelivery, Redriven, Settled};
use posthorn_domain::{FailureReason, MessageId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::message::stored::{MessageResponse, message_response};
use crate::wire::seconds::{Seconds, waits};
use crate::wire::time::rfc3339;

pub(crate) use call::{
    ConsumerBody, ExtendBody, LeasesBody, NackBody, PullBody, RedriveBody, SeekBody,
};

/// A consumer: its settings and the state of its messages.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConsumerResponse {
    /// The topic.
    topic: String,
    /// The name.
    name: String,
    /// The length of a lease, in seconds.
    #[schema(value_type = f64)]
    lease_seconds: Seconds,
    /// The number of attempts after which a message is dead.
    max_attempts: u16,
    /// The delays before the next attempts, in seconds; the last one repeats.
    #[schema(value_type = Vec<f64>)]
    backoff_seconds: Vec<Seconds>,
    /// The most leases at once.
    max_in_flight: u16,
    /// Messages that wait for delivery, including those that are not due yet.
    waiting: u64,
    /// Messages under a lease.
    in_flight: u64,
    /// Dead letters.
    dead: u64,
    /// Messages that retention removed before they were settled.
    missed: u64,
    /// Dead letters that were removed because there were more than 10,000.
    dead_dropped: u64,
    /// When the oldest waiting message was accepted; `null` if none waits.
    #[schema(format = "date-time")]
    oldest_waiting_at: Option<String>,
    /// The time of the last pull.
    #[schema(format = "date-time")]
    last_pull_at: Option<String>,
}

/// The consumers of a topic.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConsumersResponse {
    /// By name.
    pub(crate) consumers: Vec<ConsumerResponse>,
}

/// The messages of a pull.
#[derive(Serialize, ToSchema)]
pub(crate) struct PullResponse<'a> {
    /// In the order of delivery; empty if nothing was due in time.
    pub(crate) messages: Vec<LeasedResponse<'a>>,
}

/// A message under a lease.
#[derive(Serialize, ToSchema)]
pub(crate) struct LeasedResponse<'a> {
    #[serde(flatten)]
    message: MessageResponse<'a>,
    /// The token that proves the lease, opaque.
    #[schema(max_length = 128)]
    lease: String,
    /// Which attempt this is, from 1.
    attempt: u16,
    /// The end of the lease, by the store's clock.
    #[schema(format = "date-time")]
    lease_expires_at: String,
}

/// The outcome of an acknowledgement, a rejection or an extension.
#[derive(Serialize, ToSchema)]
pub(crate) struct SettledResponse {
    /// How many leases were valid.
    settled: usize,
    /// The tokens without a valid lease, which changed nothing.
    stale: Vec<String>,
    /// For an extension of at least one valid lease: the new end of the valid leases, by the store's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    lease_expires_at: Option<String>,
}

/// A page of dead letters.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLettersResponse<'a> {
    /// In the order of ids.
    pub(crate) messages: Vec<DeadLetterResponse<'a>>,
    /// The ids of dead letters among them that are damaged and left out; absent if there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) unreadable: Vec<String>,
    /// The URL of the next page: absolute if `PUBLIC_URL` is set, otherwise a path; `null` on the last page.
    pub(crate) next: Option<String>,
}

/// A message that was given up.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLetterResponse<'a> {
    #[serde(flatten)]
    message: MessageResponse<'a>,
    /// The number of attempts.
    attempts: u16,
    /// Why the last attempt failed.
    reason: Option<&'a str>,
    /// When the message was given up.
    #[schema(format = "date-time")]
    died_at: String,
}

/// The outcome of a redrive.
#[derive(Serialize, ToSchema)]
pub(crate) struct RedriveResponse {
    /// How many dead letters wait again.
    redriven: u64,
    /// How many dead letters are left.
    remaining: u64,
    /// The ids that are not dead letters, as they were sent.
    unknown: Vec<String>,
}

impl From<&ConsumerStatus> for ConsumerResponse {
    fn from(status: &ConsumerStatus) -> Self {
        let (settings, counts) = (&status.settings, &status.counts);
        Self {
            topic: status.key.topic.to_string(),
            name: status.key.name.to_string(),
            lease_seconds: settings.lease.as_millis().into(),
            max_attempts: settings.max_attempts.get(),
            backoff_seconds: waits(&settings.backoff),
            max_in_flight: settings.max_in_flight.get(),
            waiting: counts.waiting,
            in_flight: counts.in_flight,
            dead: counts.dead,
            missed: counts.missed,
            dead_dropped: counts.dead_dropped,
            oldest_waiting_at: status.oldest_waiting_at.map(rfc3339),
            last_pull_at: status.last_pull_at.map(rfc3339),
        }
    }
}

impl<'a> From<&'a LeasedDelivery> for LeasedResponse<'a> {
    fn from(pulled: &'a LeasedDelivery) -> Self {
        Self {
            message: message_response(&pulled.message),
            lease: pulled.lease.to_string(),
            attempt: pulled.attempt.get(),
            lease_expires_at: rfc3339(pulled.expires_at),
        }
    }
}

impl From<Settled> for SettledResponse {
    fn from(settled: Settled) -> Self {
        Self {
            settled: settled.settled,
            stale: settled.stale,
            lease_expires_at: settled.expires_at.map(rfc3339),
        }
    }
}

impl<'a> From<&'a DeadLetter> for DeadLetterResponse<'a> {
    fn from(letter: &'a DeadLetter) -> Self {
        Self {
            message: message_response(&letter.message),
            attempts: letter.attempts.get(),
            reason: letter.reason.as_ref().map(FailureReason::as_str),
            died_at: rfc3339(letter.died_at),
        }
    }
}

impl RedriveResponse {
    /// The outcome of a call whose ids had the texts `sent`.
    pub(crate) fn new(redriven: &Redriven, mut sent: Vec<(MessageId, String)>) -> Self {
        let unknown: HashSet<_> = redriven.unknown.iter().collect();
        let mut seen = HashSet::new();
        sent.retain(|(id, text)| unknown.contains(id) && seen.insert(text.clone()));
        Self {
            redriven: redriven.redriven,
            remaining: redriven.remaining,
            unknown: sent.into_iter().map(|(_, text)| text).collect(),
        }
    }
}
