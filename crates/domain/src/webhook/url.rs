//! The URL of a webhook's receiver.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

/// An absolute `http` or `https` URL without user information and fragment, at most 2,048 bytes
/// long. Its text is the normal form of the WHATWG URL standard. Whether its address may be called
/// is not decided here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WebhookUrl(Url);

/// The schemes that a webhook's URL may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlSchemes {
    /// `https` only, for production.
    Https,
    /// `http` and `https`.
    HttpAndHttps,
}

/// Why a text is not the URL of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookUrlError {
    /// There is none.
    #[error("a URL is required")]
    Missing,
    /// More than [`WebhookUrl::MAX_LENGTH`] bytes.
    #[error("a URL has at most {} bytes", WebhookUrl::MAX_LENGTH)]
    Length,
    /// No absolute URL, or one with a control character, a space or a backslash.
    #[error("an absolute URL such as https://example.com/hook")]
    Syntax,
    /// A scheme other than those allowed.
    #[error("a URL with {}", match .0 {
        UrlSchemes::Https => "https",
        UrlSchemes::HttpAndHttps => "http or https",
    })]
    Scheme(UrlSchemes),
    /// User information.
    #[error("a URL without user information; use a header for credentials")]
    UserInformation,
    /// A fragment.
    #[error("a URL without a fragment")]
    Fragment,
    /// The port 0.
    #[error("a URL with another port than 0")]
    Port,
    /// A host name that cannot exist (RFC 1035, 2.3.4).
    #[error("a host name of labels of 1 to 63 characters without `*`, at most 253 characters")]
    HostName,
}

impl WebhookUrl {
    /// The most bytes, as written and in the normal form.
    pub const MAX_LENGTH: usize = 2_048;

    /// The URL that `text` is.
    pub fn parse(text: &str, schemes: UrlSchemes) -> Result<Self, WebhookUrlError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(WebhookUrlError::Length);
        }
        // The parser would remove or replace them, so the text would not be the URL that is called.
        let is_mended = |character: char| character.is_control() || " \\".contains(character);
        if text.contains(is_mended) {
            return Err(WebhookUrlError::Syntax);
        }
        let url = Url::parse(text).map_err(|_| WebhookUrlError::Syntax)?;
        match (url.scheme(), schemes) {
            ("https", _) | ("http", UrlSchemes::HttpAndHttps) => {}
            _ => return Err(WebhookUrlError::Scheme(schemes)),
        }
        // The parser also accepts `https:example.com`.
        let authority = text.split_once("://").map(|(_, rest)| rest);
        let authority = authority.ok_or(WebhookUrlError::Syntax)?;
        let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
        // Also an empty one, which the parser removes; and one after further slashes, which it skips.
        let has_user = !url.username().is_empty() || url.password().is_some();
        if has_user || authority.contains('@') {
            return Err(WebhookUrlError::UserInformation);
        }
        if url.fragment().is_some() {
            return Err(WebhookUrlError::Fragment);
        }
        if url.as_str().len() > Self::MAX_LENGTH {
            return Err(WebhookUrlError::Length);
        }
        Ok(Self(url))
    }

    /// Rejects a URL that no request can ever reach. Not a part of [`WebhookUrl::parse`]: a store may
    /// hold such URLs.
    ///
    /// # Errors
    /// [`WebhookUrlError::Port`], [`WebhookUrlError::HostName`].
    pub fn check_reachable(&self) -> Result<(), WebhookUrlError> {
        if self.0.port() == Some(0) {
            return Err(WebhookUrlError::Port);
        }
        let Some(Host::Domain(name)) = self.0.host() else {
            return Ok(());
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_label = |label: &str| (1..=63).contains(&label.len());
        if name.len() <= 253 && !name.contains('*') && name.split('.').all(is_label) {
            Ok(())
        } else {
            Err(WebhookUrlError::HostName)
        }
    }

    /// The URL, in its normal form.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The parsed URL.
    pub const fn as_url(&self) -> &Url {
        &self.0
    }

    /// True for `https`.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The address that stands in the URL; `None` if a name stands there. The forms that the URL
    /// standard knows, such as `0x7f.1`, are addresses.
    pub fn address(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, WebhookUrlError>) {
        let parsed = WebhookUrl::parse(text, UrlSchemes::HttpAndHttps);
        let parsed = parsed
            .as_ref()
            .map(WebhookUrl::as_str)
            .map_err(|error| *error);
        assert_eq!(parsed, expected, "{text}");
    }

    #[test]
    fn a_url_has_its_normal_form() {
        check("https://example.com", Ok("https://example.com/"));
        check(
            "HTTPS://EXAMPLE.com:443/a?b=c",
            Ok("https://example.com/a?b=c"),
        );
        check(
            "http://localhost:8080/a/../b",
            Ok("http://localhost:8080/b"),
        );
        check(
            "https://bücher.example/",
            Ok("https://xn--bcher-kva.example/"),
        );
        check(
            "https://example.com/@a?b=@c",
            Ok("https://example.com/@a?b=@c"),
        );
    }

    #[test]
    fn other_texts_are_rejected() {
        let schemes = UrlSchemes::HttpAndHttps;
        for text in [
            "",
            "example.com",
            "/hook",
            "https://",
            "https:example.com",
            " https://example.com",
            "https://example.com/a b",
            "https://exa\nmple.com",
            "https:\\\\example.com",
            "https://example.com\\@evil.example",
            "https://[::1",
            "https://1.2.3.256",
        ] {
            check(text, Err(WebhookUrlError::Syntax));
        }
        check("ftp://example.com", Err(WebhookUrlError::Scheme(schemes)));
        check("file:///etc/passwd", Err(WebhookUrlError::Scheme(schemes)));
        for text in [
            "https://a@example.com",
            "https://a:b@c",
            "https://@example.com",
            "https:///a:b@example.com",
        ] {
            check(text, Err(WebhookUrlError::UserInformation));
        }
        check("https://example.com/#", Err(WebhookUrlError::Fragment));
        check("https://example.com/#a", Err(WebhookUrlError::Fragment));
        let long = |length: usize| format!("https://example.com/{}", "a".repeat(length - 20));
        assert!(WebhookUrl::parse(&long(2_048), schemes).is_ok());
        check(&long(2_049), Err(WebhookUrlError::Length));
        // Each of these letters is six characters in the normal form.
        let grows = format!("https://example.com/{}", "ж".repeat(500));
        check(&grows, Err(WebhookUrlError::Length));
    }

    #[test]
    fn a_url_that_no_request_can_reach_is_rejected() {
        let label = "a".repeat(63);
        let name = |last: usize| format!("{label}.{label}.{label}.{}", "a".repeat(last));
        for (url, expected) in [
            ("https://example.com:1/".to_owned(), Ok(())),
            ("https://example.com./".to_owned(), Ok(())),
            ("https://[2606:4700::1]/".to_owned(), Ok(())),
            (format!("https://{label}.example/"), Ok(())),
            (format!("https://{}/", name(61)), Ok(())),
            (
                "https://example.com:0/".to_owned(),
                Err(WebhookUrlError::Port),
            ),
            (
                "https://*.example.com/".to_owned(),
                Err(WebhookUrlError::HostName),
            ),
            (
                "https://a..example/".to_owned(),
                Err(WebhookUrlError::HostName),
            ),
            (
                format!("https://a{label}.example/"),
                Err(WebhookUrlError::HostName),
            ),
            (
                format!("https://{}/", name(62)),
                Err(WebhookUrlError::HostName),
            ),
        ] {
            let parsed = WebhookUrl::parse(&url, UrlSchemes::Https).unwrap();
            assert_eq!(parsed.check_reachable(), expected, "{url}");
        }
    }

    #[test]
    fn production_accepts_https_only() {
        let parse = |text| WebhookUrl::parse(text, UrlSchemes::Https);
        assert!(parse("https://example.com").is_ok());
        let error = Err(WebhookUrlError::Scheme(UrlSchemes::Https));
        assert_eq!(parse("http://example.com"), error);
    }

    #[test]
    fn an_address_is_one_in_every_form() {
        for (text, address) in [
            ("http://127.0.0.1/", Some("127.0.0.1")),
            ("http://0x7f.1/", Some("127.0.0.1")),
            ("http://2130706433/", Some("127.0.0.1")),
            ("http://0177.0.0.1/", Some("127.0.0.1")),
            ("http://[::ffff:10.0.0.1]/", Some("::ffff:10.0.0.1")),
            ("http://localhost/", None),
        ] {
            let url = WebhookUrl::parse(text, UrlSchemes::HttpAndHttps).unwrap();
            let address: Option<IpAddr> = address.map(|address| address.parse().unwrap());
            assert_eq!(url.address(), address, "{text}");
        }
    }
}
