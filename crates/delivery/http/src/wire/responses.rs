//! The sets of error responses that the OpenAPI document lists for the handlers.

use utoipa::IntoResponses;

use crate::wire::problem::Problem;

/// Errors of every route with a quota.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum Failures {
    /// The token is missing or invalid; `WWW-Authenticate` has the reason.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// The request was not complete in time.
    #[response(status = 408, content_type = "application/problem+json")]
    RequestTimeout(Problem),
    /// The client exceeds a limit; `Retry-After` has the seconds to wait.
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(Problem),
    /// The server failed.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// The server is overloaded, or the store is unavailable; `Retry-After` has the seconds to wait.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// Errors of routes without a quota. A 503 of the health route is a report, so [`Unavailable`] is a set of its own.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum UncountedFailures {
    /// The token is missing or invalid; `WWW-Authenticate` has the reason.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// The request was not complete in time.
    #[response(status = 408, content_type = "application/problem+json")]
    RequestTimeout(Problem),
    /// The client exceeds the flood guard of the process, or has sent too many invalid tokens. No quota counts the request.
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(Problem),
    /// The server failed.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
}

/// The error of a route that cannot be served now.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum Unavailable {
    /// The server is overloaded, or the store is unavailable; `Retry-After` has the seconds to wait.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// Errors of accepting a message.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum AcceptFailures {
    /// The body does not match its media type, or a field or a parameter is invalid.
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The media type or the coding is not accepted; `Accept-Post` or `Accept-Encoding` lists those that are.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(Problem),
    /// The idempotency key was used for another message.
    #[response(status = 422, content_type = "application/problem+json")]
    KeyReused(Problem),
    /// The topic is new, and the store has `MAX_TOPICS` topics.
    #[response(status = 409, content_type = "application/problem+json")]
    LimitReached(Problem),
}

/// Errors of reading.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum ReadFailures {
    /// A parameter is invalid.
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
    /// The message or the topic does not exist.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
}

/// Errors of the preconditions on a message.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum PreconditionFailures {
    /// `If-Match` or `If-None-Match` is not met.
    #[response(status = 412, content_type = "application/problem+json")]
    PreconditionFailed(Problem),
}

/// Errors of routes that have neither a body nor parameters.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum RequestFailures {
    /// A parameter is unknown, or the request is not valid HTTP/1.1.
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
}

/// Errors of routes that need a scope.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum AccessFailures {
    /// The token lacks the scope, or does not permit it on this topic; `detail` names both.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
}

/// Errors of the calls on a consumer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum ConsumerFailures {
    /// A field is invalid, or the body is not JSON.
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
    /// The consumer does not exist.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The media type of the body is not JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(Problem),
}

/// Errors of creating, changing and deleting a consumer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum ConsumerChangeFailures {
    /// The topic has 64 consumers and webhooks, or is new and the store has `MAX_TOPICS` topics.
    #[response(status = 409, content_type = "application/problem+json")]
    LimitReached(Problem),
    /// `If-Match` or `If-None-Match` is not met.
    #[response(status = 412, content_type = "application/problem+json")]
    PreconditionFailed(Problem),
}

/// Errors of the calls on a webhook.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum WebhookFailures {
    /// A field is invalid, or the body is not JSON.
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
    /// The webhook does not exist.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The media type of the body is not JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(Problem),
}

/// Errors of a request that is signed at once.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum SigningFailures {
    /// The secret cannot be decrypted: the server has another `SECRET_KEY`.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
}

/// Errors of creating, changing and deleting a webhook.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derive is used")]
pub(crate) enum WebhookChangeFailures {
    /// The topic has 64 consumers and webhooks, or the server has no key that outlives its process:
    /// `SECRET_KEY` has to be set.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// `If-Match` or `If-None-Match` is not met.
    #[response(status = 412, content_type = "application/problem+json")]
    PreconditionFailed(Problem),
}

/// Errors of opening a stream.
pub(crate) type StreamFailures = ReadFailures;
