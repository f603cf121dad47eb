//! Who may call a route: the token of a request, and what a refusal looks like.

mod refusal;

use actix_web::{HttpMessage, HttpRequest};
use posthorn_application::{AccessRequest, Action, Refusal};
use posthorn_domain::Topic;

use crate::middleware::rate_limit::Refused;
use crate::request::caller::Subject;
use crate::request::{context, credentials};
use crate::route::Route;
use crate::state::State;

/// Lets the request pass, or says why not; before its handler, and before its body is read.
pub(crate) async fn authorize(
    route: &Route,
    state: &State,
    request: &HttpRequest,
) -> Result<(), Refused> {
    let action = route.action(request.method());
    if action == Action::Unchecked {
        return Ok(());
    }
    let topic = request.match_info().get("topic");
    // A name that no topic can have is refused by the handler, which reaches no topic by it.
    let topic: Option<Topic> = topic.and_then(|name| name.parse().ok());
    let decided = state.services.access.decide(AccessRequest {
        action,
        topic: topic.as_ref(),
        credentials: credentials::of(request.headers()),
        address: context::of(request).client,
    });
    let grant = decided.await.map_err(|refusal| refuse(state, refusal))?;
    if let Some(claims) = grant.claims() {
        let subject = Subject(claims.subject.as_str().into());
        let mut extensions = request.extensions_mut();
        extensions.insert(subject);
        extensions.insert(grant);
    }
    Ok(())
}

/// Counts a refusal in the metrics and makes it an error.
pub(crate) fn refuse(state: &State, refusal: Refusal) -> Refused {
    let metrics = &state.services.request_metrics;
    metrics.access_refused(refusal.as_str());
    refusal::refused(refusal, state.services.clock.now())
}
