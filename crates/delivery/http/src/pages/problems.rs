//! The pages that the `type` of problem documents links to.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::request::context;
use crate::settings::Locale;
use crate::state::AppState;
use crate::wire::html;
use crate::wire::problem::{ApiError, Code};

/// The page of one code.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    locale: Locale,
    base: &'a str,
    title: &'static str,
    detail: &'static str,
    status: u16,
    name: &'a str,
}

/// The title, the sentence and the status of one code.
pub(crate) async fn page(
    request: HttpRequest,
    state: web::Data<AppState>,
    name: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let code = Code::named(&name).ok_or_else(|| ApiError::new(Code::NotFound))?;
    let locale = context::of(&request).locale;
    let page = ProblemPage {
        locale,
        base: state.settings.public_url.prefix(),
        title: code.title(locale),
        detail: code.detail(locale),
        status: code.status().as_u16(),
        name: &name,
    };
    html::respond(&page, locale)
}
