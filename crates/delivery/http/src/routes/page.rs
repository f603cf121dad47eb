//! The page at `/`: who answers, and where to look.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::context;
use crate::locale::Locale;
use crate::state::State;
use crate::time::rfc3339;

/// The style is the page's own; nothing else is loaded.
pub(super) const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--accent:#b3541e}\
body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:0 auto;padding:2rem 1rem}\
h1{margin:0;color:var(--accent)}dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem}\
dt{opacity:.7}dd{margin:0}li{padding:.35rem 0;border-top:1px solid var(--line)}\
ul{list-style:none;padding:0}code{font:.95em ui-monospace,monospace}a{color:inherit}";

/// The endpoints that the page lists: method, path, whether it can be opened, and what it does.
const ENDPOINTS: [(&str, &str, bool, (&str, &str)); 8] = [
    (
        "POST",
        "/api/v1/message",
        false,
        ("принять сообщение", "accept a message"),
    ),
    ("GET", "/api/v1/topics", true, ("темы", "topics")),
    (
        "GET",
        "/api/v1/info",
        true,
        ("сведения о сервисе", "who answers"),
    ),
    (
        "GET",
        "/api/v1/ping",
        true,
        ("проверка связи", "whether it answers"),
    ),
    (
        "GET",
        "/api/v1/health",
        true,
        ("состояние частей", "how its parts are"),
    ),
    ("GET", "/metrics", true, ("метрики", "metrics")),
    ("GET", "/docs/", true, ("документация", "documentation")),
    (
        "GET",
        "/api-docs/openapi.json",
        true,
        ("документ OpenAPI", "the OpenAPI document"),
    ),
];

/// The page.
pub(crate) async fn index(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    let locale = context::of(&request).locale;
    let identity = state.services.info.identity();
    let facts = [
        (
            locale.pick("Версия", "Version"),
            identity.version.to_string(),
        ),
        (
            locale.pick("Окружение", "Environment"),
            identity.environment.to_string(),
        ),
        (locale.pick("Под", "Pod"), identity.pod.to_string()),
        (locale.pick("Запущен", "Started"), rfc3339(state.started_at)),
        (
            locale.pick("Сейчас", "Now"),
            rfc3339(state.services.clock.now()),
        ),
    ];
    let facts = facts.map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escape(&value)));
    let facts = facts.concat();
    let endpoints = ENDPOINTS.map(|row| endpoint(&row, locale)).concat();
    let name = escape(&identity.name);
    let heading = locale.pick("Точки входа", "Endpoints");
    let warning = if state.services.access.policy().is_open() {
        format!(
            "<p role=\"note\"><strong>{}</strong></p>",
            open_access(locale)
        )
    } else {
        String::new()
    };
    let body = format!(
        "<main><h1>{name}</h1>{warning}<dl>{facts}</dl><h2>{heading}</h2><ul>{endpoints}</ul></main>"
    );
    html(locale, &name, &body)
}

/// What everybody should know who sees the page of such a server.
fn open_access(locale: Locale) -> &'static str {
    locale.pick(
        "Доступ открыт: читать и удалять сообщения может каждый, кто видит этот сервер. \
         С ENVIRONMENT=production для этого нужен токен.",
        "Access is open: everybody who reaches this server may read and delete messages. \
         ENVIRONMENT=production asks for a token.",
    )
}

fn endpoint(
    (method, path, opens, what): &(&str, &str, bool, (&'static str, &'static str)),
    locale: Locale,
) -> String {
    let what = locale.pick(what.0, what.1);
    let path = format!("<code>{method} {path}</code>");
    if *opens {
        let href = path_of(&path);
        format!("<li><a href=\"{href}\">{path}</a> {what}</li>")
    } else {
        format!("<li>{path} {what}</li>")
    }
}

/// The path inside `<code>METHOD path</code>`.
fn path_of(code: &str) -> &str {
    let path = code.split(' ').nth(1).unwrap_or("/");
    path.strip_suffix("</code>").unwrap_or(path)
}

/// A whole document; `title` and `body` are HTML already.
pub(super) fn html(locale: Locale, title: &str, body: &str) -> HttpResponse {
    let language = locale.as_str();
    let text = format!(
        "<!doctype html><html lang=\"{language}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body>{body}</body></html>"
    );
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .insert_header((header::VARY, "Accept-Language"))
        .body(text)
}

/// Text as HTML shows it.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
