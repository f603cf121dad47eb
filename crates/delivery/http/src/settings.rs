//! The settings of the HTTP server. Each field has its documentation, its default and its rule; the
//! configuration reads this struct as one of its sections.

mod cors_origins;
mod form_origins;
mod legacy_sunset;
mod locale;
mod public_url;
mod text;
mod trusted_proxies;

use std::net::SocketAddr;
use std::time::Duration;

use garde::Validate;
use posthorn_domain::{Charset, ContentRules, Environment};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

pub use cors_origins::{CorsOrigins, CorsOriginsError};
pub use form_origins::FormOrigins;
pub use legacy_sunset::{LegacySunset, LegacySunsetError};
pub use locale::Locale;
pub use public_url::{PublicUrl, PublicUrlError};
pub use text::{DurationText, PositiveDurationText, parsed, parsed_option};
pub use trusted_proxies::{ProxyHeader, TrustedProxies};

/// The settings of the HTTP server. A field without `serde(skip)` is a setting of the same name.
#[derive(Clone, Debug, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
#[garde(context(Environment))]
pub struct HttpSettings {
    /// The listener's addresses; port 0 takes a free port.
    #[serde(skip)]
    pub addresses: Vec<SocketAddr>,
    /// The addresses of `/metrics` and the probes; empty serves `/metrics` on the main listener.
    #[serde(skip)]
    pub metrics_addresses: Vec<SocketAddr>,
    /// Whether browsers must use TLS only (`Strict-Transport-Security`, RFC 6797).
    #[serde(skip)]
    pub is_production: bool,
    /// The time for requests in flight to finish once the server stops accepting; rounded up to
    /// whole seconds.
    #[serde(skip)]
    pub shutdown_timeout: Duration,

    /// The most Unicode scalar values of a message, after trimming.
    #[schemars(extend("default" = 1000))]
    #[garde(range(min = 1, max = 1_000_000))]
    pub max_message_length: usize,
    /// The largest request body, in bytes.
    #[schemars(extend("default" = 65_536))]
    #[garde(range(min = 1, max = 16_777_216))]
    pub max_body_bytes: usize,
    /// The largest body of a batch of messages, in bytes.
    #[schemars(extend("default" = 1_048_576))]
    #[garde(range(min = 1, max = 16_777_216))]
    pub max_batch_bytes: usize,
    /// The characters of a message. `strict` allows letters, digits, `_`, white space and
    /// `-.,!?;:()` only.
    #[serde(deserialize_with = "parsed")]
    #[schemars(with = "String", extend("default" = "text", "enum" = ["text", "strict"]))]
    pub message_charset: Charset,
    /// The language of texts when `Accept-Language` names no known language.
    #[schemars(with = "String", extend("default" = "ru", "enum" = ["ru", "en"]))]
    pub default_locale: Locale,
    /// The origins whose pages may call the API. `*` is refused in production.
    #[serde(deserialize_with = "parsed")]
    #[schemars(with = "String", extend(
        "default" = "", "type" = ["string", "array"],
        "x-takes" = "a comma list of origins such as `https://app.example`, or `*`"
    ))]
    #[garde(custom(named_in_production))]
    pub cors_origins: CorsOrigins,
    /// The origins of pages to which a browser may be sent after it submitted a form, besides this
    /// server's own.
    #[serde(deserialize_with = "parsed")]
    #[schemars(with = "String", extend(
        "default" = "", "type" = ["string", "array"],
        "x-takes" = "a comma list of origins such as `https://www.example`"
    ))]
    pub form_redirect_origins: FormOrigins,
    /// The date from which the unversioned paths below `/api/` may be removed, sent as their header `Sunset` (RFC 8594).
    /// Unset: no header.
    #[serde(default, deserialize_with = "parsed_option")]
    #[schemars(with = "Option<String>", extend(
        "x-takes" = "a date such as `2027-12-31`, or a time of RFC 3339"
    ))]
    pub legacy_sunset: Option<LegacySunset>,
    /// The URL under which clients reach the server: links are absolute then. If it has a path, a reverse
    /// proxy serves the server under it, and removes it from the paths of requests.
    #[serde(deserialize_with = "parsed")]
    #[schemars(with = "String", extend(
        "default" = "", "x-takes" = "a URL such as `https://www.example/inbox`"
    ))]
    pub public_url: PublicUrl,
    /// The number of entries of the header of `TRUSTED_PROXY_HEADER`, from the right, that trusted
    /// proxies added. With 0 the header is ignored.
    #[schemars(extend("default" = 0))]
    #[garde(range(min = 0, max = 16))]
    pub trusted_proxy_hops: usize,
    /// The header in which trusted proxies name the client (`forwarded` is RFC 7239); the other
    /// header is ignored.
    #[serde(deserialize_with = "parsed")]
    #[schemars(with = "String", extend(
        "default" = "x-forwarded-for", "enum" = ["x-forwarded-for", "forwarded"]
    ))]
    pub trusted_proxy_header: ProxyHeader,
    /// The most requests per second of one client to this process, probes exempt. 0 switches the
    /// flood guard off.
    #[schemars(extend("x-default" = "`200` in production with `RATE_LIMIT_ENABLED`, else `0`"))]
    pub flood_per_second: u32,
    /// The most requests of one client at once before `FLOOD_PER_SECOND` counts.
    #[schemars(extend("default" = 400))]
    #[garde(range(min = 1))]
    pub flood_burst: u32,
    /// The time to read a request's body and respond. A stream is exempt once it runs.
    #[serde(with = "PositiveDurationText")]
    #[schemars(extend("default" = "10s"))]
    pub request_timeout: Duration,
    /// The time to read a request's head.
    #[serde(with = "PositiveDurationText")]
    #[schemars(extend("default" = "5s"))]
    pub header_timeout: Duration,
    /// The time that an idle connection is kept open.
    #[serde(with = "PositiveDurationText")]
    #[schemars(extend("default" = "75s"))]
    pub keep_alive: Duration,
    /// The most connections open at once, as far as the limit on open files allows; shared evenly by
    /// `WORKERS`, rounded down. Once a worker has its share, its connection that has been idle longest after a
    /// response is closed for a new one; while none is idle, the new one waits, and is closed after `HEADER_TIMEOUT`.
    #[schemars(extend("default" = 25_000))]
    #[garde(range(min = 1))]
    pub max_connections: usize,
    /// The most connections of one peer address (IPv6: of one /64); a further one is closed at once. 0 is no
    /// limit.
    #[schemars(extend(
        "x-default" = "a fifth of `MAX_CONNECTIONS`; no limit with `TRUSTED_PROXY_HOPS`"
    ))]
    pub max_connections_per_client: Option<usize>,
    /// The most requests handled at once; more are rejected with 503 `overloaded`, probes exempt.
    #[schemars(extend("default" = 1024))]
    #[garde(range(min = 1))]
    pub max_in_flight: usize,
    /// The most bytes of responses that clients have not read yet, in all. A response that does not fit
    /// is replaced by 503 `overloaded`, and a client that stopped reading is cut off. At least `MAX_BODY_BYTES` and
    /// `MAX_BATCH_BYTES`. Responses to what had an effect, and what is written already, may take as much again.
    #[schemars(extend("default" = 67_108_864))]
    #[garde(range(min = 1_048_576), custom(holds(self.max_body_bytes.max(self.max_batch_bytes))))]
    pub max_response_bytes: usize,
    /// The most streams open at once; more are rejected with 503 `overloaded`.
    #[schemars(extend("default" = 10_000))]
    pub max_streams: usize,
    /// The number of threads that handle requests.
    #[schemars(extend("x-default" = "one for each processor"))]
    #[garde(range(min = 1, max = 512))]
    pub workers: usize,
}

impl HttpSettings {
    /// The most bytes of all bodies of one kind together: those that requests in flight may have, or one batch.
    pub(crate) fn max_bodies_bytes(&self) -> usize {
        let in_flight = self.max_in_flight.saturating_mul(self.max_body_bytes);
        in_flight.max(self.max_batch_bytes)
    }

    /// The most bytes of incomplete bodies of one client: a fifth of all, or one body.
    pub(crate) fn max_bodies_bytes_per_client(&self) -> usize {
        let share = self.max_bodies_bytes() / 5;
        share.max(self.max_batch_bytes).max(self.max_body_bytes)
    }

    /// The most bytes of responses with those whose requests had an effect, and with what of them is written and not
    /// read yet.
    pub(crate) fn max_unread_bytes(&self) -> usize {
        self.max_response_bytes.saturating_mul(2)
    }

    /// The default of each setting, one worker, and no flood guard.
    ///
    /// # Errors
    /// A default is not a value of its field.
    pub fn defaults() -> Result<Self, serde_json::Error> {
        let schema = schemars::schema_for!(Self);
        let properties = schema.get("properties").and_then(Value::as_object);
        let mut defaults: Map<String, Value> = properties
            .into_iter()
            .flatten()
            .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())))
            .collect();
        defaults.insert("workers".to_owned(), 1.into());
        defaults.insert("flood_per_second".to_owned(), 0.into());
        serde_json::from_value(Value::Object(defaults))
    }

    /// The limits on a message's text.
    pub const fn content_rules(&self) -> ContentRules {
        ContentRules {
            max_length: self.max_message_length,
            charset: self.message_charset,
        }
    }

    /// The most connections of one client; `None` if there is no limit. Behind proxies all connections are
    /// those of the proxies.
    pub const fn connections_per_client(&self) -> Option<usize> {
        match self.max_connections_per_client {
            Some(0) => None,
            Some(max) => Some(max),
            None if self.trusted_proxy_hops > 0 => None,
            // Rounded up: less than one connection would be none at all.
            None => Some(self.max_connections.div_ceil(5)),
        }
    }

    /// The proxies whose header names the client.
    pub const fn trusted_proxies(&self) -> TrustedProxies {
        TrustedProxies {
            hops: self.trusted_proxy_hops,
            header: self.trusted_proxy_header,
        }
    }
}

/// Refuses `*` in production: any page could read what its visitor may read.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "garde passes its context by reference"
)]
fn named_in_production(origins: &CorsOrigins, environment: &Environment) -> garde::Result {
    if environment.is_production() && *origins == CorsOrigins::Any {
        return Err(garde::Error::new(
            "`*` is refused in production: name the origins",
        ));
    }
    Ok(())
}

/// Refuses fewer bytes than the largest body, which the response to a batch repeats.
fn holds(largest: usize) -> impl FnOnce(&usize, &Environment) -> garde::Result {
    move |bytes, _| {
        if *bytes >= largest {
            return Ok(());
        }
        Err(garde::Error::new(format!(
            "at least {largest}, as MAX_BODY_BYTES and MAX_BATCH_BYTES are"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_a_fifth_of_all_connections_unless_it_is_set_or_may_be_a_proxy() {
        let limit = |max_connections, max_connections_per_client, trusted_proxy_hops| {
            let settings = HttpSettings {
                trusted_proxy_hops,
                max_connections,
                max_connections_per_client,
                ..HttpSettings::defaults().unwrap()
            };
            settings.connections_per_client()
        };
        let defaults = HttpSettings::defaults().unwrap();
        assert_eq!(defaults.connections_per_client(), Some(5_000));
        assert_eq!(limit(100, None, 0), Some(20));
        assert_eq!(limit(1, None, 0), Some(1));
        assert_eq!(limit(100, None, 1), None);
        assert_eq!(limit(100, Some(0), 0), None);
        assert_eq!(limit(100, Some(3), 1), Some(3));
    }
}
