//! Logs.

use garde::Validate;
use posthorn_domain::Environment;
use posthorn_telemetry::{LogFormat, LogSettings, check_filter};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::section::{ComputedDefault, KnownValues, Section};

/// Logs.
#[derive(Clone, Debug, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
#[garde(context(Environment))]
pub struct LogSection {
    /// The events that are logged.
    #[schemars(extend(
        "default" = "info",
        "x-takes" = "a level or a `tracing` filter such as `info,posthorn_redis=debug`"
    ))]
    #[garde(custom(filter))]
    pub log_level: String,
    /// The format of logs: for people, or Bunyan JSON lines.
    #[serde(with = "LogFormatName")]
    #[schemars(with = "String", extend(
        "enum" = ["pretty", "bunyan"], "x-default" = "`pretty` in development, else `bunyan`"
    ))]
    pub log_format: LogFormat,
}

/// The names of the formats.
#[derive(Deserialize)]
#[serde(remote = "LogFormat", rename_all = "lowercase")]
enum LogFormatName {
    Pretty,
    Bunyan,
}

impl LogSection {
    /// The settings of the log.
    pub fn settings(&self) -> LogSettings {
        LogSettings {
            level: self.log_level.clone(),
            format: self.log_format,
            ..LogSettings::default()
        }
    }
}

impl Section for LogSection {
    const TITLE: &'static str = "Logs";

    fn computed_defaults(known: &KnownValues<'_>) -> Vec<ComputedDefault> {
        let format = match known.environment {
            Environment::Development => "pretty",
            Environment::Testing | Environment::Production => "bunyan",
        };
        vec![ComputedDefault::value("log_format", format)]
    }
}

fn filter(level: &str, _: &Environment) -> garde::Result {
    check_filter(level).map_err(garde::Error::new)
}
