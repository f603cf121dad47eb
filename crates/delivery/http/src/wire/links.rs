//! The header `Link` (RFC 8288).

use actix_web::HttpResponseBuilder;
use actix_web::http::header;

/// `Link` (RFC 8288) with the relations `next` and `prev`.
pub(crate) fn insert_links(
    answer: &mut HttpResponseBuilder,
    next: Option<&str>,
    prev: Option<&str>,
) {
    let links: Vec<_> = [("next", next), ("prev", prev)]
        .into_iter()
        .filter_map(|(relation, url)| Some(format!("<{}>; rel=\"{relation}\"", url?)))
        .collect();
    if !links.is_empty() {
        answer.insert_header((header::LINK, links.join(", ")));
    }
}
