//! Reads where traces go and which.

use std::time::Duration;

use posthorn_telemetry::TraceSampler;
use reqwest::Url;

use super::catalogue as names;
use super::parse;
use super::reader::Reader;
use super::settings::TraceSection;

/// The path of traces at a collector (OTLP/HTTP).
const TRACES: &str = "v1/traces";

/// Where traces go; `None` when they go nowhere. What is wrong is reported either way.
pub(super) fn read(reader: &mut Reader) -> Option<TraceSection> {
    let endpoint = reader.read_optional(&names::OTEL_EXPORTER_OTLP_ENDPOINT, endpoint);
    reader.read(&names::OTEL_EXPORTER_OTLP_PROTOCOL, |text| {
        parse::one_of(&[("http/protobuf", ())], text)
    });
    let timeout = reader.read(
        &names::OTEL_EXPORTER_OTLP_TIMEOUT,
        parse::number(1..=600_000_u64),
    );
    let service_name = reader.read_optional(&names::OTEL_SERVICE_NAME, parse::text);
    let sampler = reader.read(&names::OTEL_TRACES_SAMPLER, |text| {
        let sampler = text.trim().parse::<TraceSampler>();
        sampler
            .map(Some)
            .map_err(|error| format!("`{text}`: {error}"))
    });
    let sampler = reader.read(&names::OTEL_TRACES_SAMPLER_ARG, |text| {
        let ratio = text.trim().parse::<f64>();
        let ratio = ratio.map_err(|_| format!("`{text}` is not such a number"))?;
        // A ratio is checked, too, when the sampler is a mistake.
        let with_ratio = sampler.or_else(|| "traceidratio".parse().ok());
        let with_ratio = with_ratio.map(|sampler: TraceSampler| sampler.with_ratio(ratio));
        with_ratio.transpose().map_err(|error| error.to_string())
    });
    let disabled = reader.read(&names::OTEL_SDK_DISABLED, parse::boolean);
    let section = TraceSection {
        endpoint: endpoint?,
        timeout: Duration::from_millis(timeout),
        service_name,
        sampler: sampler?,
    };
    (!disabled).then_some(section)
}

/// The URL of a collector, with the path of traces added to its own.
fn endpoint(text: &str) -> Result<String, String> {
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
    Ok(format!("{}/{TRACES}", url.as_str().trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

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
