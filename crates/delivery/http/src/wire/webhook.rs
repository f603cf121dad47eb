//! The wire forms of webhooks: what their calls take and return.

mod call;
mod payload;

use std::collections::BTreeMap;

use posthorn_application::{WebhookChanged, WebhookTested, WebhookView};
use posthorn_domain::{DisableReason, FailureReason, WebhookAttempt, WebhookState};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::seconds::{Seconds, waits};
use crate::wire::time::rfc3339;

pub(crate) use call::{ReplayBody, RotateBody, UrlRules, WebhookBody};
pub use payload::WebhookPayload;

/// Stands for the value of a header, which may be a credential.
const MASK: &str = "***";

/// A webhook: its settings and the state of its messages.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookResponse {
    /// The topic.
    topic: String,
    /// The name.
    name: String,
    /// Where the messages go.
    url: String,
    /// The waits before attempts 2, 3, …, in seconds: with n waits there are n + 1 attempts.
    #[schema(value_type = Vec<f64>)]
    schedule_seconds: Vec<Seconds>,
    /// How long an attempt may take, in seconds.
    #[schema(value_type = f64)]
    timeout_seconds: Seconds,
    /// The most attempts at once, over all processes.
    max_in_flight: u16,
    /// The most attempts in a second, in each process; `null` without a limit.
    #[schema(value_type = Option<f64>)]
    rate_per_second: Option<Seconds>,
    /// The form of the requests.
    #[schema(pattern = "^(standard|cloudevents)$")]
    format: &'static str,
    /// The headers of the requests; the values are masked.
    headers: BTreeMap<String, &'static str>,
    /// `active`; `failing` after a failed attempt, or if the secrets cannot be decrypted; `disabled`:
    /// nothing is sent until it is enabled.
    #[schema(pattern = "^(active|failing|disabled)$")]
    state: &'static str,
    /// Why it is failing or disabled.
    state_reason: Option<String>,
    /// Messages that wait to be sent, those that are not due yet included.
    waiting: u64,
    /// Messages that are being sent.
    in_flight: u64,
    /// Dead letters.
    dead: u64,
    /// Messages that retention removed before they were delivered.
    missed: u64,
    /// Dead letters that were removed because there were more than 10,000.
    dead_dropped: u64,
    /// When the oldest waiting message was accepted; `null` exactly when none waits.
    #[schema(format = "date-time")]
    oldest_waiting_at: Option<String>,
    /// When the last successful attempt was made.
    #[schema(format = "date-time")]
    last_success_at: Option<String>,
    /// When the last failed attempt was made.
    #[schema(format = "date-time")]
    last_failure_at: Option<String>,
    /// The secret that signs the requests. Only in the response that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: Option<String>,
}

/// The webhooks of a topic.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhooksResponse {
    /// By name.
    pub(crate) webhooks: Vec<WebhookResponse>,
}

/// The outcome of a test.
#[derive(Serialize, ToSchema)]
pub(crate) struct TestResponse {
    /// The status code of the receiver; `null` if there was no response.
    status: Option<u16>,
    /// How long the request took, in milliseconds.
    milliseconds: u32,
    /// Why there was no response.
    error: Option<String>,
}

/// The outcome of a replay.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReplayResponse {
    /// How many settled messages wait again.
    pub(crate) queued: u64,
}

/// The last attempts of a webhook.
#[derive(Serialize, ToSchema)]
pub(crate) struct AttemptsResponse {
    /// At most 100, the newest first.
    pub(crate) attempts: Vec<AttemptResponse>,
}

/// One attempt.
#[derive(Serialize, ToSchema)]
pub(crate) struct AttemptResponse {
    /// The message.
    #[schema(min_length = 26, max_length = 26)]
    message_id: String,
    /// Which attempt this was, from 1.
    attempt: u16,
    /// When the request was started.
    #[schema(format = "date-time")]
    at: String,
    /// The status code of the receiver; `null` if there was no response.
    status: Option<u16>,
    /// How long the request took, in milliseconds.
    milliseconds: u32,
    /// Why there was no response.
    error: Option<String>,
}

impl WebhookResponse {
    /// The webhook after a change, with the secret that the change made.
    pub(crate) fn with_secret(changed: &WebhookChanged) -> Self {
        let secret = changed.secret.as_ref();
        Self {
            secret: secret.map(|secret| secret.expose().to_string()),
            ..Self::from(&changed.webhook)
        }
    }
}

impl From<&WebhookView> for WebhookResponse {
    fn from(webhook: &WebhookView) -> Self {
        let (consumer, health) = (&webhook.status.consumer, &webhook.status.health);
        let (settings, counts) = (&webhook.status.record.settings, &consumer.counts);
        let names = webhook.header_names.iter();
        Self {
            topic: consumer.key.topic.to_string(),
            name: consumer.key.name.to_string(),
            url: settings.url.to_string(),
            schedule_seconds: waits(&settings.schedule),
            timeout_seconds: settings.timeout.as_millis().into(),
            max_in_flight: settings.max_in_flight.get(),
            rate_per_second: settings.rate.map(|rate| rate.as_thousandths().into()),
            format: settings.format.as_str(),
            headers: names.map(|name| (name.clone(), MASK)).collect(),
            state: state(webhook).as_str(),
            state_reason: state_reason(webhook),
            waiting: counts.waiting,
            in_flight: counts.in_flight,
            dead: counts.dead,
            missed: counts.missed,
            dead_dropped: counts.dead_dropped,
            oldest_waiting_at: consumer.oldest_waiting_at.map(rfc3339),
            last_success_at: health.last_success_at.map(rfc3339),
            last_failure_at: health.last_failure_at.map(rfc3339),
            secret: None,
        }
    }
}

impl From<WebhookTested> for TestResponse {
    fn from(tested: WebhookTested) -> Self {
        let (status, error) = match tested.result {
            Ok(reply) => (Some(reply.status), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Self {
            status,
            milliseconds: u32::try_from(tested.duration.as_millis()).unwrap_or(u32::MAX),
            error,
        }
    }
}

impl From<&WebhookAttempt> for AttemptResponse {
    fn from(attempt: &WebhookAttempt) -> Self {
        Self {
            message_id: attempt.message_id.to_string(),
            attempt: attempt.attempt.get(),
            at: rfc3339(attempt.at),
            status: attempt.status,
            milliseconds: attempt.milliseconds,
            error: attempt.error.as_ref().map(ToString::to_string),
        }
    }
}

/// The state: a webhook whose secrets cannot be decrypted delivers nothing.
fn state(webhook: &WebhookView) -> WebhookState {
    match webhook.status.health.state() {
        WebhookState::Active if webhook.unusable.is_some() => WebhookState::Failing,
        state => state,
    }
}

/// Why a webhook is failing or disabled; `None` if it is active.
fn state_reason(webhook: &WebhookView) -> Option<String> {
    let health = &webhook.status.health;
    match health.disabled {
        Some(DisableReason::Gone) => Some("the receiver responded with 410".to_owned()),
        Some(DisableReason::NoSuccess) => Some("no attempt succeeded for five days".to_owned()),
        None if webhook.unusable.is_some() => webhook.unusable.map(|error| error.to_string()),
        None if health.last_failed => health.last_error.as_ref().map(FailureReason::to_string),
        None => None,
    }
}
