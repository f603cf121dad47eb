//! The origins whose pages may call the API.

use std::str::FromStr;

use actix_web::http::uri::Uri;

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
#[error("`{0}` is not an origin: a scheme, a host and perhaps a port, such as https://app.example")]
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

/// Parses an origin as browsers send it: without a path or a trailing slash.
fn origin(text: &str) -> Result<String, CorsOriginsError> {
    let refused = || CorsOriginsError(text.to_owned());
    let uri = Uri::from_str(text).map_err(|_| refused())?;
    let scheme = uri
        .scheme_str()
        .filter(|scheme| matches!(*scheme, "http" | "https"));
    let authority = uri
        .authority()
        .filter(|authority| !authority.as_str().contains('@'));
    match (scheme, authority) {
        (Some(scheme), Some(authority)) if format!("{scheme}://{authority}") == text => {
            Ok(text.to_owned())
        }
        _ => Err(refused()),
    }
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
    }
}
