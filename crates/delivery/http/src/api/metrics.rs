//! The metrics page.

use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::request::accept;
use crate::state::AppState;
use crate::state::metrics::ExpositionFormat;
use crate::wire::problem::{ApiError, Code};

/// Every metric, in the format that `Accept` asks for.
pub(crate) async fn expose(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let format = format(request.headers());
    match state.services.exposition.render(format) {
        Ok(text) => Ok(HttpResponse::Ok()
            .content_type(format.content_type())
            .insert_header((header::VARY, "Accept"))
            .body(text)),
        Err(error) => Err(ApiError::caused_by(Code::Internal, error)),
    }
}

/// OpenMetrics for a scraper that names it and does not prefer plain text.
fn format(headers: &HeaderMap) -> ExpositionFormat {
    let weight = |media_type| accept::weight(headers, media_type).unwrap_or(0.0);
    let open_metrics = weight("application/openmetrics-text");
    if open_metrics > 0.0 && open_metrics >= weight("text/plain") {
        ExpositionFormat::OpenMetrics
    } else {
        ExpositionFormat::Classic
    }
}
