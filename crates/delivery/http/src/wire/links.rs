//! The header `Link` (RFC 8288).

use actix_web::HttpResponseBuilder;
use actix_web::http::header;

/// Inserts the relations `next` and `prev`.
pub(crate) fn insert_links(
    response: &mut HttpResponseBuilder,
    next: Option<&str>,
    prev: Option<&str>,
) {
    let links: Vec<_> = [("next", next), ("prev", prev)]
        .into_iter()
        .filter_map(|(relation, url)| Some(format!("<{}>; rel=\"{relation}\"", url?)))
        .collect();
    if !links.is_empty() {
        response.insert_header((header::LINK, links.join(", ")));
    }
}
