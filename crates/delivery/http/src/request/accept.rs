//! The header `Accept` (RFC 9110, 12.5.1).

use actix_web::http::header::{self, HeaderMap};

/// The weight of `media_type`, if a range names it: ranges with `*`, which programs send, do not count. Of several
/// ranges that name it, such as those of versions, the greatest weight counts.
pub(crate) fn weight(headers: &HeaderMap, media_type: &str) -> Option<f32> {
    let lines = headers.get_all(header::ACCEPT);
    let ranges = lines.filter_map(|line| line.to_str().ok());
    let ranges = ranges.flat_map(|line| line.split(','));
    let weights = ranges.filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default();
        let weight = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let is_weight = name.trim_end().eq_ignore_ascii_case("q");
            is_weight.then(|| value.trim().parse().unwrap_or(1.0))
        });
        let is_named = essence.eq_ignore_ascii_case(media_type);
        is_named.then(|| weight.unwrap_or(1.0))
    });
    weights.reduce(f32::max)
}

/// True if `Accept` names `media_type`, and does not exclude it.
pub(crate) fn names(headers: &HeaderMap, media_type: &str) -> bool {
    weight(headers, media_type).is_some_and(|weight| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn only_a_range_with_the_name_counts() {
        for (accept, expected) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", Some(1.0)),
            ("*/*, Text/HTML;q=0.1", Some(0.1)),
            ("text/html;level=1;q=0.2, text/html;Q=0.7", Some(0.7)),
            ("*/*", None),
            ("application/json, text/html;q=0", Some(0.0)),
            ("text/html-x", None),
            ("text/*", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(weight(&headers, "text/html"), expected, "{accept}");
            let is_named = expected.is_some_and(|weight| weight > 0.0);
            assert_eq!(names(&headers, "text/html"), is_named, "{accept}");
        }
    }
}
