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
    /// How many of them count for the client.
    count: usize,
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
        state.services.request_metrics.request_waiting(true);
        let mut body = Self {
            state: state.clone(),
            context,
            had_permit,
            bytes: state.incomplete_body_bytes.empty(),
            count: 0,
        };
        body.grow(count)?;
        Ok(body)
    }

    /// Adds `count` bytes. All incomplete bodies together take no more memory than the bodies of requests in flight may,
    /// or than one batch; those of one client a fifth of it, or one body.
    pub(super) fn grow(&mut self, count: usize) -> Result<(), ApiError> {
        let settings = &self.state.settings;
        let (client, max) = (self.context.client, settings.max_bodies_bytes_per_client());
        if !self.state.client_body_bytes.add(client, count, max) {
            return Err(self.shed(Shed::BodyBytes, "the client's memory of incomplete bodies"));
        }
        self.count += count;
        if !self.bytes.grow(count, settings.max_bodies_bytes()) {
            return Err(self.shed(Shed::BodyBytes, "the memory of incomplete bodies"));
        }
        Ok(())
    }

    /// Acquires the request's permit again, now that the body is complete.
    pub(super) fn complete(&mut self) -> Result<(), ApiError> {
        if self.had_permit {
            let max = self.state.settings.max_in_flight;
            let permit = self.state.in_flight.acquire(max);
            let permit = permit.ok_or_else(|| self.shed(Shed::InFlight, "MAX_IN_FLIGHT"))?;
            self.context.permit.replace(Some(permit));
        }
        Ok(())
    }

    fn shed(&self, reason: Shed, limit: &'static str) -> ApiError {
        let metrics = &self.state.services.request_metrics;
        metrics.request_shed(reason);
        ApiError::overloaded(limit)
    }
}

impl Drop for IncompleteBody {
    fn drop(&mut self) {
        self.state.services.request_metrics.request_waiting(false);
        let shares = &self.state.client_body_bytes;
        shares.remove(self.context.client, self.count);
    }
}
