//! The sets of error responses that the OpenAPI document lists for the handlers.

use utoipa::IntoResponses;

use crate::wire::problem::Problem;

/// Answers that every route may give.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum Failures {
    /// A token is needed, or the one that is sent is not valid; `WWW-Authenticate` says why.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// The request was not read and answered in time.
    #[response(status = 408, content_type = "application/problem+json")]
    RequestTimeout(Problem),
    /// A limit of the client is reached; `Retry-After` says when to try again.
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(Problem),
    /// The server failed.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// Overloaded, or the store is unavailable; `Retry-After` says when to try again.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// Answers of the health route besides its own.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum HealthFailures {
    /// A token is needed, or the one that is sent is not valid; `WWW-Authenticate` says why.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// The request was not answered in time.
    #[response(status = 408, content_type = "application/problem+json")]
    RequestTimeout(Problem),
    /// A limit of the client is reached; `Retry-After` says when to try again.
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(Problem),
    /// The server failed.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
}

/// Answers to a message that is refused.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum AcceptFailures {
    /// The body is not JSON, or a field breaks its rule.
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is not said to be JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(Problem),
    /// The idempotency key was used for another message.
    #[response(status = 422, content_type = "application/problem+json")]
    KeyReused(Problem),
}

/// Answers to a request to read that is refused.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum ReadFailures {
    /// A parameter breaks its rule.
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
    /// There is no such message or topic.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
}

/// Answers to a request whose token does not permit it.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum AccessFailures {
    /// The token lacks the scope, or the scope on this topic; `detail` names both.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
}

/// Answers to a stream that is refused.
pub(crate) type StreamFailures = ReadFailures;
