//! The rate limits of clients.

use std::num::NonZeroU32;

use garde::Validate;
use posthorn_application::RateLimiterSettings;
use posthorn_domain::{AddressRange, Environment, QuotaLimits, QuotaRule, QuotaStrategy};
use posthorn_http::settings::parsed;
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::section::Section;

/// The rate limits of clients, as they are written.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
#[garde(context(Environment))]
pub(crate) struct QuotaSection {
    /// Whether the requests of each client are counted and limited.
    #[schemars(extend("default" = true))]
    rate_limit_enabled: bool,
    /// The most messages that one client may send, over all routes that accept them.
    #[serde(deserialize_with = "quota_limits")]
    #[schemars(with = "String", extend("default" = "10 per minute", "x-takes" = LIMITS))]
    rate_limit_message: QuotaLimits,
    /// The most requests of one client to read topics, messages and streams.
    #[serde(deserialize_with = "quota_limits")]
    #[schemars(with = "String", extend("default" = "600 per minute", "x-takes" = LIMITS))]
    rate_limit_read: QuotaLimits,
    /// The most calls of one client to consumers.
    #[serde(deserialize_with = "quota_limits")]
    #[schemars(with = "String", extend("default" = "6000 per minute", "x-takes" = LIMITS))]
    rate_limit_consume: QuotaLimits,
    /// The most requests of one client to delete messages, one or many with each.
    #[serde(deserialize_with = "quota_limits")]
    #[schemars(with = "String", extend("default" = "600 per minute", "x-takes" = LIMITS))]
    rate_limit_delete: QuotaLimits,
    /// The most requests of one client to each other route of the API. Service information, ping, health and
    /// limits are not counted.
    #[serde(deserialize_with = "quota_limits")]
    #[schemars(with = "String", extend("default" = "200 per day;50 per hour", "x-takes" = LIMITS))]
    rate_limit_default: QuotaLimits,
    /// The windows of a limit: fixed ones follow each other, a moving one ends now and has 10000
    /// requests at most.
    #[serde(deserialize_with = "parsed")]
    #[schemars(with = "String", extend(
        "default" = "fixed-window", "enum" = ["fixed-window", "moving-window"]
    ))]
    rate_limit_strategy: QuotaStrategy,
    /// The addresses of clients without quotas.
    #[serde(deserialize_with = "address_ranges")]
    #[schemars(with = "String", extend(
        "default" = "", "type" = ["string", "array"],
        "x-takes" = "a comma list of addresses and blocks such as `10.0.0.0/8,fd00::/8`"
    ))]
    rate_limit_exempt: Vec<AddressRange>,
    /// The number of processes that share the limits while each counts alone, which is without Redis
    /// or while Redis is away: each takes its share.
    #[schemars(with = "u32", extend(
        "default" = 1, "x-takes" = "a number from 1 to the smallest limit"
    ))]
    #[garde(custom(at_most_10_000))]
    quota_replicas_hint: NonZeroU32,
}

const LIMITS: &str = "limits such as `10 per minute` or `200/day;50/hour`: a number, `per` or `/`, \
    perhaps a number, and `second`, `minute`, `hour`, `day`, `month` or `year`";

/// The rate limits of clients.
#[derive(Clone, Debug)]
pub struct QuotaRules {
    /// The limits of each class of requests, counted by this process alone.
    pub limits: RateLimiterSettings,
    /// The number of processes that share the limits while each counts alone.
    pub replicas: NonZeroU32,
}

impl QuotaSection {
    /// The rules; `None` if they are switched off.
    ///
    /// # Errors
    /// The settings that do not go together, whether or not the limits are switched off.
    pub(super) fn rules(self) -> Result<Option<QuotaRules>, Vec<(&'static str, String)>> {
        let mut problems = Vec::new();
        let (strategy, replicas) = (self.rate_limit_strategy, self.quota_replicas_hint);
        let mut rule = |key: &'static str, limits: QuotaLimits| {
            let too_small = |quota: &&posthorn_domain::Quota| quota.count() < replicas.get();
            if let Some(quota) = limits.as_slice().iter().find(too_small) {
                let name = key.to_uppercase();
                let problem = format!("{replicas} cannot share `{quota}` of {name}");
                problems.push(("quota_replicas_hint", problem));
            }
            QuotaRule::new(limits, strategy)
                .map_err(|error| problems.push((key, error.to_string())))
                .ok()
        };
        let message = rule("rate_limit_message", self.rate_limit_message);
        let read = rule("rate_limit_read", self.rate_limit_read);
        let consume = rule("rate_limit_consume", self.rate_limit_consume);
        let delete = rule("rate_limit_delete", self.rate_limit_delete);
        let default = rule("rate_limit_default", self.rate_limit_default);
        match (message, read, consume, delete, default) {
            (Some(message), Some(read), Some(consume), Some(delete), Some(default))
                if problems.is_empty() =>
            {
                let limits = RateLimiterSettings {
                    message,
                    read,
                    consume,
                    delete,
                    default,
                    exempt: self.rate_limit_exempt,
                    shared: false,
                };
                let rules = QuotaRules { limits, replicas };
                Ok(self.rate_limit_enabled.then_some(rules))
            }
            _ => Err(problems),
        }
    }
}

impl Section for QuotaSection {
    const TITLE: &'static str = "Rate limits";
}

/// Limits. An error repeats the text, because it names a position in the text.
pub(super) fn quota_limits<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<QuotaLimits, D::Error> {
    let text = String::deserialize(deserializer)?;
    let text = text.trim();
    QuotaLimits::parse(text).map_err(|error| D::Error::custom(format_args!("`{text}` {error}")))
}

/// A comma list of addresses and blocks, which may be empty.
pub(super) fn address_ranges<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<AddressRange>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let items = text.split(',').map(str::trim);
    items
        .filter(|item| !item.is_empty())
        .map(|item| item.parse().map_err(D::Error::custom))
        .collect()
}

fn at_most_10_000(replicas: &NonZeroU32, _: &Environment) -> garde::Result {
    if replicas.get() > 10_000 {
        return Err(garde::Error::new("it is greater than 10000"));
    }
    Ok(())
}
