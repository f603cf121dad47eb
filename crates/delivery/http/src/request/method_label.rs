//! The method of a request as a label of metrics and of audit events.

use actix_web::http::Method;

/// The method label of a method without a route.
pub(crate) const OTHER: &str = "OTHER";

/// The method as a label; all methods without a route share one label.
pub(crate) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER,
    }
}
