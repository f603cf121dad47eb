//! The JSON of the state of a message at consumers and webhooks.

use posthorn_application::{ConsumerDelivery, DeliveryState};
use posthorn_domain::{Attempt, FailureReason, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::time::rfc3339;

/// The state of a message at the consumers of its topic.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageConsumersResponse {
    /// By name.
    pub(crate) consumers: Vec<DeliveryResponse>,
}

/// The state of a message at the webhooks of its topic.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageWebhooksResponse {
    /// By name.
    pub(crate) webhooks: Vec<DeliveryResponse>,
}

/// The state of a message at one consumer or webhook.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryResponse {
    /// The name of the consumer or webhook.
    name: String,
    state: DeliveryStateName,
    /// The attempt in flight, the next one of a waiting message, or the last one of a dead one; `null` if settled.
    attempt: Option<u16>,
    /// When the next attempt of a waiting message is due; `null` for a message that was never handed out.
    #[schema(format = "date-time")]
    due_at: Option<String>,
    /// The end of the lease, by the store's clock, if the message is in flight.
    #[schema(format = "date-time")]
    lease_expires_at: Option<String>,
    /// Why the last attempt failed, if the message waits or is dead.
    reason: Option<String>,
    /// When the message was given up, if it is dead.
    #[schema(format = "date-time")]
    died_at: Option<String>,
}

/// `waiting`: to be handed out; `in_flight`: under a lease; `dead`: given up; `settled`: acknowledged, skipped by the
/// start or a seek, or its dead letter was deleted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DeliveryStateName {
    Waiting,
    InFlight,
    Dead,
    Settled,
}

impl DeliveryResponse {
    fn new(name: String, state: DeliveryStateName, attempt: Option<Attempt>) -> Self {
        Self {
            name,
            state,
            attempt: attempt.map(Attempt::get),
            due_at: None,
            lease_expires_at: None,
            reason: None,
            died_at: None,
        }
    }
}

impl From<&ConsumerDelivery> for DeliveryResponse {
    fn from(delivery: &ConsumerDelivery) -> Self {
        let name = delivery.consumer.to_string();
        let text = |reason: &Option<FailureReason>| {
            reason.as_ref().map(|reason| reason.as_str().to_owned())
        };
        let time = |time: Timestamp| Some(rfc3339(time));
        match &delivery.state {
            DeliveryState::Waiting {
                attempt,
                due_at,
                reason,
            } => Self {
                due_at: due_at.and_then(time),
                reason: text(reason),
                ..Self::new(name, DeliveryStateName::Waiting, Some(*attempt))
            },
            DeliveryState::InFlight {
                attempt,
                expires_at,
            } => Self {
                lease_expires_at: time(*expires_at),
                ..Self::new(name, DeliveryStateName::InFlight, Some(*attempt))
            },
            DeliveryState::Dead {
                attempts,
                reason,
                died_at,
            } => Self {
                reason: text(reason),
                died_at: time(*died_at),
                ..Self::new(name, DeliveryStateName::Dead, Some(*attempts))
            },
            DeliveryState::Settled => Self::new(name, DeliveryStateName::Settled, None),
        }
    }
}
