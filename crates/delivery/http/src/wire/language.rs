//! The headers of a response whose texts are in the client's language.

use actix_web::HttpResponseBuilder;
use actix_web::http::header::{self, HeaderValue};

use crate::settings::Locale;

/// Inserts `Content-Language` and `Vary` (RFC 9110, 8.5 and 12.5.5).
pub(crate) fn insert_language(response: &mut HttpResponseBuilder, locale: Locale) {
    response
        .insert_header((
            header::CONTENT_LANGUAGE,
            HeaderValue::from_static(locale.as_str()),
        ))
        .insert_header((header::VARY, HeaderValue::from_static("Accept-Language")));
}
