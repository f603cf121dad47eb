//! Makes every error response a problem document (RFC 9457), whichever layer made it; for people who
//! submitted a form, a page with the same texts.

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use posthorn_http1::HeaderLines;

use crate::middleware::flood;
use crate::request::context::{LoggedError, RequestContext};
use crate::request::{browser_form, path};
use crate::route;
use crate::state::AppState;
use crate::state::metrics::Shed;
use crate::wire::problem::{self, ApiError, Code};

/// The response with a problem document as its body, if it is an error.
pub(super) fn write(
    response: ServiceResponse<BoxBody>,
    context: &RequestContext,
    state: &AppState,
) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let is_document = response.headers().get(header::CONTENT_TYPE) == Some(&problem::CONTENT_TYPE);
    if !is_error || is_document || is_health_report(&response) {
        return response;
    }
    let reported = response.response().error();
    let error = reported.and_then(Error::as_error::<ApiError>).cloned();
    // Only the flood guard responds with 429 and without an `ApiError`.
    let flooded = if error.is_none() && status == StatusCode::TOO_MANY_REQUESTS {
        retry_after(response.headers())
    } else {
        None
    };
    let error = error.unwrap_or_else(|| match flooded {
        Some(seconds) => flood::error(&state.settings, seconds),
        None => ApiError {
            retry_after: retry_after(response.headers()),
            cause: reported.map(|error| Box::new(error.to_string().into())),
            ..ApiError::new(Code::of_status(status))
        },
    });
    let logged = LoggedError {
        code: Some(error.code.as_str()),
        cause: error.cause.clone().filter(|_| status.is_server_error()),
    };
    let _ = context.error.set(logged);
    let (request, plain) = response.into_parts();
    let legacy = route::is_legacy_path(path::routed_path(&request));
    let as_page = || {
        let base = state.settings.public_url.prefix();
        error.page(&context.id, context.locale, base).ok()
    };
    let page = browser_form::is_submission(&request)
        .then(as_page)
        .flatten();
    let as_document = || {
        let (locale, public_url) = (context.locale, &state.settings.public_url);
        error.response(&context.id, locale, public_url, request.path(), legacy)
    };
    let mut document = page.unwrap_or_else(as_document);
    // Headers that other middleware has set stay, such as those of CORS. `Vary` has the fields of both.
    let own = document.headers().clone();
    for (name, value) in plain.headers() {
        let is_kept = *name == header::VARY || !own.contains_key(name);
        if is_kept && *name != header::CONTENT_LENGTH {
            document.headers_mut().append(name.clone(), value.clone());
        }
    }
    if let Some(seconds) = flooded {
        state.services.request_metrics.request_shed(Shed::Flood);
        if let Some(lines) = request.conn_data::<HeaderLines>() {
            flood::push_fields(lines, state, seconds);
        }
    }
    ServiceResponse::new(request, document)
}

/// `Retry-After` in seconds.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// True for a health report: 503 with a body of its own.
fn is_health_report(response: &ServiceResponse<BoxBody>) -> bool {
    response.response().error().is_none()
        && response.headers().get(header::CONTENT_TYPE).is_some()
        && response.status() == StatusCode::SERVICE_UNAVAILABLE
}
