//! Traces, named as in the OpenTelemetry specification.

use std::str::FromStr;
use std::time::Duration;

use garde::Validate;
use posthorn_domain::Environment;
use posthorn_http::settings::{parsed, parsed_option};
use posthorn_telemetry::{TraceSampler, TraceSettings};
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::section::Section;

/// The path of traces at a collector (OTLP/HTTP).
const TRACES: &str = "v1/traces";

/// Traces, as their settings are written.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
#[garde(context(Environment))]
#[expect(
    clippy::struct_field_names,
    reason = "a field has the name of its setting"
)]
pub(crate) struct TraceSection {
    /// The collector of traces; they are sent to its `/v1/traces`. Without it none are sent.
    #[serde(default, deserialize_with = "parsed_option")]
    #[schemars(with = "String", extend(
        "x-takes" = "an `http://` or `https://` URL without credentials"
    ))]
    otel_exporter_otlp_endpoint: Option<OtlpEndpoint>,
    /// The protocol of traces.
    #[schemars(extend("default" = "http/protobuf", "enum" = ["http/protobuf"]))]
    #[garde(custom(supported_protocol))]
    otel_exporter_otlp_protocol: String,
    /// The time, in milliseconds, for the collector to accept a batch of traces.
    #[schemars(extend(
        "default" = 10_000, "x-takes" = "a number of milliseconds from 1 to 600000"
    ))]
    #[garde(range(min = 1, max = 600_000))]
    otel_exporter_otlp_timeout: u64,
    /// The name of the service in traces.
    #[schemars(extend("x-default" = "same as `APP_NAME`"))]
    #[garde(length(min = 1))]
    otel_service_name: Option<String>,
    /// The traces that are sent; after `parentbased_` the client's `traceparent` decides first.
    #[serde(deserialize_with = "parsed")]
    #[schemars(with = "String", extend(
        "default" = "parentbased_always_on",
        "x-takes" = "`always_on`, `always_off` or `traceidratio`, each also after `parentbased_`"
    ))]
    otel_traces_sampler: TraceSampler,
    /// The share of traces that `traceidratio` sends.
    #[schemars(extend("default" = 1, "minimum" = 0, "maximum" = 1))]
    otel_traces_sampler_arg: f64,
    /// Whether no traces are sent although there is a collector.
    #[schemars(extend("default" = false))]
    otel_sdk_disabled: bool,
}

/// The collector's URL for traces.
#[derive(Debug)]
struct OtlpEndpoint(String);

impl TraceSection {
    /// The destination; `None` if no traces are sent.
    ///
    /// # Errors
    /// The settings that do not go together, whether or not traces are sent.
    pub(super) fn target(self) -> Result<Option<TraceSettings>, Vec<(&'static str, String)>> {
        let sampler = self.otel_traces_sampler;
        let sampler = sampler
            .with_ratio(self.otel_traces_sampler_arg)
            .map_err(|error| vec![("otel_traces_sampler_arg", error.to_string())])?;
        let endpoint = self.otel_exporter_otlp_endpoint;
        let endpoint = endpoint.filter(|_| !self.otel_sdk_disabled);
        Ok(endpoint.map(|OtlpEndpoint(endpoint)| TraceSettings {
            endpoint,
            timeout: Duration::from_millis(self.otel_exporter_otlp_timeout),
            service_name: self.otel_service_name,
            sampler,
        }))
    }
}

impl Section for TraceSection {
    const TITLE: &'static str = "Traces";
}

impl FromStr for OtlpEndpoint {
    type Err = String;

    /// The URL of a collector, with the path of traces added to its own.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The text may hold a password, so it is not repeated.
        let url = Url::parse(text.trim()).map_err(|error| format!("it is no URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("`{}:` is another scheme", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("credentials belong into OTEL_EXPORTER_OTLP_HEADERS".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("nothing may follow its path".to_owned());
        }
        let base = url.as_str().trim_end_matches('/');
        Ok(Self(format!("{base}/{TRACES}")))
    }
}

fn supported_protocol(protocol: &str, _: &Environment) -> garde::Result {
    if protocol == "http/protobuf" {
        return Ok(());
    }
    Err(garde::Error::new(format!("`{protocol}` is not supported")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Result<String, String> {
        text.parse().map(|OtlpEndpoint(url)| url)
    }

    #[test]
    fn the_path_of_traces_is_added() {
        for (text, expected) in [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            (
                "https://collector.example/",
                "https://collector.example/v1/traces",
            ),
            (" http://[::1]/otlp/ ", "http://[::1]/otlp/v1/traces"),
        ] {
            assert_eq!(endpoint(text).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn other_endpoints_are_refused_and_passwords_not_repeated() {
        for text in [
            "collector:4318",
            "collector",
            "http://",
            "grpc://collector:4317",
            "http://me:hunter2@collector:4318",
            "http://collector:4318/?key=hunter2",
        ] {
            let problem = endpoint(text).unwrap_err();
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
