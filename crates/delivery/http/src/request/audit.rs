//! The audit log: one event of the target `audit` for each action that cannot be undone, and for each
//! that makes the server send messages elsewhere.

use std::rc::Rc;

use actix_web::HttpRequest;
use posthorn_application::{ConsumerError, Grant, WebhookError};

use crate::request::context::{self, RequestContext};
use crate::request::grant;
use crate::request::method_label::method_label;

/// An audited action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuditAction {
    DeleteMessage,
    DeleteMessages,
    DeleteConsumer,
    SeekConsumer,
    RedriveDeadLetters,
    DeleteDeadLetter,
    PutWebhook,
    DeleteWebhook,
    RotateWebhookSecret,
    EnableWebhook,
    TestWebhook,
    ReplayWebhook,
    RevokeToken,
}

/// The outcome of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuditOutcome {
    Done,
    /// The object does not exist.
    Absent,
    /// A rule or a precondition refuses the action: nothing was done.
    Refused,
    /// The action failed, or the client disconnected: it may have been done or not.
    Unknown,
}

/// An action in progress; dropping it logs the event.
pub(crate) struct AuditEvent {
    context: Rc<RequestContext>,
    grant: Grant,
    method: &'static str,
    action: AuditAction,
    object: String,
    outcome: AuditOutcome,
    /// The number of objects, of an action on many.
    count: Option<usize>,
}

impl AuditEvent {
    /// Starts the event of `action` on `object`.
    pub(crate) fn start(request: &HttpRequest, action: AuditAction, object: String) -> Self {
        Self {
            context: context::of(request),
            grant: grant::of(request),
            method: method_label(request.method()),
            action,
            object,
            outcome: AuditOutcome::Unknown,
            count: None,
        }
    }

    /// Ends the action with `outcome`.
    pub(crate) fn finish(mut self, outcome: AuditOutcome) {
        self.outcome = outcome;
    }

    /// Ends an action that was done on `count` objects.
    pub(crate) fn finish_many(mut self, count: usize) {
        self.count = Some(count);
        self.finish(AuditOutcome::Done);
    }
}

impl Drop for AuditEvent {
    fn drop(&mut self) {
        let claims = self.grant.claims();
        // Without a token only the address identifies the client.
        let sub = claims.map(|claims| claims.subject.as_str());
        let jti = claims.map(|claims| claims.id.as_str());
        let (request_id, client) = (self.context.id.as_str(), &*self.context.client_text);
        let trace = &self.context.trace;
        // In the order of the request line, with what the fields of its span would add at the end.
        let (trace_id, span_id, method) = (trace.id.as_str(), trace.span_id.as_str(), self.method);
        let (action, object, outcome) = (self.action.as_str(), &self.object, self.outcome.as_str());
        tracing::info!(
            target: "audit",
            request_id, trace_id, span_id, method, client, sub, jti, action, object, outcome,
            count = self.count, "audit"
        );
    }
}

impl AuditAction {
    const fn as_str(self) -> &'static str {
        match self {
            Self::DeleteMessage => "delete-message",
            Self::DeleteMessages => "delete-messages",
            Self::DeleteConsumer => "delete-consumer",
            Self::SeekConsumer => "seek-consumer",
            Self::RedriveDeadLetters => "redrive-dead-letters",
            Self::DeleteDeadLetter => "delete-dead-letter",
            Self::PutWebhook => "put-webhook",
            Self::DeleteWebhook => "delete-webhook",
            Self::RotateWebhookSecret => "rotate-webhook-secret",
            Self::EnableWebhook => "enable-webhook",
            Self::TestWebhook => "test-webhook",
            Self::ReplayWebhook => "replay-webhook",
            Self::RevokeToken => "revoke-token",
        }
    }
}

impl AuditOutcome {
    /// The outcome of a call of a use case.
    pub(crate) fn of<T, E>(result: &Result<T, E>) -> Self
    where
        for<'e> Self: From<&'e E>,
    {
        result.as_ref().map_or_else(Self::from, |_| Self::Done)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Absent => "absent",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

impl From<&ConsumerError> for AuditOutcome {
    fn from(error: &ConsumerError) -> Self {
        match error {
            ConsumerError::Store(_) => Self::Unknown,
            ConsumerError::NotFound => Self::Absent,
            _ => Self::Refused,
        }
    }
}

impl From<&WebhookError> for AuditOutcome {
    fn from(error: &WebhookError) -> Self {
        match error {
            WebhookError::Consumer(error) => error.into(),
            _ => Self::Refused,
        }
    }
}
