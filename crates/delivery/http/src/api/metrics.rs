//! The metrics page.

use actix_web::{HttpResponse, web};

use crate::state::AppState;
use crate::wire::problem::{ApiError, Code};

/// Every metric, in the format that the content type names.
pub(crate) async fn expose(state: web::Data<AppState>) -> Result<HttpResponse, ApiError> {
    let exposition = &state.services.exposition;
    match exposition.render() {
        Ok(text) => Ok(HttpResponse::Ok()
            .content_type(exposition.content_type())
            .body(text)),
        Err(error) => {
            tracing::error!(error, "the metrics could not be rendered");
            Err(ApiError::new(Code::Internal))
        }
    }
}
