//! The log line at the end of a stream.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use posthorn_application::{Clock, Grant};
use posthorn_domain::Topic;

use crate::request::context::{self, RequestContext};
use crate::request::grant;
use crate::state::message_frame::MessageFrame;

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamEndReason {
    /// The client disconnected, or did not read.
    Client,
    /// The server stops.
    Shutdown,
    /// The token expired or was revoked.
    Token,
}

/// What a stream has sent; dropping it logs the end of the stream.
pub(super) struct StreamLog {
    context: Rc<RequestContext>,
    grant: Grant,
    topic: Topic,
    clock: Arc<dyn Clock>,
    /// The monotonic time of the start.
    start: Duration,
    messages: u64,
    bytes: u64,
    end: StreamEndReason,
}

impl StreamLog {
    pub(super) fn start(request: &HttpRequest, topic: Topic, clock: Arc<dyn Clock>) -> Self {
        Self {
            context: context::of(request),
            grant: grant::of(request),
            topic,
            start: clock.monotonic(),
            clock,
            messages: 0,
            bytes: 0,
            end: StreamEndReason::Client,
        }
    }

    /// Counts a frame that is about to be sent.
    pub(super) fn count(&mut self, frame: &MessageFrame) {
        self.messages = self.messages.saturating_add(frame.count);
        self.bytes = self.bytes.saturating_add(frame.bytes.len() as u64);
    }

    /// Sets the reason of the end, which is the client otherwise.
    pub(super) fn end(&mut self, reason: StreamEndReason) {
        self.end = reason;
    }
}

impl Drop for StreamLog {
    fn drop(&mut self) {
        let context = &self.context;
        let (request_id, client) = (context.id.as_str(), &*context.client_text);
        let (trace_id, span_id) = (context.trace.id.as_str(), context.trace.span_id.as_str());
        let claims = self.grant.claims();
        let sub = claims.map(|claims| claims.subject.as_str());
        let jti = claims.map(|claims| claims.id.as_str());
        let duration = self.clock.monotonic().saturating_sub(self.start);
        let duration_s = (duration.as_secs_f64() * 1000.0).round() / 1000.0;
        let (topic, messages, bytes) = (self.topic.as_str(), self.messages, self.bytes);
        let reason = self.end.as_str();
        tracing::info!(
            request_id,
            trace_id,
            span_id,
            topic,
            client,
            bytes,
            sub,
            jti,
            duration_s,
            messages,
            reason,
            "stream ended"
        );
    }
}

impl StreamEndReason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Shutdown => "shutdown",
            Self::Token => "token",
        }
    }
}
