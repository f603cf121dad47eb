//! The receipt as a page, for people who submitted a form.

use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;

use crate::settings::Locale;
use crate::wire::html;
use crate::wire::problem::ApiError;

/// The page: the text of the message and its id.
#[derive(Template)]
#[template(path = "form_received.html")]
struct FormReceivedPage<'a> {
    locale: Locale,
    base: &'a str,
    text: &'a str,
    id: &'a str,
}

/// Renders the receipt of a message as the body of `response`; `base` is the prefix of the paths of links.
///
/// # Errors
/// The page cannot be rendered.
pub(crate) fn receipt_page(
    response: HttpResponseBuilder,
    base: &str,
    id: &str,
    text: &str,
    locale: Locale,
) -> Result<HttpResponse, ApiError> {
    let page = FormReceivedPage {
        locale,
        base,
        text,
        id,
    };
    html::finish(response, &page, locale)
}
