//! The language of a request.

use actix_web::http::header::{self, HeaderMap};

use crate::settings::Locale;

/// The language that `Accept-Language` (RFC 9110, 12.5.4) prefers, else `default`.
pub(crate) fn negotiate(headers: &HeaderMap, default: Locale) -> Locale {
    let mut wishes = Wishes::default();
    let lines = headers.get_all(header::ACCEPT_LANGUAGE);
    let lines = lines.filter_map(|line| line.to_str().ok());
    for range in lines.flat_map(|line| line.split(',')) {
        wishes.add(range);
    }
    wishes.preferred(default)
}

/// How much a client likes each language, 0 for not at all; `None` where it says nothing.
#[derive(Debug, Default)]
struct Wishes {
    /// The named languages, in the client's order.
    named: Vec<(Locale, f32)>,
    /// All others.
    any: Option<f32>,
}

impl Wishes {
    /// Notes one range of the header; what cannot be read and what has no text is passed over.
    fn add(&mut self, range: &str) {
        let mut parts = range.split(';');
        let tag = parts.next().unwrap_or_default().trim();
        let mut parameters = parts.filter_map(|part| part.split_once('='));
        let quality = match parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("q")) {
            Some((_, quality)) => quality.trim().parse().ok(),
            None => Some(1.0),
        };
        let Some(quality) = quality.filter(|quality: &f32| (0.0..=1.0).contains(quality)) else {
            return;
        };
        let language = tag.split('-').next().unwrap_or_default();
        let locale = match language {
            "*" => {
                self.any = Some(quality);
                return;
            }
            language if language.eq_ignore_ascii_case("ru") => Locale::Ru,
            language if language.eq_ignore_ascii_case("en") => Locale::En,
            _ => return,
        };
        if self.named.iter().all(|(given, _)| *given != locale) {
            self.named.push((locale, quality));
        }
    }

    /// The language liked best. Of equals the one that was named first wins, and then `default`; where
    /// nothing is said for a language, so does one that is not refused.
    fn preferred(&self, default: Locale) -> Locale {
        let others = [default, Locale::Ru, Locale::En].into_iter();
        let others = others.filter(|locale| self.named.iter().all(|(given, _)| given != locale));
        let others = others.filter_map(|locale| Some((locale, self.any?)));
        let mut best: Option<(Locale, f32)> = None;
        for (locale, quality) in self.named.iter().copied().chain(others) {
            if quality > 0.0 && best.is_none_or(|(_, most)| quality > most) {
                best = Some((locale, quality));
            }
        }
        let is_refused = |locale: &Locale| {
            let named = self.named.iter().find(|(given, _)| given == locale);
            named.map(|(_, quality)| *quality).or(self.any) == Some(0.0)
        };
        let mut open = [default, Locale::Ru, Locale::En].into_iter();
        let open = open.find(|locale| !is_refused(locale));
        best.map(|(locale, _)| locale).or(open).unwrap_or(default)
    }
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
