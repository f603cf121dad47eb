//! The memory of responses: the bytes of their bodies count until they are written, and all together are
//! limited.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::header;
use actix_web::web::Bytes;

use crate::state::AppState;
use crate::state::concurrency_limit::Permit;
use crate::state::metrics::Shed;
use crate::wire::problem::ApiError;

/// The most bytes of one chunk. actix-http copies a chunk as a whole into the buffer of its connection,
/// where it stays until the client reads it.
const CHUNK: usize = 16 * 1024;

/// A body in memory that is written in chunks, with the permit for its bytes.
struct ChunkedBytes {
    rest: Bytes,
    _permit: Permit,
}

/// Counts the body of a response, or replaces the response by 503 if it would exceed `MAX_RESPONSE_BYTES`; alone every
/// response fits. What has had an effect, such as a batch that is stored, may take as much again, because its client
/// would repeat it. A body of one chunk is not counted here: it goes to the buffer of its connection at once.
pub(crate) fn limit(
    response: ServiceResponse<BoxBody>,
    state: &AppState,
) -> ServiceResponse<BoxBody> {
    let is_large = |length| usize::try_from(length).is_ok_and(|length| length > CHUNK);
    if !matches!(response.response().body().size(), BodySize::Sized(length) if is_large(length)) {
        return response;
    }
    let (request, response) = response.into_parts();
    let (response, body) = response.into_parts();
    let bytes = match body.try_into_bytes() {
        Ok(bytes) => bytes,
        Err(body) => return ServiceResponse::new(request, response.set_body(body)),
    };
    let has_effect = response.status().is_success() && !request.method().is_safe();
    let max = if has_effect {
        state.settings.max_unread_bytes()
    } else {
        state.settings.max_response_bytes
    };
    let mut permit = state.response_bytes.empty();
    // Bytes with other owners, such as a file of the page, are in memory anyway.
    if bytes.is_unique() && !permit.grow(bytes.len(), max.max(bytes.len())) {
        let metrics = &state.services.request_metrics;
        metrics.request_shed(Shed::ResponseBytes);
        let mut shed =
            ServiceResponse::from_err(ApiError::overloaded("MAX_RESPONSE_BYTES"), request);
        // Those of CORS, which is inside of this.
        let kept = response.headers().iter().filter(|(name, _)| {
            name.as_str().starts_with("access-control-") || *name == header::VARY
        });
        for (name, value) in kept {
            shed.headers_mut().append(name.clone(), value.clone());
        }
        return shed;
    }
    let body = ChunkedBytes {
        rest: bytes,
        _permit: permit,
    };
    ServiceResponse::new(request, response.set_body(BoxBody::new(body)))
}

impl MessageBody for ChunkedBytes {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.rest.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let length = self.rest.len().min(CHUNK);
        let chunk = self.rest.split_to(length);
        Poll::Ready((!chunk.is_empty()).then_some(Ok(chunk)))
    }
}
