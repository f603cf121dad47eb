//! The end of the process.

use std::time::Duration;

use garde::Validate;
use posthorn_domain::Environment;
use posthorn_http::settings::DurationText;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::section::{ComputedDefault, KnownValues, Section};

/// The end of the process.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
#[garde(context(Environment))]
pub struct ShutdownSection {
    /// The time for which the server still accepts requests, reported as not ready, before it stops
    /// accepting.
    #[serde(with = "DurationText")]
    #[schemars(extend("x-default" = "`5s` in production, else `0s`"))]
    pub drain_delay: Duration,
    /// The time for requests in flight to finish once the server stops accepting.
    #[serde(with = "DurationText")]
    #[schemars(extend("default" = "25s"))]
    pub shutdown_timeout: Duration,
}

impl Section for ShutdownSection {
    const TITLE: &'static str = "Shutdown";

    fn computed_defaults(known: &KnownValues<'_>) -> Vec<ComputedDefault> {
        let delay = if known.environment.is_production() {
            "5s"
        } else {
            "0s"
        };
        vec![ComputedDefault::value("drain_delay", delay)]
    }
}
