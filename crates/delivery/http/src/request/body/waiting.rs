//! A request whose body has not come yet: it holds no place among those in flight, so that slow
//! clients keep nobody from an answer. What is there of such bodies has a bound of its own.

use std::rc::Rc;

use crate::state::metrics::Shed;
use actix_web::{HttpRequest, web};

use crate::request::context::{self, RequestContext};
use crate::state::{Place, State};
use crate::wire::problem::{ApiError, Code};

/// A body that is waited for.
pub(super) struct Waiting {
    state: web::Data<State>,
    context: Rc<RequestContext>,
    /// Whether the request had a place, which it needs again.
    had_place: bool,
    bytes: Place,
}

impl Waiting {
    /// Gives the request's place away; `count` bytes of the body are there.
    pub(super) fn begin(request: &HttpRequest, count: usize) -> Result<Self, ApiError> {
        let Some(state) = request.app_data::<web::Data<State>>() else {
            tracing::error!("the state of the server is missing");
            return Err(ApiError::new(Code::Internal));
        };
        let context = context::of(request);
        let had_place = context.place.take().is_some();
        let mut waiting = Self {
            state: state.clone(),
            context,
            had_place,
            bytes: state.waiting_bytes.empty(),
        };
        waiting.grow(count)?;
        Ok(waiting)
    }

    /// So many more bytes are there. All bodies that wait take no more memory than as many requests
    /// as may be in flight.
    pub(super) fn grow(&mut self, count: usize) -> Result<(), ApiError> {
        let settings = &self.state.settings;
        let most = settings
            .max_in_flight
            .saturating_mul(settings.max_body_bytes);
        if self.bytes.grow(count, most) {
            Ok(())
        } else {
            Err(self.refuse())
        }
    }

    /// The body is there: the request takes its place again, if there still is one.
    pub(super) fn end(self) -> Result<(), ApiError> {
        if self.had_place {
            let most = self.state.settings.max_in_flight;
            let place = self.state.in_flight.enter(most);
            let place = place.ok_or_else(|| self.refuse())?;
            self.context.place.replace(Some(place));
        }
        Ok(())
    }

    fn refuse(&self) -> ApiError {
        let metrics = &self.state.services.request_metrics;
        metrics.request_shed(Shed::InFlight);
        ApiError::overloaded()
    }
}
