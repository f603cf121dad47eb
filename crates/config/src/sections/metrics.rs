//! Metrics.

use garde::Validate;
use posthorn_domain::Environment;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::section::Section;

/// Metrics.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
#[garde(context(Environment))]
pub struct MetricsSection {
    /// The most consumers with metrics of their own: the first ones by topic and name. The others are
    /// added up as `other`.
    #[schemars(extend("default" = 200, "maximum" = 10_000))]
    #[garde(range(max = 10_000))]
    pub max_consumer_series: u32,
}

impl Section for MetricsSection {
    const TITLE: &'static str = "Metrics";
}
