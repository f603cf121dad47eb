//! Swagger UI, from the binary.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, web};
use utoipa_swagger_ui::Config;

use crate::state::AppState;
use crate::wire::problem::{ApiError, Code};

static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    Arc::new(
        // From `/docs/`, so that it is found under the prefix of a proxy too.
        Config::from("../api-docs/openapi.json")
            .use_base_layout()
            .validator_url("none"),
    )
});

/// The policy of Swagger UI, which sets styles from scripts and has icons in data URLs.
const DOCS_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'",
);

/// Returns a file of Swagger UI.
pub(crate) async fn file(name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let file = utoipa_swagger_ui::serve(&name, Arc::clone(&CONFIG));
    let file = file.map_err(|error| ApiError::caused_by(Code::Internal, error.to_string()))?;
    let file = file.ok_or_else(|| ApiError::new(Code::NotFound))?;
    // All but the file with the configuration are in the binary: a copy for each request would add up.
    let bytes = match file.bytes {
        Cow::Borrowed(bytes) => web::Bytes::from_static(bytes),
        Cow::Owned(bytes) => web::Bytes::from(bytes),
    };
    Ok(HttpResponse::Ok()
        .content_type(file.content_type)
        .insert_header((header::CONTENT_SECURITY_POLICY, DOCS_POLICY))
        .body(bytes))
}

/// Redirects from the original's path of the documentation.
pub(crate) async fn moved(state: web::Data<AppState>) -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, state.settings.public_url.link("/docs/")))
        .finish()
}
