//! The application's identity.

use garde::Validate;
use posthorn_application::AppIdentity;
use posthorn_domain::Environment;
use posthorn_http::settings::parsed;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::section::{ComputedDefault, KnownValues, Section};

/// The application's identity.
#[derive(Clone, Debug, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
#[garde(context(Environment))]
pub struct AppSection {
    /// The environment of the process. `production` refuses unsafe settings.
    #[serde(deserialize_with = "parsed")]
    #[schemars(with = "String", extend(
        "default" = "development", "enum" = ["development", "testing", "production"]
    ))]
    pub environment: Environment,
    /// The name in `info` and in logs.
    #[schemars(extend("default" = "posthorn"))]
    #[garde(length(min = 1))]
    pub app_name: String,
    /// The version in `info`, `health` and `app_info`.
    #[schemars(extend("x-default" = "the version of the build"))]
    #[garde(length(min = 1))]
    pub app_version: String,
    /// The pod's name in `info`, receipts and `app_info`.
    #[schemars(extend("x-default" = "the host's name"))]
    #[garde(length(min = 1))]
    pub hostname: String,
}

impl AppSection {
    /// The identity of this process.
    pub fn identity(&self) -> AppIdentity {
        AppIdentity {
            name: self.app_name.as_str().into(),
            version: self.app_version.as_str().into(),
            environment: self.environment.as_str().into(),
            instance: self.hostname.as_str().into(),
        }
    }
}

impl Section for AppSection {
    const TITLE: &'static str = "Application";

    fn computed_defaults(_: &KnownValues<'_>) -> Vec<ComputedDefault> {
        vec![
            ComputedDefault::value("app_version", env!("CARGO_PKG_VERSION")),
            ComputedDefault::value("hostname", posthorn_telemetry::host_name()),
        ]
    }
}
