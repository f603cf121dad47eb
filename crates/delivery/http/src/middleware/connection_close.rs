//! Announces the end of a connection (`Connection: close`) with its last response.

use actix_http::ConnectionType;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::Version;
use actix_web::http::header;
use posthorn_application::Phase;
use posthorn_http1::RequestTracker;

use crate::state::AppState;

/// Announces the close where no other request can follow on the connection.
pub(super) fn announce(
    mut response: ServiceResponse<BoxBody>,
    state: &AppState,
) -> ServiceResponse<BoxBody> {
    // While draining, clients have to send their next request to another instance.
    let is_draining = state.services.lifecycle.phase() >= Phase::Draining;
    let request = response.request();
    // Nothing can follow a body without an end, and the rest of one is not waited for.
    let requests = request.conn_data::<RequestTracker>();
    let is_body_missing = requests.is_some_and(|requests| !requests.is_body_received());
    // An offered protocol is never accepted, but the client may continue with it.
    let offers_upgrade = request.head().connection_type() == ConnectionType::Upgrade;
    let ends_by_close = response.response().body().size() == BodySize::Stream
        && (request.version() < Version::HTTP_11
            || request.headers().contains_key(header::UPGRADE));
    if is_draining || is_body_missing || offers_upgrade || ends_by_close {
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
        if ends_by_close {
            // HTTP/1.0 has no chunks, and actix-http writes none after an offer of another protocol.
            head.no_chunking(true);
        }
    }
    response
}
