//! The language of texts.

use actix_web::http::header::{self, HeaderMap};

/// A language that texts exist in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locale {
    /// Russian.
    #[default]
    Ru,
    /// English.
    En,
}

impl Locale {
    /// The language tag (RFC 5646).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ru => "ru",
            Self::En => "en",
        }
    }

    /// One of two texts.
    pub(crate) const fn pick(self, ru: &'static str, en: &'static str) -> &'static str {
        match self {
            Self::Ru => ru,
            Self::En => en,
        }
    }

    /// The language that `Accept-Language` (RFC 9110, 12.5.4) prefers, else `default`.
    pub(crate) fn negotiate(headers: &HeaderMap, default: Self) -> Self {
        let Some(header) = headers.get(header::ACCEPT_LANGUAGE) else {
            return default;
        };
        let Ok(text) = header.to_str() else {
            return default;
        };
        let mut best = None;
        for range in text.split(',') {
            let Some((locale, quality)) = parse_range(range, default) else {
                continue;
            };
            // The first of equals wins: clients list what they prefer first.
            if quality > 0.0 && best.is_none_or(|(_, most)| quality > most) {
                best = Some((locale, quality));
            }
        }
        best.map_or(default, |(locale, _)| locale)
    }
}

fn parse_range(range: &str, default: Locale) -> Option<(Locale, f32)> {
    let mut parts = range.split(';');
    let tag = parts.next()?.trim().to_ascii_lowercase();
    let quality = match parts.find_map(|part| part.trim().strip_prefix("q=")) {
        Some(quality) => quality.trim().parse().ok()?,
        None => 1.0,
    };
    let locale = match tag.split('-').next()? {
        "ru" => Locale::Ru,
        "en" => Locale::En,
        "*" => default,
        _ => return None,
    };
    Some((locale, quality))
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
        assert_eq!(
            Locale::negotiate(&headers, Locale::Ru),
            expected,
            "{accept}"
        );
    }

    #[test]
    fn the_preferred_known_language_wins() {
        check("en", Locale::En);
        check("en-GB,en;q=0.9", Locale::En);
        check("de, en;q=0.5, ru;q=0.8", Locale::Ru);
        check("ru;q=0.1, en;q=0.2", Locale::En);
        check("en;q=0, *", Locale::Ru);
        check("de", Locale::Ru);
        check("*", Locale::Ru);
        check("EN", Locale::En);
        check(";;,q=,", Locale::Ru);
        check("en;q=nonsense", Locale::Ru);
        assert_eq!(Locale::negotiate(&HeaderMap::new(), Locale::En), Locale::En);
    }
}
