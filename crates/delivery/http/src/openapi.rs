//! The OpenAPI 3.1 document, derived from the handlers and the wire types.

use posthorn_application::Action;
use posthorn_domain::Scope;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{OpenApi as Description, RefOr, Response};
use utoipa::{IntoResponses, Modify, OpenApi};

use crate::problem::{FieldError, Problem};
use crate::routes::{self, TABLE};

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

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Posthorn",
        description = "An HTTP message inbox: it accepts short messages, stores them, and hands \
            them back by id, by page or live. Every error is a problem document (RFC 9457).",
    ),
    paths(
        routes::accept,
        routes::accept_to_topic,
        routes::list_topics,
        routes::list_messages,
        routes::get_message,
        routes::delete_message,
        routes::stream,
        routes::revoke_token,
        routes::info,
        routes::ping,
        routes::health,
        routes::limits,
    ),
    components(schemas(Problem, FieldError)),
    modifiers(&CommonHeaders, &Security),
    tags(
        (name = "messages", description = "Sending and reading messages"),
        (name = "tokens", description = "Revoking tokens"),
        (name = "service", description = "The service itself"),
    )
)]
struct Document;

/// Describes the tokens, and what each route needs.
struct Security;

/// The name of the scheme.
const BEARER: &str = "bearer";

impl Modify for Security {
    fn modify(&self, description: &mut Description) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "A token of `posthorn token issue`. In production reading and deleting need one, \
                 and sending too with `REQUIRE_WRITE_TOKEN=true`; elsewhere none is needed. One \
                 that is sent has to be valid in any case.",
            ))
            .build();
        description
            .components
            .get_or_insert_default()
            .add_security_scheme(BEARER, SecurityScheme::Http(scheme));
        for route in TABLE {
            let Some(item) = description.paths.paths.get_mut(route.template) else {
                continue;
            };
            for (method, operation) in [
                ("GET", &mut item.get),
                ("POST", &mut item.post),
                ("DELETE", &mut item.delete),
            ] {
                if let Some(operation) = operation {
                    operation.security = Some(requirements(route.action(method)));
                }
            }
        }
    }
}

/// What an action needs; an empty alternative says that it may need nothing.
fn requirements(action: Action) -> Vec<SecurityRequirement> {
    let scopes: Vec<_> = action.scope().into_iter().map(Scope::as_str).collect();
    let needed = SecurityRequirement::new(BEARER, scopes);
    match action {
        Action::Read | Action::Delete | Action::Revoke => vec![needed],
        Action::Write | Action::Open | Action::Unchecked => {
            vec![SecurityRequirement::default(), needed]
        }
    }
}

/// Describes the headers that answers have whatever the route.
struct CommonHeaders;

impl Modify for CommonHeaders {
    fn modify(&self, description: &mut Description) {
        for item in description.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.post, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                describe_headers(operation);
            }
        }
    }
}

/// The headers of answers to requests that are counted.
const LIMIT_HEADERS: [(&str, &str); 2] = [
    (
        "RateLimit-Policy",
        "The limits of a request that is counted",
    ),
    (
        "RateLimit",
        "What is left of them, and in how many seconds there is more",
    ),
];

fn describe_headers(operation: &mut Operation) {
    let id = header(
        Type::String,
        "The request's id: the client's own, or a UUID",
    );
    let wait = header(Type::Integer, "Seconds to wait before another try");
    let challenge = header(Type::String, "What the token lacks (RFC 6750, 3)");
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(Response { headers, .. }) = response else {
            continue;
        };
        headers.insert("X-Request-ID".to_owned(), id.clone());
        for (name, description) in LIMIT_HEADERS {
            headers.insert(name.to_owned(), header(Type::String, description));
        }
        if matches!(status.as_str(), "429" | "503") {
            headers.insert("Retry-After".to_owned(), wait.clone());
        }
        if matches!(status.as_str(), "401" | "403") {
            headers.insert("WWW-Authenticate".to_owned(), challenge.clone());
        }
    }
}

fn header(of: Type, description: &str) -> RefOr<Header> {
    let schema = ObjectBuilder::new().schema_type(of);
    let header = HeaderBuilder::new()
        .schema(Some(schema))
        .description(Some(description));
    RefOr::T(header.build())
}

/// The document as JSON; the same for every configuration.
pub fn openapi_json() -> String {
    // The document is made of texts, numbers and maps, which always serialise.
    let mut text = Document::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::routes::Kind;

    /// Every API route and method is documented, and nothing else is.
    #[test]
    fn the_document_lists_exactly_the_api_routes() {
        let document: Value = serde_json::from_str(&openapi_json()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut documented = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                documented.insert((path.clone(), method.to_uppercase()));
            }
        }
        let served: BTreeSet<_> = TABLE
            .iter()
            .filter(|route| route.kind == Kind::Api)
            .flat_map(|route| {
                let of = |method: &str| (route.template.to_owned(), method.to_owned());
                route.methods().map(of)
            })
            .collect();
        assert_eq!(documented, served);
    }

    #[test]
    fn every_documented_error_is_a_problem_document() {
        let document: Value = serde_json::from_str(&openapi_json()).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                for (status, answer) in operation["responses"].as_object().unwrap() {
                    let is_error = status.starts_with('4') || status.starts_with('5');
                    let content = answer["content"].as_object();
                    let is_problem = content
                        .is_some_and(|content| content.contains_key("application/problem+json"));
                    assert_eq!(is_error, is_problem, "{method} {path} {status}");
                }
            }
        }
    }
}
