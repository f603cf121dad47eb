//! The origins to which the browsers of forms may be redirected.

use std::str::FromStr;

use url::{Origin, Url};

/// The configured origins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormOrigins(Vec<Origin>);

/// A text is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an origin: http or https, a host and perhaps a port, such as https://www.example"
)]
pub struct FormOriginsError(String);

impl FromStr for FormOrigins {
    type Err = FormOriginsError;

    /// Parses a comma-separated list of origins, which may be empty.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let items = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty());
        items.map(origin).collect::<Result<_, _>>().map(Self)
    }
}

impl FormOrigins {
    /// True if `url` is at one of the origins.
    pub(crate) fn contains(&self, url: &Url) -> bool {
        self.0.contains(&url.origin())
    }
}

fn origin(text: &str) -> Result<Origin, FormOriginsError> {
    let refused = || FormOriginsError(text.to_owned());
    let url = Url::parse(text).map_err(|_| refused())?;
    let is_origin = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && !text.ends_with('/')
        && !text.contains(['*', '\\'])
        && url.query().is_none()
        && url.fragment().is_none();
    if is_origin {
        Ok(url.origin())
    } else {
        Err(refused())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_compared_by_their_origins() {
        let origins: FormOrigins = "https://a.example, http://b.example:8080".parse().unwrap();
        for (url, expected) in [
            ("https://a.example/thanks?x#y", true),
            ("https://a.example:443/", true),
            ("http://b.example:8080/", true),
            ("http://a.example/", false),
            ("http://b.example/", false),
            ("https://a.example.evil.example/", false),
        ] {
            assert_eq!(
                origins.contains(&Url::parse(url).unwrap()),
                expected,
                "{url}"
            );
        }
    }

    #[test]
    fn only_origins_are_accepted() {
        for text in [
            "https://a.example/",
            "https://a.example/path",
            "https://*.example",
            "a.example",
            "ftp://a.example",
            "https://user@a.example",
            "javascript:alert(1)",
        ] {
            assert!(text.parse::<FormOrigins>().is_err(), "{text}");
        }
        assert_eq!("".parse(), Ok(FormOrigins::default()));
    }
}
