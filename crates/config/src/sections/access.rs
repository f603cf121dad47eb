//! Access control.

use garde::Validate;
use posthorn_domain::{Environment, QuotaRule, QuotaStrategy};
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::quotas::quota_limits;
use crate::section::Section;

/// Access control.
#[derive(Clone, Debug, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
#[garde(context(Environment))]
pub struct AccessSection {
    /// Whether sending needs a token in production too. Reading and deleting always do there;
    /// elsewhere nothing does.
    #[schemars(extend("default" = false))]
    pub require_write_token: bool,
    /// The most rejected tokens of one client before the response is 429; counted by each process.
    #[serde(deserialize_with = "fixed_window_rule")]
    #[schemars(with = "String", extend(
        "default" = "20 per minute", "x-takes" = "limits such as `20 per minute;100 per hour`"
    ))]
    pub rate_limit_auth_failures: QuotaRule,
}

impl Section for AccessSection {
    const TITLE: &'static str = "Access";
}

/// Limits over fixed windows, which are one small record for each client.
fn fixed_window_rule<'de, D: Deserializer<'de>>(deserializer: D) -> Result<QuotaRule, D::Error> {
    let limits = quota_limits(deserializer)?;
    QuotaRule::new(limits, QuotaStrategy::FixedWindow).map_err(D::Error::custom)
}
