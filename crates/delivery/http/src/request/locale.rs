//! The language of a request.

use actix_web::http::header::{self, AcceptLanguage, HeaderMap, Preference, Quality};

use crate::settings::Locale;

/// The language that `Accept-Language` (RFC 9110, 12.5.4) prefers, else `default`. Of languages with
/// equal weight the first one in the header wins. Without a preference, a language that the header
/// does not exclude is taken, `default` first.
pub(crate) fn negotiate(headers: &HeaderMap, default: Locale) -> Locale {
    // actix-web's own parser of the whole header fails on a line that is not ASCII: the ranges are
    // parsed one by one, and invalid ones are skipped.
    let lines = headers.get_all(header::ACCEPT_LANGUAGE);
    let ranges = lines.filter_map(|line| line.to_str().ok());
    let ranges = ranges.flat_map(|line| line.split(','));
    let ranges = AcceptLanguage(
        ranges
            .filter_map(|range| range.trim().parse().ok())
            .collect(),
    );
    // The known languages with their weights; `None` stands for `*`.
    let ranges = ranges.iter().filter_map(|range| match &range.item {
        Preference::Any => Some((None, range.quality)),
        Preference::Specific(tag) => Some((Some(known(tag.primary_language())?), range.quality)),
    });
    let weights: Vec<(Option<Locale>, Quality)> = ranges.collect();
    let of = |wanted| weights.iter().filter(move |(locale, _)| *locale == wanted);
    // `en` and `en-GB` are one language here.
    let weight_of = |wanted| of(wanted).max_by_key(|(_, weight)| *weight);
    let weight = |locale| weight_of(Some(locale)).or_else(|| weight_of(None));
    let all = [default, Locale::Ru, Locale::En];
    let mut best = None;
    for locale in weights.iter().filter_map(|(locale, _)| *locale).chain(all) {
        let weight = weight(locale).map_or(Quality::ZERO, |(_, weight)| *weight);
        if weight > best.map_or(Quality::ZERO, |(_, most)| most) {
            best = Some((locale, weight));
        }
    }
    let is_open =
        |locale: &Locale| weight(*locale).is_none_or(|(_, weight)| *weight > Quality::ZERO);
    let open = all.into_iter().find(is_open);
    best.map(|(locale, _)| locale).or(open).unwrap_or(default)
}

fn known(language: &str) -> Option<Locale> {
    let mut locales = [Locale::Ru, Locale::En].into_iter();
    locales.find(|locale| language.eq_ignore_ascii_case(locale.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[track_caller]
    fn check(accept: &str, expected: Locale) {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCEPT_LANGUAGE,
            HeaderValue::from_str(accept).unwrap(),
        );
        assert_eq!(negotiate(&headers, Locale::Ru), expected, "{accept}");
    }

    #[test]
    fn the_preferred_known_language_wins() {
        check("en", Locale::En);
        check("en-GB,en;q=0.9", Locale::En);
        check("de, en;q=0.5, ru;q=0.8", Locale::Ru);
        check("en;q=0.1, ru;q=0.5, en-GB;q=0.9", Locale::En);
        check("ru;q=0.1, en;q=0.2", Locale::En);
        check("en;q=0, *", Locale::Ru);
        check("ru;q=0, *;q=0.5", Locale::En);
        check("en;q=0.3, *;q=0.5", Locale::Ru);
        check("en, ru", Locale::En);
        check("en;q=0", Locale::Ru);
        check("ru;q=0", Locale::En);
        check("ru;Q=0.000", Locale::En);
        check("ru;q=0, *;q=0", Locale::Ru);
        check("de, ru;q=0", Locale::En);
        check("ru;Q=0.1, en;q=0.2", Locale::En);
        check("ru ; Q = 0.1 , en", Locale::En);
        check("ru;level=1;q=0.1, en;q=0.2", Locale::En);
        check("ru;q=0, en;q=0", Locale::Ru);
        check("en;q=7, ru;q=0.1", Locale::Ru);
        check("en;q=NaN", Locale::Ru);
        check("de", Locale::Ru);
        check("*", Locale::Ru);
        check("EN", Locale::En);
        check(";;,q=,", Locale::Ru);
        check("en;q=nonsense", Locale::Ru);
        assert_eq!(negotiate(&HeaderMap::new(), Locale::En), Locale::En);
    }

    #[test]
    fn all_lines_are_read() {
        let mut headers = HeaderMap::new();
        for line in [&b"ru;q=0.5"[..], b"\xff", b"en"] {
            let line = HeaderValue::from_bytes(line).unwrap();
            headers.append(header::ACCEPT_LANGUAGE, line);
        }
        assert_eq!(negotiate(&headers, Locale::Ru), Locale::En);
    }
}
