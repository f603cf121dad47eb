//! Starts logs and traces from the settings.

use posthorn_config::Settings;
use posthorn_telemetry::{LogSettings, TelemetryGuard, TraceSettings};

/// Starts logs, and traces where an endpoint is configured. The last log lines are written when the
/// guard is dropped.
pub(crate) fn start(settings: &Settings) -> Result<TelemetryGuard, String> {
    let log = LogSettings {
        level: settings.log.log_level.clone(),
        format: settings.log.log_format,
        app_name: settings.app.app_name.clone(),
        ..LogSettings::default()
    };
    let traces = settings.traces.as_ref().map(|traces| TraceSettings {
        endpoint: traces.endpoint.clone(),
        timeout: traces.timeout,
        app_name: settings.app.app_name.clone(),
        service_name: traces.service_name.clone(),
        service_version: settings.app.app_version.clone(),
        service_instance: settings.app.hostname.clone(),
        environment: settings.app.environment.as_str().to_owned(),
        sampler: traces.sampler,
    });
    posthorn_telemetry::init(&log, traces.as_ref()).map_err(|error| error.to_string())
}
