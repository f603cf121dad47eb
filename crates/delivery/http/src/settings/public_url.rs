//! The URL under which clients reach the server.

use std::str::FromStr;
use std::sync::Arc;

use url::Url;

/// The start of every link: scheme, host and path prefix, without a slash at the end. Empty if it is not
/// configured: links are paths then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicUrl {
    base: Arc<str>,
    prefix: Arc<str>,
}

/// A text is not a public URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a public URL: http or https, a host, perhaps a port and a path, such as \
     https://www.example/inbox"
)]
pub struct PublicUrlError(String);

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    /// Parses a URL; the empty text stands for none.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let refused = || PublicUrlError(text.to_owned());
        let url = Url::parse(text).map_err(|_| refused())?;
        let is_base = matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            // A link that begins with two slashes would name another host.
            && !url.path().contains("//");
        if !is_base {
            return Err(refused());
        }
        Ok(Self {
            base: url.as_str().trim_end_matches('/').into(),
            prefix: url.path().trim_end_matches('/').into(),
        })
    }
}

impl PublicUrl {
    /// The start of absolute links; empty without a public URL.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The path under which a proxy serves the server, without a slash at the end; mostly empty.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The link to a path of the server.
    pub(crate) fn link(&self, path: &str) -> String {
        [self.base(), path].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_begins_with_the_public_url() {
        for (text, link, prefix) in [
            ("", "/docs/", ""),
            ("https://a.example", "https://a.example/docs/", ""),
            ("HTTPS://A.example:443/", "https://a.example/docs/", ""),
            (
                "http://a.example:8080/in/box/",
                "http://a.example:8080/in/box/docs/",
                "/in/box",
            ),
        ] {
            let url: PublicUrl = text.parse().unwrap();
            assert_eq!((url.link("/docs/").as_str(), url.prefix()), (link, prefix));
        }
    }

    #[test]
    fn only_a_scheme_a_host_and_a_path_are_accepted() {
        for text in [
            "a.example",
            "/inbox",
            "ftp://a.example",
            "https://",
            "https://user@a.example",
            "https://a.example/?x",
            "https://a.example/#x",
            "https://a.example//b.example",
            r"https://a.example/\b.example",
        ] {
            assert!(text.parse::<PublicUrl>().is_err(), "{text}");
        }
    }
}
