//! The delivery to webhooks.

use std::str::FromStr;

use garde::Validate;
use posthorn_domain::{AddressRange, Environment};
use posthorn_http::settings::parsed_option;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::quotas::address_ranges;
use crate::section::Section;

/// The delivery to webhooks.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
#[garde(context(Environment))]
pub struct WebhookSection {
    /// The addresses that webhooks may reach although they are loopback, private or otherwise not
    /// public. A block of IPv4 addresses includes their IPv4-mapped IPv6 form.
    #[serde(deserialize_with = "address_ranges")]
    #[schemars(with = "String", extend(
        "default" = "", "type" = ["string", "array"],
        "x-takes" = "a comma list of addresses and blocks such as `10.0.0.0/8,fd00::/8`"
    ))]
    pub webhook_allow_cidrs: Vec<AddressRange>,
    /// The proxy through which webhooks are called. Without it they are called directly, whatever
    /// `HTTP_PROXY` and `HTTPS_PROXY` say. The proxy resolves names, and so has to refuse private
    /// addresses itself.
    #[serde(default, deserialize_with = "parsed_option")]
    #[schemars(with = "String", extend(
        "writeOnly" = true, "format" = "uri",
        "x-takes" = "an `http://` or `https://` URL without a path, perhaps with user and password"
    ))]
    pub webhook_proxy: Option<ProxyUrl>,
}

/// The URL of a proxy, with its password.
#[derive(Clone, Debug)]
pub struct ProxyUrl(pub SecretString);

/// A text is not the URL of a proxy. The text is not repeated: it may contain a password.
#[derive(Debug, thiserror::Error)]
#[error("it is not an `http://` or `https://` URL without a path")]
pub struct ProxyUrlError;

impl Section for WebhookSection {
    const TITLE: &'static str = "Webhooks";
}

impl FromStr for ProxyUrl {
    type Err = ProxyUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| ProxyUrlError)?;
        let is_proxy = matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        if is_proxy {
            Ok(Self(SecretString::from(text)))
        } else {
            Err(ProxyUrlError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_http_url_whose_errors_hide_the_password() {
        for text in [
            "http://proxy:3128",
            "https://u:p@proxy.example",
            "http://[::1]:1/",
        ] {
            assert!(text.parse::<ProxyUrl>().is_ok(), "{text}");
        }
        for text in [
            "proxy:3128",
            "socks5://proxy",
            "http://u:hunter2@",
            "http://u:hunter2@h/x",
        ] {
            let error = text.parse::<ProxyUrl>().unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{text}");
        }
    }
}
