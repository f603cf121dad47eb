//! The trail of what cannot be undone: one log event, of the target `audit`, for each deed.

use std::rc::Rc;

use actix_web::HttpRequest;
use posthorn_application::Grant;

use crate::request::context::{self, RequestContext};
use crate::request::grant;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    DeleteMessage,
    RevokeToken,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// There was nothing to do it to.
    Absent,
    /// It failed, or the client went away: it may have been done or not.
    Unknown,
}

/// A deed under way; its event is written when this is dropped, whatever became of it.
pub(crate) struct Entry {
    context: Rc<RequestContext>,
    grant: Grant,
    deed: Deed,
    /// What it was done to.
    object: String,
    outcome: Outcome,
}

impl Entry {
    /// The request is about to do `deed` to `object`.
    pub(crate) fn begin(request: &HttpRequest, deed: Deed, object: String) -> Self {
        Self {
            context: context::of(request),
            grant: grant::of(request),
            deed,
            object,
            outcome: Outcome::Unknown,
        }
    }

    /// It has ended.
    pub(crate) fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let claims = self.grant.claims();
        // Who showed no token is known by the address alone.
        let subject = claims.map_or("anonymous", |claims| claims.subject.as_str());
        let token = claims.map_or("", |claims| claims.id.as_str());
        let (request_id, client) = (self.context.id.as_str(), &*self.context.client_text);
        let (deed, object, outcome) = (self.deed.as_str(), &self.object, self.outcome.as_str());
        tracing::info!(
            target: "audit",
            request_id, client, subject, token, deed, object, outcome, "audit"
        );
    }
}

impl Deed {
    const fn as_str(self) -> &'static str {
        match self {
            Self::DeleteMessage => "delete-message",
            Self::RevokeToken => "revoke-token",
        }
    }
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        }
    }
}
