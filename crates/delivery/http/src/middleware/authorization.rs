//! Authorization: verifies the token of a request and decides on access.

mod rejection;

use actix_web::{HttpMessage, HttpRequest};
use posthorn_application::{AccessRequest, Action, Refusal};

use crate::middleware::rejection::RequestRejection;
use crate::request::{context, credentials, path};
use crate::route::Route;
use crate::state::AppState;

/// Authorizes the request, before its body is read. The grant is in the request's extensions
/// afterwards.
///
/// # Errors
/// The request is not permitted, or its client sent too many invalid tokens.
pub(crate) async fn authorize(
    route: &Route,
    state: &AppState,
    request: &HttpRequest,
) -> Result<(), RequestRejection> {
    let action = route.action(request.method());
    if action == Action::Unchecked {
        return Ok(());
    }
    // A name that no topic can have is rejected by the handler.
    let topic = path::topic(request);
    let decision = state.services.access.decide(AccessRequest {
        action,
        topic: topic.as_ref(),
        credentials: credentials::of(request.headers()),
        address: context::of(request).client,
    });
    let grant = decision.await.map_err(|refused| {
        if let Some(claims) = refused.claims {
            let _ = context::of(request).refused_claims.set(claims);
        }
        reject(state, refused.refusal)
    })?;
    if grant.claims().is_some() {
        request.extensions_mut().insert(grant);
    }
    Ok(())
}

/// Counts a refusal in the metrics and makes it an error.
pub(crate) fn reject(state: &AppState, refusal: Refusal) -> RequestRejection {
    let metrics = &state.services.request_metrics;
    metrics.access_refused(refusal.as_str());
    rejection::of(refusal, state.services.clock.now())
}
