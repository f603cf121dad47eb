//! The address of a server.

use std::net::IpAddr;

use reqwest::Url;

use crate::error::ClientError;

/// Parses the base address of a server. The path of the result ends with a slash, so that joining a
/// path keeps the last segment.
pub(crate) fn parse(text: &str) -> Result<Url, ClientError> {
    let invalid = |reason: String| ClientError::Address {
        address: without_password(text).to_owned(),
        reason,
    };
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    if !["http", "https"].contains(&scheme.to_lowercase().as_str()) {
        return Err(invalid("it must start with http:// or https://".to_owned()));
    }
    let mut url = Url::parse(text).map_err(|error| invalid(error.to_string()))?;
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// The part of an address that may be printed: everything after the last `@`, because a password
/// may precede it.
pub(crate) fn without_password(address: &str) -> &str {
    address.rsplit('@').next().unwrap_or_default()
}

/// True if the host is `localhost` or a loopback address.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    host == "localhost" || address.is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_keeps_its_last_segment() {
        let base = parse("https://example.org/inbox").unwrap();
        let joined = base.join("api/v1/message").unwrap();
        assert_eq!(joined.path(), "/inbox/api/v1/message");
    }

    #[test]
    fn the_loopback_is_recognised() {
        for (text, expected) in [
            ("http://LOCALHOST:5000", true),
            ("http://127.8.0.1", true),
            ("http://[::1]:5000/inbox", true),
            ("http://localhost.example.org", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn an_invalid_address_is_reported_without_its_password() {
        for text in [
            "ftp://u:hunter2@nowhere",
            "http://u:hunter2@no where",
            "127.0.0.1:5000",
        ] {
            let text = parse(text).unwrap_err().to_string();
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
