//! The inbox page at `/`: sending and reading messages, service information, and the endpoints.

mod given;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use posthorn_application::Action;

use self::given::{GivenPage, given_page};
use crate::request::context;
use crate::route::METRICS;
use crate::settings::Locale;
use crate::state::AppState;
use crate::wire::problem::ApiError;
use crate::wire::time::rfc3339;
use crate::wire::{asset, html};

/// The page. The script fills the parts that change.
#[derive(Template)]
#[template(path = "inbox.html")]
struct InboxPage<'a> {
    locale: Locale,
    /// The prefix of the paths of links.
    base: &'a str,
    name: &'a str,
    version: &'a str,
    environment: &'a str,
    pod: &'a str,
    started_at: String,
    now: String,
    /// The maximum length of a message, for the script.
    max_length: usize,
    /// True if reading and deleting need no token.
    is_open: bool,
    /// True if sending needs no token.
    writes_open: bool,
    /// The durability that messages reach.
    durability: &'static str,
    /// True if this listener serves the metrics.
    has_metrics: bool,
    /// The newest messages, if the client may read them without a token.
    given: Option<GivenPage>,
    /// The scripts to load at once.
    modules: Vec<&'static str>,
    /// What this listener serves.
    endpoints: Vec<&'static ListedEndpoint>,
}

/// An endpoint in the list of the page.
struct ListedEndpoint {
    method: &'static str,
    path: &'static str,
    /// True if a browser can open it.
    is_link: bool,
    ru: &'static str,
    en: &'static str,
}

const fn get(path: &'static str, ru: &'static str, en: &'static str) -> ListedEndpoint {
    ListedEndpoint {
        method: "GET",
        path,
        is_link: true,
        ru,
        en,
    }
}

const ENDPOINTS: &[ListedEndpoint] = &[
    ListedEndpoint {
        method: "POST",
        path: "/api/v1/message",
        is_link: false,
        ru: "отправить сообщение",
        en: "send a message",
    },
    get("/api/v1/topics", "темы", "topics"),
    get(
        "/api/v1/info",
        "информация о сервисе",
        "service information",
    ),
    get("/api/v1/ping", "проверка доступности", "ping"),
    get(
        "/api/v1/health",
        "состояние компонентов",
        "component health",
    ),
    get("/metrics", "метрики", "metrics"),
    get("/docs/", "документация", "documentation"),
    get(
        "/api-docs/openapi.json",
        "документ OpenAPI",
        "OpenAPI document",
    ),
];

/// The page, in the language of `?lang`, else of `Accept-Language`.
pub(crate) async fn index(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let services = &state.services;
    let identity = services.info.identity();
    let policy = services.access.policy();
    let locale = chosen(request.query_string()).unwrap_or(context::of(&request).locale);
    let has_metrics = request.resource_map().has_resource(METRICS.template);
    let is_here = |endpoint: &&ListedEndpoint| has_metrics || endpoint.path != METRICS.template;
    let page = InboxPage {
        locale,
        base: state.settings.public_url.prefix(),
        name: &identity.name,
        version: &identity.version,
        environment: &identity.environment,
        pod: &identity.instance,
        started_at: rfc3339(state.started_at),
        now: rfc3339(services.clock.now()),
        max_length: state.settings.max_message_length,
        is_open: policy.is_open(),
        writes_open: policy.needs(Action::Write).is_none(),
        durability: services.messages.durability().as_str(),
        has_metrics,
        given: given_page(&request, &state).await,
        modules: asset::modules(locale).collect(),
        endpoints: ENDPOINTS.iter().filter(is_here).collect(),
    };
    html::respond(&page, locale)
}

/// The language that the query asks for.
fn chosen(query: &str) -> Option<Locale> {
    query.split('&').find_map(|pair| match pair {
        "lang=ru" => Some(Locale::Ru),
        "lang=en" => Some(Locale::En),
        _ => None,
    })
}
