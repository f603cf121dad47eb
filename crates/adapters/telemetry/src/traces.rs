//! Exports traces with OTLP over HTTP, as Protocol Buffers.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>.

#[cfg(test)]
mod attempt_tests;
#[cfg(test)]
mod database_tests;
mod exporter;
mod ids;
mod layer;
mod sampler;
#[cfg(test)]
mod test_export;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::SdkTracerProvider;
use posthorn_application::AppIdentity;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use exporter::SemconvExporter;
use ids::TraceIds;

pub use sampler::{TraceSampler, TraceSamplerError};

/// The most time for exporting the queued spans at the end of the process.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Which traces are exported, and to which collector.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// The collector's URL for traces, with its path.
    pub endpoint: String,
    /// The most time that the collector may take for a batch.
    pub timeout: Duration,
    /// The resource's `service.name`, with precedence over the application's name and
    /// `OTEL_RESOURCE_ATTRIBUTES`.
    pub service_name: Option<String>,
    /// Which traces are exported.
    pub sampler: TraceSampler,
}

/// Why traces cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The HTTP client cannot be built, for example without root certificates.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT: {0}")]
    Client(#[from] reqwest::Error),
    /// A variable of the environment is not supported.
    #[error("OTEL_EXPORTER_OTLP_*: {0}")]
    Exporter(#[from] ExporterBuildError),
}

/// Exports spans. Dropping it exports the queued ones, for at most two seconds.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts the exporting thread. Must not be called on an asynchronous runtime.
    ///
    /// Headers, queue, limits and further attributes of the resource are read from the environment, by the variables
    /// of the OpenTelemetry specification.
    pub(crate) fn start(
        settings: &TraceSettings,
        identity: &AppIdentity,
    ) -> Result<Self, TraceError> {
        // The exporting thread has no runtime, and an asynchronous client would panic there.
        let client = reqwest::blocking::Client::builder()
            .timeout(settings.timeout)
            .build()?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(&settings.endpoint)
            .build()?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(SemconvExporter::new(exporter))
            .with_id_generator(TraceIds::default())
            .with_sampler(settings.sampler.build())
            .with_resource(resource(settings, identity))
            .build();
        Ok(Self { provider })
    }

    /// The layer that converts spans of `tracing` for the export.
    pub(crate) fn layer<S>(&self) -> impl Layer<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        layer::layer(self.provider.tracer("posthorn"))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH_TIMEOUT) {
            tracing::warn!(%error, "the last traces were not exported");
        }
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").finish_non_exhaustive()
    }
}

/// The resource of all spans. `OTEL_RESOURCE_ATTRIBUTES` adds attributes and has precedence.
fn resource(settings: &TraceSettings, identity: &AppIdentity) -> Resource {
    let attribute = |key: &'static str, value: &str| KeyValue::new(key, value.to_owned());
    let builder = Resource::builder_empty()
        .with_attributes([
            attribute("service.name", &identity.name),
            attribute("service.version", &identity.version),
            attribute("service.instance.id", &identity.instance),
            attribute("deployment.environment.name", &identity.environment),
        ])
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    match &settings.service_name {
        Some(name) => builder.with_service_name(name.clone()).build(),
        None => builder.build(),
    }
}
