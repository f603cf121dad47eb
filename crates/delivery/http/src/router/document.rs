//! The OpenAPI 3.1 document, derived from the handlers and the wire types.

use utoipa::OpenApi;

use crate::api::consumers::{dead_letters, leases};
use crate::api::messages::{accept, batch, bulk_deletion, deliveries as message_deliveries, read};
use crate::api::openapi::{CommonHeaders, Requests, Security};
use crate::api::webhooks::{dead_letters as webhook_dead_letters, deliveries};
use crate::api::{consumers, health, info, limits, stream, tokens, topics, webhooks};
use crate::wire::problem::{FieldError, Problem};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Posthorn",
        description = "An HTTP message inbox: it accepts short messages, stores them, and hands \
            them back by id, by page or live. Every error is a problem document (RFC 9457).",
    ),
    paths(
        accept::accept,
        accept::accept_to_topic,
        batch::accept_batch,
        topics::list_topics,
        read::list_messages,
        bulk_deletion::delete_messages,
        read::get_message,
        read::delete_message,
        message_deliveries::message_at_consumers,
        message_deliveries::message_at_webhooks,
        stream::stream,
        consumers::list_consumers,
        consumers::put_consumer,
        consumers::get_consumer,
        consumers::delete_consumer,
        leases::pull,
        leases::ack,
        leases::nack,
        leases::extend,
        consumers::seek,
        dead_letters::list_dead_letters,
        dead_letters::redrive,
        dead_letters::delete_dead_letter,
        webhooks::list_webhooks,
        webhooks::put_webhook,
        webhooks::get_webhook,
        webhooks::delete_webhook,
        webhooks::rotate_secret,
        deliveries::enable,
        deliveries::test,
        deliveries::replay,
        deliveries::attempts,
        webhook_dead_letters::list_webhook_dead_letters,
        webhook_dead_letters::redrive_webhook,
        webhook_dead_letters::delete_webhook_dead_letter,
        tokens::revoke_token,
        info::info,
        info::ping,
        health::health,
        limits::limits,
    ),
    components(schemas(Problem, FieldError)),
    modifiers(&CommonHeaders, &Requests, &Security),
    tags(
        (name = "messages", description = "Sending and reading messages"),
        (name = "consumers", description = "Working off a topic: leases, acknowledgements, dead letters"),
        (name = "webhooks", description = "Signed requests to a URL for each message of a topic"),
        (name = "tokens", description = "Revoking tokens"),
        (name = "service", description = "The service itself"),
    )
)]
struct Document;

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
    use crate::route::{Kind, TABLE};

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
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let is_error = status.starts_with('4') || status.starts_with('5');
                    let content = response["content"].as_object();
                    let is_problem = content
                        .is_some_and(|content| content.contains_key("application/problem+json"));
                    assert_eq!(is_error, is_problem, "{method} {path} {status}");
                }
            }
        }
    }
}
