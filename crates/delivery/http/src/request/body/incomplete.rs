//! A request that waits for its body. It is not in flight meanwhile, so that slow clients do not use up
//! the limit on requests in flight; the memory of incomplete bodies has a limit of its own.

use std::rc::Rc;

use actix_web::{HttpRequest, web};

use crate::request::context::{self, RequestContext};
use crate::state::AppState;
use crate::state::concurrency_limit::Permit;
use crate::state::metrics::Shed;
use crate::wire::problem::{ApiError, Code};

/// A body that has not arrived completely.
pub(super) struct IncompleteBody {
    state: web::Data<AppState>,
    context: Rc<RequestContext>,
    /// True if the request was in flight: it needs its permit again.
    had_permit: bool,
    bytes: Permit,
}

impl IncompleteBody {
    /// Releases the request's permit; `count` bytes of the body have arrived.
    pub(super) fn start(request: &HttpRequest, count: usize) -> Result<Self, ApiError> {
        let Some(state) = request.app_data::<web::Data<AppState>>() else {
            let cause = "the request has no server state";
            return Err(ApiError::caused_by(Code::Internal, cause));
        };
        let context = context::of(request);
        let had_permit = context.permit.take().is_some();
        let mut body = Self {
            state: state.clone(),
            context,
            had_permit,
            bytes: state.incomplete_body_bytes.empty(),
        };
        body.grow(count)?;
        Ok(body)
    }

    /// Adds `count` bytes. All incomplete bodies together take no more memory than the bodies of requests in flight may,
    /// or than one batch.
    pub(super) fn grow(&mut self, count: usize) -> Result<(), ApiError> {
        if self
            .bytes
            .grow(count, self.state.settings.max_bodies_bytes())
        {
            Ok(())
        } else {
            Err(self.shed("the memory of incomplete bodies"))
        }
    }

    /// Acquires the request's permit again, now that the body is complete.
    pub(super) fn complete(self) -> Result<(), ApiError> {
        if self.had_permit {
            let max = self.state.settings.max_in_flight;
            let permit = self.state.in_flight.acquire(max);
            let permit = permit.ok_or_else(|| self.shed("MAX_IN_FLIGHT"))?;
            self.context.permit.replace(Some(permit));
        }
        Ok(())
    }

    fn shed(&self, limit: &'static str) -> ApiError {
        let metrics = &self.state.services.request_metrics;
        metrics.request_shed(Shed::InFlight);
        ApiError::overloaded(limit)
    }
}
