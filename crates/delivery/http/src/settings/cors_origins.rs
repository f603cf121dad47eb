//! The origins whose pages may call the API.

use std::str::FromStr;

use url::Url;

/// The configured origins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CorsOrigins {
    /// None: pages of other origins cannot read responses.
    #[default]
    None,
    /// Every origin; never with credentials.
    Any,
    /// These origins.
    List(Vec<String>),
}

/// A text is not an origin (RFC 6454, 6.2) or `*`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` matches no origin of a browser: a scheme, a host in lower case and perhaps a port that is not the default, \
     such as https://app.example; there are no patterns"
)]
pub struct CorsOriginsError(String);

impl FromStr for CorsOrigins {
    type Err = CorsOriginsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl CorsOrigins {
    /// Parses a comma-separated list of origins, or `*`; an empty list is [`CorsOrigins::None`].
    pub fn parse(text: &str) -> Result<Self, CorsOriginsError> {
        let items: Vec<_> = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .collect();
        if items.is_empty() {
            return Ok(Self::None);
        }
        if items.contains(&"*") {
            return Ok(Self::Any);
        }
        items
            .into_iter()
            .map(origin)
            .collect::<Result<_, _>>()
            .map(Self::List)
    }
}

/// Parses an origin as browsers send it (RFC 6454, 6.2): a scheme, a host in its ASCII form, and a port that is not
/// the scheme's default. Any other text, a pattern included, would never match.
fn origin(text: &str) -> Result<String, CorsOriginsError> {
    let url = Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && !text.contains('*'));
    let origin = url.map(|url| url.origin().ascii_serialization());
    let origin = origin.filter(|origin| origin == text);
    origin.ok_or_else(|| CorsOriginsError(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<CorsOrigins>) {
        assert_eq!(CorsOrigins::parse(text).ok(), expected, "{text}");
    }

    #[test]
    fn a_list_holds_origins_and_nothing_else() {
        let list = |origins: &[&str]| {
            Some(CorsOrigins::List(
                origins.iter().map(|origin| (*origin).to_owned()).collect(),
            ))
        };
        check("", Some(CorsOrigins::None));
        check(" , ", Some(CorsOrigins::None));
        check("*", Some(CorsOrigins::Any));
        check(
            "https://a.example, http://b:81",
            list(&["https://a.example", "http://b:81"]),
        );
        check("https://a.example/", None);
        check("https://a.example/path", None);
        check("a.example", None);
        check("ftp://a.example", None);
        check("https://user@a.example", None);
        check("https://*.a.example", None);
        check("https://a.example:*", None);
        check("https://A.example", None);
        check("https://a.example:443", None);
        check("https://пример.рф", None);
        check("http://[::1]:81", list(&["http://[::1]:81"]));
    }
}
