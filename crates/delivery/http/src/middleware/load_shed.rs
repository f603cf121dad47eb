//! The limit on requests in flight, around everything that a request does after its route is known.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::{Error, web};

use crate::middleware::around::Next;
use crate::middleware::pipeline::{error_response, handle, reject};
use crate::request::context;
use crate::route::Route;
use crate::state::AppState;
use crate::state::metrics::Shed;
use crate::wire::problem::{ApiError, Code};

/// The cause of an internal error.
const NO_STATE: &str = "the request has no server state";

/// Handles a request within the limit on requests in flight, or rejects it.
pub(crate) async fn load_shed(
    route: &'static Route,
    request: ServiceRequest,
    next: Next<
        impl Service<
            ServiceRequest,
            Response = ServiceResponse<impl MessageBody + 'static>,
            Error = Error,
        >,
    >,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let head = request.request().clone();
    let context = context::of(&head);
    context.route.set(Some(route));
    let Some(state) = request.app_data::<web::Data<AppState>>().cloned() else {
        let error = ApiError::caused_by(Code::Internal, NO_STATE);
        return Ok(error_response(error.into(), head));
    };
    if !route.is_probe() {
        let Some(permit) = state.in_flight.acquire(state.settings.max_in_flight) else {
            state.services.request_metrics.request_shed(Shed::InFlight);
            return Ok(reject(
                route,
                &state,
                &head,
                ApiError::overloaded("MAX_IN_FLIGHT"),
            ));
        };
        context.permit.replace(Some(permit));
    }
    let response = handle(route, &state, request, next).await;
    // The context lives as long as the response body does, which may be a stream.
    context.permit.take();
    Ok(response)
}
