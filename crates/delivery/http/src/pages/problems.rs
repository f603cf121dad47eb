//! The pages behind the `type` of problem documents.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::pages::layout::html;
use crate::request::context;
use crate::wire::problem::{ApiError, Code};

/// What one code means.
pub(crate) async fn page(
    request: HttpRequest,
    name: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let code = Code::named(&name).ok_or_else(|| ApiError::new(Code::NotFound))?;
    let locale = context::of(&request).locale;
    let (title, detail) = (code.title(locale), code.detail(locale));
    let status = code.status().as_u16();
    let body = format!("<h1>{title}</h1><p>{detail}</p><p><code>{status} {name}</code></p>");
    Ok(html(locale, title, &body))
}
