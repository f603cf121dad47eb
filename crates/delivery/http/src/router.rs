//! The router: path to handler. The only file that names handlers; `route` has the paths.

mod document;

use std::sync::LazyLock;

use actix_web::guard as guards;
use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig, post};
use actix_web::{HttpRequest, HttpResponse, Resource};

use crate::api::consumers::{dead_letters, leases};
use crate::api::messages::{accept, batch, bulk_deletion, deliveries as message_deliveries, read};
use crate::api::openapi::OpenApiText;
use crate::api::webhooks::{dead_letters as webhook_dead_letters, deliveries};
use crate::api::{
    consumers, health, info, limits, metrics, openapi, stream, tokens, topics, webhooks,
};
use crate::middleware::around::around;
use crate::middleware::load_shed;
use crate::pages::{assets, docs, inbox, problems};
use crate::route::{
    ACK, ASSET, ATTEMPTS, CONSUMER, CONSUMERS, DEAD_LETTER, DEAD_LETTERS, DOCS, ENABLE_WEBHOOK,
    EXTEND, HEALTH, INDEX, INFO, LEGACY_HEALTH, LEGACY_INFO, LEGACY_MESSAGE, LEGACY_PING, LIMITS,
    LIVE, MESSAGE, MESSAGE_CONSUMERS, MESSAGE_WEBHOOKS, METRICS, NACK, OLD_DOCS, OLD_DOCS_BARE,
    OLD_OPENAPI, OPENAPI, PING, PROBLEM, PULL, READY, REDRIVE, REPLAY, ROTATE_SECRET, Route, SEEK,
    STARTUP, TEST_WEBHOOK, TOKEN, TOPIC_BATCH, TOPIC_MESSAGE, TOPIC_MESSAGES, TOPIC_STREAM, TOPICS,
    WEBHOOK, WEBHOOK_DEAD_LETTER, WEBHOOK_DEAD_LETTERS, WEBHOOK_REDRIVE, WEBHOOKS,
};
use crate::wire::problem::{ApiError, Code};

pub use document::openapi_json;

/// Rendered on first use, which takes milliseconds.
static DOCUMENT: LazyLock<String> = LazyLock::new(openapi_json);

/// Adds the routes of the main listener, with or without `/metrics`.
///
/// The router tries the paths in this order. One with a parameter is a regular expression, which costs some
/// hundred nanoseconds: so those without stand first, then what is called most.
pub(crate) fn configure(config: &mut ServiceConfig, with_metrics: bool) {
    paths_without_parameters(config);
    if with_metrics {
        metrics(config);
    }
    register(config, &TOPIC_MESSAGES, |r| {
        r.route(get().to(read::list_messages))
            .route(post().to(accept::accept_to_topic))
            .route(web::delete().to(bulk_deletion::delete_messages))
    });
    consumers(config);
    // Before the messages by id, of which it has the form.
    register(config, &TOPIC_BATCH, |r| {
        r.route(post().to(batch::accept_batch))
    });
    register(config, &TOPIC_MESSAGE, |r| {
        r.route(get().to(read::get_message))
            .route(web::delete().to(read::delete_message))
    });
    register(config, &MESSAGE_CONSUMERS, |r| {
        r.route(get().to(message_deliveries::message_at_consumers))
    });
    register(config, &MESSAGE_WEBHOOKS, |r| {
        r.route(get().to(message_deliveries::message_at_webhooks))
    });
    register(config, &TOPIC_STREAM, |r| r.route(get().to(stream::stream)));
    webhooks(config);
    register(config, &TOKEN, |r| {
        r.route(web::delete().to(tokens::revoke_token))
    });
    register(config, &DOCS, |r| r.route(get().to(docs::file)));
    register(config, &PROBLEM, |r| r.route(get().to(problems::page)));
    register(config, &ASSET, |r| r.route(get().to(assets::file)));
    config.default_service(web::to(not_found));
}

fn paths_without_parameters(config: &mut ServiceConfig) {
    register(config, &MESSAGE, |r| r.route(post().to(accept::accept)));
    register(config, &PING, |r| r.route(get().to(info::ping)));
    register(config, &INFO, |r| r.route(get().to(info::info)));
    register(config, &HEALTH, |r| r.route(get().to(health::health)));
    register(config, &LIMITS, |r| r.route(get().to(limits::limits)));
    register(config, &TOPICS, |r| r.route(get().to(topics::list_topics)));
    register(config, &LEGACY_MESSAGE, |r| {
        r.route(post().to(accept::accept))
    });
    register(config, &LEGACY_INFO, |r| r.route(get().to(info::info)));
    register(config, &LEGACY_PING, |r| r.route(get().to(info::ping)));
    register(config, &LEGACY_HEALTH, |r| {
        r.route(get().to(health::health))
    });
    probes(config);
    config.app_data(web::Data::new(OpenApiText(|| &DOCUMENT)));
    register(config, &OPENAPI, |r| r.route(get().to(openapi::openapi)));
    register(config, &OLD_OPENAPI, |r| {
        r.route(get().to(openapi::openapi))
    });
    for old in [&OLD_DOCS, &OLD_DOCS_BARE] {
        register(config, old, |r| r.route(get().to(docs::moved)));
    }
    register(config, &INDEX, |r| r.route(get().to(inbox::index)));
}

/// Adds the routes of the metrics listener.
pub(crate) fn configure_metrics(config: &mut ServiceConfig) {
    probes(config);
    metrics(config);
    config.default_service(web::to(not_found));
}

fn consumers(config: &mut ServiceConfig) {
    register(config, &PULL, |r| r.route(post().to(leases::pull)));
    register(config, &ACK, |r| r.route(post().to(leases::ack)));
    register(config, &NACK, |r| r.route(post().to(leases::nack)));
    register(config, &EXTEND, |r| r.route(post().to(leases::extend)));
    register(config, &CONSUMERS, |r| {
        r.route(get().to(consumers::list_consumers))
    });
    register(config, &CONSUMER, |r| {
        r.route(get().to(consumers::get_consumer))
            .route(web::put().to(consumers::put_consumer))
            .route(web::delete().to(consumers::delete_consumer))
    });
    register(config, &SEEK, |r| r.route(post().to(consumers::seek)));
    register(config, &DEAD_LETTERS, |r| {
        r.route(get().to(dead_letters::list_dead_letters))
    });
    register(config, &REDRIVE, |r| {
        r.route(post().to(dead_letters::redrive))
    });
    register(config, &DEAD_LETTER, |r| {
        r.route(web::delete().to(dead_letters::delete_dead_letter))
    });
}

fn webhooks(config: &mut ServiceConfig) {
    register(config, &WEBHOOKS, |r| {
        r.route(get().to(webhooks::list_webhooks))
    });
    register(config, &WEBHOOK, |r| {
        r.route(get().to(webhooks::get_webhook))
            .route(web::put().to(webhooks::put_webhook))
            .route(web::delete().to(webhooks::delete_webhook))
    });
    register(config, &ROTATE_SECRET, |r| {
        r.route(post().to(webhooks::rotate_secret))
    });
    register(config, &ENABLE_WEBHOOK, |r| {
        r.route(post().to(deliveries::enable))
    });
    register(config, &TEST_WEBHOOK, |r| {
        r.route(post().to(deliveries::test))
    });
    register(config, &REPLAY, |r| r.route(post().to(deliveries::replay)));
    register(config, &ATTEMPTS, |r| {
        r.route(get().to(deliveries::attempts))
    });
    register(config, &WEBHOOK_DEAD_LETTERS, |r| {
        r.route(get().to(webhook_dead_letters::list_webhook_dead_letters))
    });
    register(config, &WEBHOOK_REDRIVE, |r| {
        r.route(post().to(webhook_dead_letters::redrive_webhook))
    });
    register(config, &WEBHOOK_DEAD_LETTER, |r| {
        r.route(web::delete().to(webhook_dead_letters::delete_webhook_dead_letter))
    });
}

fn probes(config: &mut ServiceConfig) {
    register(config, &LIVE, |r| r.route(get().to(health::live)));
    register(config, &READY, |r| r.route(get().to(health::ready)));
    register(config, &STARTUP, |r| r.route(get().to(health::startup)));
}

fn metrics(config: &mut ServiceConfig) {
    register(config, &METRICS, |r| r.route(get().to(metrics::expose)));
}

/// GET, and HEAD, which responds like it.
fn get() -> actix_web::Route {
    web::route().guard(guards::Any(guards::Get()).or(guards::Head()))
}

/// Adds one resource: its handlers, `OPTIONS` and 405 for the other methods, and `load_shed` around all
/// of them.
fn register(
    config: &mut ServiceConfig,
    route: &'static Route,
    add: impl FnOnce(Resource) -> Resource,
) {
    let resource = add(web::resource(route.template).name(route.template))
        .default_service(web::to(move |request: HttpRequest| {
            other_method(route, request)
        }))
        .wrap(around(move |request, next| {
            load_shed::load_shed(route, request, next)
        }));
    config.service(resource);
}

#[expect(clippy::unused_async, reason = "handlers are asynchronous")]
async fn other_method(
    route: &'static Route,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    if request.method() == Method::OPTIONS {
        return Ok(HttpResponse::NoContent()
            .insert_header(("Allow", route.allow()))
            .finish());
    }
    Err(ApiError::method_not_allowed(route))
}

async fn not_found(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    // `OPTIONS *` is about the server, not about a path (RFC 9110, 9.3.7).
    if request.method() == Method::OPTIONS && request.path() == "*" {
        return Ok(HttpResponse::NoContent()
            .insert_header(("Allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS"))
            .finish());
    }
    Err(ApiError::new(Code::NotFound))
}
