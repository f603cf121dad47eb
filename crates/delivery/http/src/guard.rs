//! Around each handler: the in-flight cap, the time-out, and panics.

use std::panic::AssertUnwindSafe;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, web};
use futures_util::FutureExt;
use tokio::time::timeout;

use crate::context;
use crate::problem::{ApiError, Code};
use crate::routes::Route;
use crate::state::State;

/// Notes the route, then runs its handler within its bounds.
pub(crate) async fn guard(
    route: &'static Route,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let request_of = request.request().clone();
    let fail = |error: ApiError| Ok(failed(error.into(), request_of.clone()));
    context::of(&request_of).route.set(Some(route));
    let Some(state) = request.app_data::<web::Data<State>>().cloned() else {
        tracing::error!("the state of the server is missing");
        return fail(ApiError::new(Code::Internal));
    };
    let _place = if route.is_probe() {
        None
    } else {
        let Some(place) = state.in_flight.enter(state.settings.max_in_flight) else {
            return fail(ApiError::overloaded());
        };
        Some(place)
    };
    let handling = AssertUnwindSafe(next.call(request)).catch_unwind();
    match timeout(state.settings.request_timeout, handling).await {
        Ok(Ok(Ok(response))) => Ok(response.map_into_boxed_body()),
        Ok(Ok(Err(error))) => Ok(failed(error, request_of)),
        // The panic hook has logged it.
        Ok(Err(_panic)) => fail(ApiError::new(Code::Internal)),
        Err(_elapsed) => fail(ApiError::new(Code::RequestTimeout)),
    }
}

fn failed(error: Error, request: HttpRequest) -> ServiceResponse<BoxBody> {
    ServiceResponse::from_err(error, request)
}
