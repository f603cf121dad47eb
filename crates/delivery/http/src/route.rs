//! The route table as data: template, methods, action, quota scope and kind. `Allow`, access,
//! quotas, the endpoint label of the metrics and the check of the OpenAPI document come from it.

use std::time::Duration;

use actix_web::http::Method;
use posthorn_application::{Action, QuotaClass, QuotaScope};
use posthorn_domain::{AttemptTimeout, PullWait};

/// One path with its methods.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The path's template; the label of metrics and spans.
    pub(crate) template: &'static str,
    endpoints: &'static [Endpoint],
    pub(crate) kind: Kind,
}

/// One method of a route.
#[derive(Debug, PartialEq, Eq)]
struct Endpoint {
    method: &'static str,
    /// The permission that the request needs.
    action: Action,
    /// The scope in which the request counts against the client's quotas; `None` if it is exempt.
    quota: Option<QuotaScope>,
}

/// The kind of a route: it decides the log level, the headers and the shape of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// JSON for programs.
    Api,
    /// As `Api`, at the original's path; holds the path of the successor.
    Legacy(&'static str),
    /// For the platform: never rejected for load, logged at debug.
    Probe,
    /// Pages and documents for people.
    Page,
}

/// How long a replay may take, beside the time of a request: some 200 messages in each transaction.
const REPLAY_TIME: Duration = Duration::from_mins(1);

/// Quotas: accepting messages, all routes together.
const MESSAGES: Option<QuotaScope> = shared(QuotaClass::Message);
/// Quotas: reading topics, messages and streams, all routes together.
const READING: Option<QuotaScope> = shared(QuotaClass::Read);
/// Quotas: the calls of consumers and webhooks, all routes together.
const CONSUMING: Option<QuotaScope> = shared(QuotaClass::Consume);
/// Quotas: deleting messages, all routes together.
const DELETING: Option<QuotaScope> = shared(QuotaClass::Delete);
/// Quotas: none; a monitor may ask as often as it needs.
const EXEMPT: Option<QuotaScope> = None;

/// The scope of a class whose routes count together.
#[expect(clippy::unnecessary_wraps, reason = "a cell of the table")]
const fn shared(class: QuotaClass) -> Option<QuotaScope> {
    Some(QuotaScope { class, route: "" })
}

/// The scope of a route that counts alone.
#[expect(clippy::unnecessary_wraps, reason = "a cell of the table")]
const fn own(route: &'static str) -> Option<QuotaScope> {
    Some(QuotaScope {
        class: QuotaClass::Default,
        route,
    })
}

macro_rules! routes {
    ($($name:ident = $kind:expr, $template:literal [$($method:literal $action:ident $quota:expr),+];)+) => {
        $(pub(crate) static $name: Route = Route {
            template: $template,
            endpoints: &[$(Endpoint { method: $method, action: Action::$action, quota: $quota }),+],
            kind: $kind,
        };)+
        /// Every route.
        pub(crate) static TABLE: &[&Route] = &[$(&$name),+];
    };
}

routes! {
    MESSAGE = Kind::Api, "/api/v1/message" ["POST" Write MESSAGES];
    TOPICS = Kind::Api, "/api/v1/topics" ["GET" Read READING];
    TOPIC_MESSAGES = Kind::Api, "/api/v1/topics/{topic}/messages"
        ["GET" Read READING, "POST" Write MESSAGES, "DELETE" Delete DELETING];
    TOPIC_BATCH = Kind::Api, "/api/v1/topics/{topic}/messages/batch" ["POST" Write MESSAGES];
    TOPIC_MESSAGE = Kind::Api, "/api/v1/topics/{topic}/messages/{id}"
        ["GET" Read READING, "DELETE" Delete DELETING];
    MESSAGE_CONSUMERS = Kind::Api, "/api/v1/topics/{topic}/messages/{id}/consumers"
        ["GET" Consume CONSUMING];
    MESSAGE_WEBHOOKS = Kind::Api, "/api/v1/topics/{topic}/messages/{id}/webhooks"
        ["GET" ManageWebhooks CONSUMING];
    TOPIC_STREAM = Kind::Api, "/api/v1/topics/{topic}/stream" ["GET" Read READING];
    CONSUMERS = Kind::Api, "/api/v1/topics/{topic}/consumers" ["GET" Consume CONSUMING];
    CONSUMER = Kind::Api, "/api/v1/topics/{topic}/consumers/{consumer}"
        ["GET" Consume CONSUMING, "PUT" ManageConsumers CONSUMING, "DELETE" ManageConsumers CONSUMING];
    PULL = Kind::Api, "/api/v1/topics/{topic}/consumers/{consumer}/pull" ["POST" Consume CONSUMING];
    ACK = Kind::Api, "/api/v1/topics/{topic}/consumers/{consumer}/ack" ["POST" Consume CONSUMING];
    NACK = Kind::Api, "/api/v1/topics/{topic}/consumers/{consumer}/nack" ["POST" Consume CONSUMING];
    EXTEND = Kind::Api, "/api/v1/topics/{topic}/consumers/{consumer}/extend"
        ["POST" Consume CONSUMING];
    SEEK = Kind::Api, "/api/v1/topics/{topic}/consumers/{consumer}/seek"
        ["POST" ManageConsumers CONSUMING];
    DEAD_LETTERS = Kind::Api, "/api/v1/topics/{topic}/consumers/{consumer}/dead"
        ["GET" ManageConsumers CONSUMING];
    REDRIVE = Kind::Api, "/api/v1/topics/{topic}/consumers/{consumer}/dead/redrive"
        ["POST" ManageConsumers CONSUMING];
    DEAD_LETTER = Kind::Api, "/api/v1/topics/{topic}/consumers/{consumer}/dead/{id}"
        ["DELETE" ManageConsumers CONSUMING];
    WEBHOOKS = Kind::Api, "/api/v1/topics/{topic}/webhooks" ["GET" ManageWebhooks CONSUMING];
    WEBHOOK = Kind::Api, "/api/v1/topics/{topic}/webhooks/{webhook}"
        ["GET" ManageWebhooks CONSUMING, "PUT" ManageWebhooks CONSUMING,
            "DELETE" ManageWebhooks CONSUMING];
    ROTATE_SECRET = Kind::Api, "/api/v1/topics/{topic}/webhooks/{webhook}/rotate-secret"
        ["POST" ManageWebhooks CONSUMING];
    ENABLE_WEBHOOK = Kind::Api, "/api/v1/topics/{topic}/webhooks/{webhook}/enable"
        ["POST" ManageWebhooks CONSUMING];
    TEST_WEBHOOK = Kind::Api, "/api/v1/topics/{topic}/webhooks/{webhook}/test"
        ["POST" ManageWebhooks CONSUMING];
    REPLAY = Kind::Api, "/api/v1/topics/{topic}/webhooks/{webhook}/replay"
        ["POST" ManageWebhooks CONSUMING];
    ATTEMPTS = Kind::Api, "/api/v1/topics/{topic}/webhooks/{webhook}/attempts"
        ["GET" ManageWebhooks CONSUMING];
    WEBHOOK_DEAD_LETTERS = Kind::Api, "/api/v1/topics/{topic}/webhooks/{webhook}/dead"
        ["GET" ManageWebhooks CONSUMING];
    WEBHOOK_REDRIVE = Kind::Api, "/api/v1/topics/{topic}/webhooks/{webhook}/dead/redrive"
        ["POST" ManageWebhooks CONSUMING];
    WEBHOOK_DEAD_LETTER = Kind::Api, "/api/v1/topics/{topic}/webhooks/{webhook}/dead/{id}"
        ["DELETE" ManageWebhooks CONSUMING];
    TOKEN = Kind::Api, "/api/v1/tokens/{jti}" ["DELETE" Revoke own("revoke-token")];
    INFO = Kind::Api, "/api/v1/info" ["GET" Open EXEMPT];
    PING = Kind::Api, "/api/v1/ping" ["GET" Open EXEMPT];
    HEALTH = Kind::Api, "/api/v1/health" ["GET" Open EXEMPT];
    LIMITS = Kind::Api, "/api/v1/limits" ["GET" Open EXEMPT];
    LEGACY_MESSAGE = Kind::Legacy("/api/v1/message"), "/api/message" ["POST" Write MESSAGES];
    LEGACY_INFO = Kind::Legacy("/api/v1/info"), "/api/info" ["GET" Open EXEMPT];
    LEGACY_PING = Kind::Legacy("/api/v1/ping"), "/api/ping" ["GET" Open EXEMPT];
    LEGACY_HEALTH = Kind::Legacy("/api/v1/health"), "/api/health" ["GET" Open EXEMPT];
    LIVE = Kind::Probe, "/health/live" ["GET" Unchecked EXEMPT];
    READY = Kind::Probe, "/health/ready" ["GET" Unchecked EXEMPT];
    STARTUP = Kind::Probe, "/health/startup" ["GET" Unchecked EXEMPT];
    METRICS = Kind::Probe, "/metrics" ["GET" Unchecked EXEMPT];
    OPENAPI = Kind::Page, "/api-docs/openapi.json" ["GET" Unchecked EXEMPT];
    OLD_OPENAPI = Kind::Page, "/apispec_1.json" ["GET" Unchecked EXEMPT];
    DOCS = Kind::Page, "/docs/{file:.*}" ["GET" Unchecked EXEMPT];
    OLD_DOCS = Kind::Page, "/apidocs/" ["GET" Unchecked EXEMPT];
    OLD_DOCS_BARE = Kind::Page, "/apidocs" ["GET" Unchecked EXEMPT];
    PROBLEM = Kind::Page, "/problems/{code}" ["GET" Unchecked EXEMPT];
    ASSET = Kind::Page, "/assets/{file:.*}" ["GET" Unchecked EXEMPT];
    INDEX = Kind::Page, "/" ["GET" Unchecked EXEMPT];
}

/// The routes whose handlers parse parameters of the query.
static WITH_PARAMETERS: &[&Route] = &[
    &MESSAGE,
    &TOPICS,
    &TOPIC_MESSAGES,
    &TOPIC_BATCH,
    &TOPIC_STREAM,
    &DEAD_LETTERS,
    &WEBHOOK_DEAD_LETTERS,
    &TOKEN,
];

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
        self.endpoints.iter().map(|endpoint| endpoint.method)
    }

    /// The permission that a request with `method` needs; none without a handler.
    pub(crate) fn action(&self, method: &Method) -> Action {
        self.endpoint(method.as_str())
            .map_or(Action::Unchecked, |endpoint| endpoint.action)
    }

    /// The scope in which a request with `method` counts; `None` if it is exempt or has no handler.
    pub(crate) fn quota_scope(&self, method: &Method) -> Option<QuotaScope> {
        self.endpoint(method.as_str())?.quota
    }

    /// True if a request with `method` has a handler that no parameter of the query changes. The original's paths
    /// ignore parameters, and so do pages and probes.
    pub(crate) fn refuses_parameters(&self, method: &Method) -> bool {
        let is_known = self.endpoint(method.as_str()).is_some();
        is_known && self.kind == Kind::Api && !WITH_PARAMETERS.contains(&self)
    }

    /// True if the handler counts the request against the client's quotas, because it counts as many.
    pub(crate) fn is_counted_by_handler(&self) -> bool {
        *self == TOPIC_BATCH
    }

    /// How long a handler of the route may wait for something to happen, beside its own work.
    pub(crate) fn max_wait(&self) -> Duration {
        if *self == PULL {
            Duration::from_secs(PullWait::MAX_SECONDS.into())
        } else if *self == TEST_WEBHOOK {
            Duration::from_secs(AttemptTimeout::MAX_SECONDS.into())
        } else if *self == REPLAY {
            REPLAY_TIME
        } else {
            Duration::ZERO
        }
    }

    /// True if the route is served however busy the server is.
    pub(crate) fn is_probe(&self) -> bool {
        self.kind == Kind::Probe
    }

    fn endpoint(&self, method: &str) -> Option<&Endpoint> {
        let method = if method == "HEAD" { "GET" } else { method };
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.method == method)
    }
}

/// Every route's template with each of its methods: for tests that keep a row for each.
pub fn route_table() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of = |route: &'static Route| route.methods().map(|method| (route.template, method));
    TABLE.iter().flat_map(move |route| of(route))
}

/// Each quota scope with the requests that count in it, such as `GET /api/v1/info`.
pub(crate) fn quota_scopes() -> Vec<(QuotaScope, Vec<String>)> {
    let mut scopes: Vec<(QuotaScope, Vec<String>)> = Vec::new();
    for route in TABLE {
        for endpoint in route.endpoints {
            let Some(scope) = endpoint.quota else {
                continue;
            };
            let request = format!("{} {}", endpoint.method, route.template);
            match scopes.iter_mut().find(|(other, _)| *other == scope) {
                Some((_, requests)) => requests.push(request),
                None => scopes.push((scope, vec![request])),
            }
        }
    }
    scopes
}

/// True if `path`, decoded as the router decodes it, is a probe's.
pub(crate) fn is_probe_path(path: &str) -> bool {
    TABLE
        .iter()
        .any(|route| route.is_probe() && route.template == path)
}

/// True if `path`, decoded as the router decodes it, is one of the original's: under `/api/`, but not under `/api/v1`.
pub(crate) fn is_legacy_path(path: &str) -> bool {
    path.strip_prefix("/api/")
        .is_some_and(|rest| rest != "v1" && !rest.starts_with("v1/"))
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
        assert_eq!(TOPIC_MESSAGES.action(&Method::HEAD), Action::Read);
        assert_eq!(TOPIC_MESSAGES.action(&Method::POST), Action::Write);
        assert_eq!(TOPIC_MESSAGES.action(&Method::OPTIONS), Action::Unchecked);
        assert_eq!(MESSAGE.action(&Method::HEAD), Action::Unchecked);
    }

    #[test]
    fn every_request_of_the_api_but_monitoring_is_counted_and_nothing_else() {
        let found: Vec<_> = quota_scopes()
            .into_iter()
            .map(|(scope, requests)| (scope.to_string(), requests.join(", ")))
            .collect();
        let expected = [
            (
                "message",
                "POST /api/v1/message, POST /api/v1/topics/{topic}/messages, \
                POST /api/v1/topics/{topic}/messages/batch, POST /api/message",
            ),
            (
                "read",
                "GET /api/v1/topics, GET /api/v1/topics/{topic}/messages, \
                GET /api/v1/topics/{topic}/messages/{id}, GET /api/v1/topics/{topic}/stream",
            ),
            (
                "delete",
                "DELETE /api/v1/topics/{topic}/messages, DELETE /api/v1/topics/{topic}/messages/{id}",
            ),
            (
                "consume",
                "GET /api/v1/topics/{topic}/messages/{id}/consumers, \
                GET /api/v1/topics/{topic}/messages/{id}/webhooks, \
                GET /api/v1/topics/{topic}/consumers, \
                GET /api/v1/topics/{topic}/consumers/{consumer}, \
                PUT /api/v1/topics/{topic}/consumers/{consumer}, \
                DELETE /api/v1/topics/{topic}/consumers/{consumer}, \
                POST /api/v1/topics/{topic}/consumers/{consumer}/pull, \
                POST /api/v1/topics/{topic}/consumers/{consumer}/ack, \
                POST /api/v1/topics/{topic}/consumers/{consumer}/nack, \
                POST /api/v1/topics/{topic}/consumers/{consumer}/extend, \
                POST /api/v1/topics/{topic}/consumers/{consumer}/seek, \
                GET /api/v1/topics/{topic}/consumers/{consumer}/dead, \
                POST /api/v1/topics/{topic}/consumers/{consumer}/dead/redrive, \
                DELETE /api/v1/topics/{topic}/consumers/{consumer}/dead/{id}, \
                GET /api/v1/topics/{topic}/webhooks, \
                GET /api/v1/topics/{topic}/webhooks/{webhook}, \
                PUT /api/v1/topics/{topic}/webhooks/{webhook}, \
                DELETE /api/v1/topics/{topic}/webhooks/{webhook}, \
                POST /api/v1/topics/{topic}/webhooks/{webhook}/rotate-secret, \
                POST /api/v1/topics/{topic}/webhooks/{webhook}/enable, \
                POST /api/v1/topics/{topic}/webhooks/{webhook}/test, \
                POST /api/v1/topics/{topic}/webhooks/{webhook}/replay, \
                GET /api/v1/topics/{topic}/webhooks/{webhook}/attempts, \
                GET /api/v1/topics/{topic}/webhooks/{webhook}/dead, \
                POST /api/v1/topics/{topic}/webhooks/{webhook}/dead/redrive, \
                DELETE /api/v1/topics/{topic}/webhooks/{webhook}/dead/{id}",
            ),
            ("default-revoke-token", "DELETE /api/v1/tokens/{jti}"),
        ];
        assert_eq!(
            found,
            expected.map(|(scope, requests)| (scope.to_owned(), requests.to_owned()))
        );
    }

    #[test]
    fn head_is_counted_as_get_and_a_method_without_a_handler_is_not() {
        let scope =
            |route: &Route, method| route.quota_scope(&method).map(|scope| scope.to_string());
        assert_eq!(scope(&TOPICS, Method::HEAD).as_deref(), Some("read"));
        for method in [Method::OPTIONS, Method::PUT, Method::GET] {
            assert_eq!(scope(&MESSAGE, method), None);
        }
        for route in [&LIMITS, &INFO, &LEGACY_HEALTH, &LIVE, &INDEX] {
            assert_eq!(scope(route, Method::GET), None);
        }
    }

    /// They become part of keys.
    #[test]
    fn names_of_routes_are_simple() {
        for (scope, _) in quota_scopes() {
            let is_simple = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            assert!(scope.route.bytes().all(is_simple), "{scope}");
        }
    }

    #[test]
    fn only_unversioned_paths_under_api_are_legacy() {
        for (path, legacy) in [
            ("/api/ping", true),
            ("/api/ping/", true),
            ("/api/v2", true),
            ("/api/v1", false),
            ("/api/v1/nowhere", false),
            ("/api", false),
            ("/health/live", false),
        ] {
            assert_eq!(is_legacy_path(path), legacy, "{path}");
        }
    }
}
