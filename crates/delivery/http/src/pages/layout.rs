//! The frame of every page: head, style, policy.

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderValue};

use crate::settings::Locale;

/// A page loads its style and its script from here, and asks nobody else for anything.
pub(super) const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Drawn in place, so that browsers do not ask for a file.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
    %3Cpath fill='%239a4312' d='M2 9a6 5 0 0 1 6-5h1a3 3 0 0 1 3 3v5h-2V8H8a4 3 0 0 0-4 3v1H2z'/%3E%3C/svg%3E";

/// A page of text; `title` and `body` are HTML already.
pub(super) fn html(locale: Locale, title: &str, body: &str) -> HttpResponse {
    let body = format!("<main class=\"plain\">{body}</main>");
    document(locale, title, "", &body, false)
}

/// A whole document.
pub(super) fn document(
    locale: Locale,
    title: &str,
    data: &str,
    body: &str,
    has_script: bool,
) -> HttpResponse {
    let language = locale.as_str();
    let script = if has_script {
        "<script type=\"module\" src=\"/assets/page.js\"></script>"
    } else {
        ""
    };
    let text = format!(
        "<!doctype html><html lang=\"{language}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><link rel=\"icon\" href=\"{ICON}\">\
         <link rel=\"stylesheet\" href=\"/assets/page.css\">{script}</head>\
         <body{data}>{body}</body></html>"
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
