//! Starts logs and traces from the settings.

use posthorn_telemetry::{LogSettings, TelemetryGuard, TraceSettings};

use crate::config::Settings;

/// Starts logs, and traces where an endpoint is configured. The last log lines are written when the
/// guard is dropped.
pub(crate) fn start(settings: &Settings) -> Result<TelemetryGuard, String> {
    let log = LogSettings {
        level: settings.log.level.clone(),
        format: settings.log.format,
        app_name: settings.app_name.clone(),
        ..LogSettings::default()
    };
    let traces = settings.traces.as_ref().map(|traces| TraceSettings {
        endpoint: traces.endpoint.clone(),
        timeout: traces.timeout,
        app_name: settings.app_name.clone(),
        service_name: traces.service_name.clone(),
        service_version: settings.app_version.clone(),
        service_instance: settings.pod.clone(),
        environment: settings.environment.as_str().to_owned(),
        sampler: traces.sampler,
    });
    posthorn_telemetry::init(&log, traces.as_ref()).map_err(|error| error.to_string())
}
