//! The one table of routes: paths, methods, what each method does and what kind of answer it gives.
//! Resources, `Allow`, access, the metrics' endpoint label and the check against the OpenAPI document
//! come from it.

mod assets;
mod docs;
mod health;
mod info;
mod limits;
mod message;
mod metrics;
mod page;
mod problems;
mod scopes;
mod stream;
mod tokens;
mod topics;

use actix_web::guard as guards;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource};
use posthorn_application::Action;

use crate::guard;
use crate::problem::{ApiError, Code};

pub(crate) use health::__path_health;
pub(crate) use info::{__path_info, __path_ping};
pub(crate) use limits::__path_limits;
pub(crate) use message::{__path_accept, __path_accept_to_topic};
pub(crate) use scopes::counted_together;
pub(crate) use stream::__path_stream;
pub(crate) use tokens::__path_revoke_token;
pub(crate) use topics::{
    __path_delete_message, __path_get_message, __path_list_messages, __path_list_topics,
};

/// One path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The path's template; the label of metrics and spans.
    pub(crate) template: &'static str,
    /// The methods that have a handler, and what each does.
    methods: &'static [(&'static str, Action)],
    pub(crate) kind: Kind,
}

/// What kind of answer a route gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// JSON for programs.
    Api,
    /// As `Api`, at the original's path; the successor's path is in the `Link`.
    Legacy(&'static str),
    /// For the platform: never refused for load, logged at debug.
    Probe,
    /// Pages and documents for people.
    Page,
}

macro_rules! routes {
    ($($name:ident = $template:literal [$($method:literal: $action:ident),+] $kind:expr;)+) => {
        $(pub(crate) static $name: Route =
            Route { template: $template, methods: &[$(($method, Action::$action)),+], kind: $kind };)+
        /// Every route.
        pub(crate) static TABLE: &[&Route] = &[$(&$name),+];
    };
}

routes! {
    MESSAGE = "/api/v1/message" ["POST": Write] Kind::Api;
    TOPICS = "/api/v1/topics" ["GET": Read] Kind::Api;
    TOPIC_MESSAGES = "/api/v1/topics/{topic}/messages" ["GET": Read, "POST": Write] Kind::Api;
    TOPIC_MESSAGE = "/api/v1/topics/{topic}/messages/{id}" ["GET": Read, "DELETE": Delete] Kind::Api;
    TOPIC_STREAM = "/api/v1/topics/{topic}/stream" ["GET": Read] Kind::Api;
    TOKEN = "/api/v1/tokens/{jti}" ["DELETE": Revoke] Kind::Api;
    INFO = "/api/v1/info" ["GET": Open] Kind::Api;
    PING = "/api/v1/ping" ["GET": Open] Kind::Api;
    HEALTH = "/api/v1/health" ["GET": Open] Kind::Api;
    LIMITS = "/api/v1/limits" ["GET": Open] Kind::Api;
    LEGACY_MESSAGE = "/api/message" ["POST": Write] Kind::Legacy("/api/v1/message");
    LEGACY_INFO = "/api/info" ["GET": Open] Kind::Legacy("/api/v1/info");
    LEGACY_PING = "/api/ping" ["GET": Open] Kind::Legacy("/api/v1/ping");
    LEGACY_HEALTH = "/api/health" ["GET": Open] Kind::Legacy("/api/v1/health");
    LIVE = "/health/live" ["GET": Unchecked] Kind::Probe;
    READY = "/health/ready" ["GET": Unchecked] Kind::Probe;
    STARTUP = "/health/startup" ["GET": Unchecked] Kind::Probe;
    METRICS = "/metrics" ["GET": Unchecked] Kind::Probe;
    OPENAPI = "/api-docs/openapi.json" ["GET": Unchecked] Kind::Page;
    OLD_OPENAPI = "/apispec_1.json" ["GET": Unchecked] Kind::Page;
    DOCS = "/docs/{file:.*}" ["GET": Unchecked] Kind::Page;
    OLD_DOCS = "/apidocs/" ["GET": Unchecked] Kind::Page;
    PROBLEM = "/problems/{code}" ["GET": Unchecked] Kind::Page;
    ASSET = "/assets/{file}" ["GET": Unchecked] Kind::Page;
    INDEX = "/" ["GET": Unchecked] Kind::Page;
}

impl Route {
    /// The value of `Allow` (RFC 9110, 10.2.1).
    pub(crate) fn allow(&self) -> String {
        let mut methods: Vec<_> = self.methods().collect();
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.push("OPTIONS");
        methods.join(", ")
    }

    /// The methods that have a handler.
    pub(crate) fn methods(&self) -> impl Iterator<Item = &'static str> {
        self.methods.iter().map(|(method, _)| *method)
    }

    /// What a request with this method wants to do; one that has no handler does nothing.
    pub(crate) fn action(&self, method: &str) -> Action {
        let method = if method == "HEAD" { "GET" } else { method };
        let mut methods = self.methods.iter();
        let found = methods.find(|(name, _)| *name == method);
        found.map_or(Action::Unchecked, |(_, action)| *action)
    }

    /// Whether it answers however busy the server is.
    pub(crate) fn is_probe(&self) -> bool {
        self.kind == Kind::Probe
    }
}

/// Every route's template with each of its methods: for tests that keep a row for each.
pub fn route_table() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of = |route: &'static Route| route.methods().map(|method| (route.template, method));
    TABLE.iter().flat_map(move |route| of(route))
}

/// The path of a request as routes see it: what is needlessly encoded in it, such as the `a` in
/// `/%61pi/ping`, is decoded. Who wants to know what a request is has to look at this one.
pub(crate) fn routed_path(request: &HttpRequest) -> &str {
    request.match_info().as_str()
}

/// Whether a probe is at `path`, as routes see it.
pub(crate) fn is_probe_path(path: &str) -> bool {
    TABLE
        .iter()
        .any(|route| route.is_probe() && route.template == path)
}

/// The routes of the main listener; `/metrics` is among them unless it has a listener of its own.
pub(crate) fn configure(config: &mut ServiceConfig, with_metrics: bool) {
    let get = || web::route().guard(guards::Any(guards::Get()).or(guards::Head()));
    let post = web::post;
    register(config, &MESSAGE, |r| r.route(post().to(message::accept)));
    register(config, &TOPICS, |r| r.route(get().to(topics::list_topics)));
    register(config, &TOPIC_MESSAGES, |r| {
        r.route(get().to(topics::list_messages))
            .route(post().to(message::accept_to_topic))
    });
    register(config, &TOPIC_MESSAGE, |r| {
        r.route(get().to(topics::get_message))
            .route(web::delete().to(topics::delete_message))
    });
    register(config, &TOPIC_STREAM, |r| r.route(get().to(stream::stream)));
    register(config, &TOKEN, |r| {
        r.route(web::delete().to(tokens::revoke_token))
    });
    register(config, &INFO, |r| r.route(get().to(info::info)));
    register(config, &PING, |r| r.route(get().to(info::ping)));
    register(config, &HEALTH, |r| r.route(get().to(health::health)));
    register(config, &LIMITS, |r| r.route(get().to(limits::limits)));
    register(config, &LEGACY_MESSAGE, |r| {
        r.route(post().to(message::accept))
    });
    register(config, &LEGACY_INFO, |r| r.route(get().to(info::info)));
    register(config, &LEGACY_PING, |r| r.route(get().to(info::ping)));
    register(config, &LEGACY_HEALTH, |r| {
        r.route(get().to(health::health))
    });
    register(config, &OPENAPI, |r| r.route(get().to(docs::openapi)));
    register(config, &OLD_OPENAPI, |r| r.route(get().to(docs::openapi)));
    register(config, &DOCS, |r| r.route(get().to(docs::file)));
    register(config, &OLD_DOCS, |r| r.route(get().to(docs::moved)));
    register(config, &PROBLEM, |r| r.route(get().to(problems::page)));
    register(config, &ASSET, |r| r.route(get().to(assets::file)));
    register(config, &INDEX, |r| r.route(get().to(page::index)));
    probes(config);
    if with_metrics {
        metrics(config);
    }
    config.default_service(web::to(not_found));
}

/// The routes of a listener of its own for the platform.
pub(crate) fn configure_metrics(config: &mut ServiceConfig) {
    probes(config);
    metrics(config);
    config.default_service(web::to(not_found));
}

fn probes(config: &mut ServiceConfig) {
    let get = || web::route().guard(guards::Any(guards::Get()).or(guards::Head()));
    register(config, &LIVE, |r| r.route(get().to(health::live)));
    register(config, &READY, |r| r.route(get().to(health::ready)));
    register(config, &STARTUP, |r| r.route(get().to(health::startup)));
}

fn metrics(config: &mut ServiceConfig) {
    let get = || web::route().guard(guards::Any(guards::Get()).or(guards::Head()));
    register(config, &METRICS, |r| r.route(get().to(metrics::expose)));
}

/// One resource: its handlers, `OPTIONS` and 405 for what is left, and the guard around all.
fn register(
    config: &mut ServiceConfig,
    route: &'static Route,
    add: impl FnOnce(Resource) -> Resource,
) {
    let resource = add(web::resource(route.template).name(route.template))
        .default_service(web::to(move |request: HttpRequest| {
            other_method(route, request)
        }))
        .wrap(from_fn(move |request, next| {
            guard::guard(route, request, next)
        }));
    config.service(resource);
}

#[expect(clippy::unused_async, reason = "handlers are asynchronous")]
async fn other_method(
    route: &'static Route,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    if request.method() == actix_web::http::Method::OPTIONS {
        return Ok(HttpResponse::NoContent()
            .insert_header(("Allow", route.allow()))
            .finish());
    }
    Err(ApiError::method_not_allowed(route))
}

async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::new(Code::NotFound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allow_names_head_and_options_too() {
        assert_eq!(MESSAGE.allow(), "POST, OPTIONS");
        assert_eq!(TOKEN.allow(), "DELETE, OPTIONS");
        assert_eq!(TOPIC_MESSAGE.allow(), "GET, DELETE, HEAD, OPTIONS");
    }

    #[test]
    fn head_does_what_get_does_and_other_methods_do_nothing() {
        assert_eq!(TOPIC_MESSAGES.action("HEAD"), Action::Read);
        assert_eq!(TOPIC_MESSAGES.action("POST"), Action::Write);
        assert_eq!(TOPIC_MESSAGES.action("OPTIONS"), Action::Unchecked);
        assert_eq!(MESSAGE.action("HEAD"), Action::Unchecked);
    }
}
