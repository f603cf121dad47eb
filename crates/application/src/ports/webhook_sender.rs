//! The port that sends requests to the receivers of webhooks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use posthorn_domain::{
    FailureReason, ForbiddenAddress, Timestamp, TraceParent, WebhookPrivate, WebhookSettings,
};

/// Prepares webhooks for sending.
pub trait WebhookSender: Send + Sync {
    /// Parses the URL, the header fields and the keys of a webhook once, for all its requests.
    fn endpoint(
        &self,
        settings: &WebhookSettings,
        private: &WebhookPrivate,
    ) -> Arc<dyn WebhookEndpoint>;
}

/// Sends the requests of one webhook, as its settings and secrets were when it was prepared.
#[async_trait]
pub trait WebhookEndpoint: Send + Sync {
    /// POSTs `event`, signed as Standard Webhooks with every secret that signs at
    /// [`WebhookEvent::at`]. Returns the response's status, whatever it is.
    ///
    /// # Contract
    /// - It MUST return within the webhook's timeout, and MUST be safe to drop, which ends the
    ///   request.
    /// - It MUST NOT follow a redirect, and MUST read at most 4 KiB of the response's body.
    /// - It MUST connect only to addresses that the process's policy allows, checked on the address
    ///   that is connected to.
    ///
    /// # Errors
    /// Why there is no response.
    async fn send(&self, event: WebhookEvent) -> Result<WebhookReply, WebhookSendError>;
}

/// What one request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEvent {
    /// The value of `webhook-id`: the same for all attempts at a message.
    pub id: String,
    /// What happened.
    pub kind: WebhookEventKind,
    /// The URL or path of the topic, for `ce-source`.
    pub source: Arc<str>,
    /// The time of the request, for `webhook-timestamp`.
    pub at: Timestamp,
    /// The body, in JSON.
    pub body: Vec<u8>,
    /// The place of the message's sender in a trace, if the message has one.
    pub traceparent: Option<TraceParent>,
    /// The place of the request in a trace, if it is traced; otherwise the request carries the sender's.
    pub request_traceparent: Option<TraceParent>,
}

/// What a request announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookEventKind {
    /// A message was accepted.
    MessageAccepted,
    /// Nothing: an operator tests the webhook.
    Test,
}

/// The response of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookReply {
    /// The status code.
    pub status: u16,
    /// The valid `Retry-After` field (RFC 9110, 10.2.3).
    pub retry_after: Option<RetryAfter>,
}

/// When the receiver wants the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// After this wait.
    Delay(Duration),
    /// At this time.
    At(Timestamp),
}

/// Why there is no response. The texts hold no secret and no address that a name resolved to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookSendError {
    /// The receiver's address is forbidden, or all addresses that its name resolves to are. Nothing
    /// was sent.
    #[error("the receiver has {0}, which is forbidden")]
    Forbidden(ForbiddenAddress),
    /// The URL is not `https`, which this process requires. Nothing was sent.
    #[error("the URL is not https, which is required")]
    Insecure,
    /// The name of the receiver does not resolve.
    #[error("the receiver's name does not resolve")]
    Unresolved,
    /// No connection, with the reason.
    #[error("no connection: {0}")]
    Connect(String),
    /// No TLS session, with the reason, such as an invalid certificate.
    #[error("no TLS session: {0}")]
    Tls(String),
    /// The process has no connection left for it. Nothing was sent, and it is no fault of the receiver's.
    #[error("the server has no connection left: see its limit on open files")]
    Exhausted,
    /// The proxy of the process failed before it had a connection to the receiver, with the reason.
    #[error("the proxy failed: {0}")]
    Proxy(String),
    /// The time limit of the attempt passed.
    #[error("no response in time")]
    Timeout,
    /// The connection ended before the response.
    #[error("the connection ended before the response")]
    Closed,
    /// The response is not HTTP.
    #[error("the response is not valid HTTP")]
    Protocol,
    /// Anything else, with the reason.
    #[error("the request failed: {0}")]
    Failed(String),
}

impl WebhookReply {
    /// The status code of a receiver that wants no more requests.
    pub const GONE: u16 = 410;

    /// True for 2xx.
    pub const fn is_success(self) -> bool {
        matches!(self.status, 200..=299)
    }
}

impl RetryAfter {
    /// The wait at the time `now`; zero if the time has passed.
    pub fn wait(self, now: Timestamp) -> Duration {
        match self {
            Self::Delay(wait) => wait,
            Self::At(time) => {
                Duration::from_millis(time.as_millis().saturating_sub(now.as_millis()))
            }
        }
    }
}

impl WebhookSendError {
    /// The error as the failure of an attempt: cut to its limit, without control characters.
    pub fn reason(&self) -> Option<FailureReason> {
        let text = self.to_string();
        let printable = text.chars().filter(|character| !character.is_control());
        let cut: String = printable.take(FailureReason::MAX_LENGTH).collect();
        FailureReason::parse(&cut).ok()
    }
}
