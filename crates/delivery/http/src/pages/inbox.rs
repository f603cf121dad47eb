//! The page at `/`: the inbox, who answers, and where to look.

mod parts;

use actix_web::{HttpRequest, HttpResponse, web};

use crate::pages::layout::{document, escape};
use crate::request::context;
use crate::settings::Locale;
use crate::state::State;
use crate::wire::time::rfc3339;

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

/// The page, in the language of `?lang`, else of `Accept-Language`.
pub(crate) async fn index(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    let locale = chosen(request.query_string()).unwrap_or(context::of(&request).locale);
    let name = escape(&state.services.info.identity().name);
    let is_open = state.services.access.policy().is_open();
    let warning = if is_open {
        format!(
            "<p class=\"note\" role=\"note\"><strong>{}</strong></p>",
            open_access(locale)
        )
    } else {
        String::new()
    };
    let body = [
        parts::header(locale, &name),
        "<main id=\"main\">".to_owned(),
        warning,
        parts::notes(locale),
        "<div class=\"columns\"><div class=\"stack\">".to_owned(),
        parts::send_form(locale),
        parts::messages(locale),
        "</div><div class=\"stack\">".to_owned(),
        service(locale, &state),
        endpoints(locale),
        "</div></div></main>".to_owned(),
        parts::dialogs(locale),
    ]
    .concat();
    let data = format!(
        " data-max-length=\"{}\" data-open=\"{is_open}\"",
        state.settings.max_message_length
    );
    document(locale, &name, &data, &body, true)
}

/// The language that the query asks for.
fn chosen(query: &str) -> Option<Locale> {
    query.split('&').find_map(|pair| match pair {
        "lang=ru" => Some(Locale::Ru),
        "lang=en" => Some(Locale::En),
        _ => None,
    })
}

/// Who answers, and how it is.
fn service(locale: Locale, state: &State) -> String {
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
        (locale.pick("Под", "Pod"), identity.instance.to_string()),
        (locale.pick("Запущен", "Started"), rfc3339(state.started_at)),
        (
            locale.pick("Сейчас", "Now"),
            rfc3339(state.services.clock.now()),
        ),
    ];
    let facts = facts.map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escape(&value)));
    parts::service(locale, &facts.concat())
}

fn endpoints(locale: Locale) -> String {
    let rows = ENDPOINTS.map(|row| endpoint(&row, locale)).concat();
    let heading = locale.pick("Точки входа", "Endpoints");
    format!(
        "<section class=\"card\" aria-labelledby=\"ends-h\"><h2 id=\"ends-h\">{heading}</h2>\
         <ul class=\"ends\">{rows}</ul></section>"
    )
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
