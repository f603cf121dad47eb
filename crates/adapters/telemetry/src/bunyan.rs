//! Events as Bunyan JSON lines.
//!
//! Of `tracing-bunyan-formatter`, events in spans alone are passed to the formatter, as it also writes a line at the
//! start and the end of a span. Events outside of spans, such as the one of each request, are formatted here: that
//! costs a fraction of the time (`examples/log_cost.rs`, docs/decisions/0010).

mod line;
mod span_fields;

use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_bunyan_formatter::BunyanFormattingLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use line::LineFormatter;
use span_fields::SpanFields;

/// Writes each event, with the fields of its spans, as one line of JSON.
pub(crate) struct BunyanLayer<W: for<'a> MakeWriter<'a> + 'static> {
    formatter: BunyanFormattingLayer<W>,
    lines: LineFormatter,
    writer: W,
}

impl<W: for<'a> MakeWriter<'a> + Clone + 'static> BunyanLayer<W> {
    /// A layer whose lines have the application's name `app_name`.
    pub(crate) fn new(app_name: &str, writer: W) -> Self {
        Self {
            formatter: BunyanFormattingLayer::new(app_name.to_owned(), writer.clone()),
            lines: LineFormatter::new(app_name),
            writer,
        }
    }
}

impl<S, W> Layer<S> for BunyanLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    /// Stores the fields that a span is created with. Later ones are left out, as the event at the end of a request
    /// repeats them.
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut().replace(SpanFields::of(attributes));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if let Some(span) = context.lookup_current() {
            span_fields::convert(&span);
            self.formatter.on_event(event, context.clone());
        } else {
            self.lines.write(event, &self.writer);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tracing_bunyan_formatter::JsonStorageLayer;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::memory_output::MemoryOutput;

    /// The lines of the events in `log`; each must be one write.
    fn lines(log: impl FnOnce()) -> Vec<Value> {
        let written = MemoryOutput::default();
        let writer = written.clone();
        let layer = BunyanLayer::new("a-name", move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, log);
        let parse = |line: String| {
            assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
            serde_json::from_str(&line).unwrap()
        };
        written.writes().into_iter().map(parse).collect()
    }

    #[test]
    fn an_event_in_a_span_is_one_line_with_the_fields_of_both() {
        let lines = lines(|| {
            let span = tracing::info_span!(
                "request",
                request_id = "an-id",
                origin = "a \"quoted\"\nvalue"
            );
            let _entered = span.enter();
            tracing::info!(status = 201, latency_us = 153_u64, route = %"/ping", "request finished");
        });
        assert_eq!(lines.len(), 1, "spans write nothing: {lines:?}");
        let line = &lines[0];
        assert_eq!(line["v"], 0);
        assert_eq!(line["name"], "a-name");
        assert_eq!(line["level"], 30);
        assert_eq!(line["pid"], std::process::id());
        assert_eq!(line["hostname"], crate::host_name());
        let time = line["time"].as_str().unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
        assert!(line["msg"].as_str().unwrap().ends_with("request finished"));
        assert_eq!(line["status"], 201);
        assert_eq!(line["latency_us"], 153);
        assert_eq!(line["route"], "/ping");
        assert_eq!(line["request_id"], "an-id");
        assert_eq!(line["origin"], "a \"quoted\"\nvalue");
    }

    #[test]
    fn fields_of_the_spans_of_an_event_are_those_of_the_library() {
        let log = || {
            let outer = tracing::info_span!(
                "outer",
                number = -1_i64,
                count = 2_u64,
                ratio = 0.25,
                is_set = true,
                text = "of the outer",
                nothing = tracing::field::Empty,
            );
            let _outer = outer.enter();
            tracing::info!("in the outer");
            let inner = tracing::info_span!(
                "inner",
                text = "of the \"inner\"",
                shown = %"как есть",
                debugged = ?Some("thing"),
                r#type = ?"a keyword",
                level = "left out",
            );
            let _inner = inner.enter();
            tracing::info!(count = 3_u64, "in both");
            tracing::info!("again");
        };
        let (written, expected) = (lines(log), reference(log));
        assert_eq!(written.len(), 3);
        for (mut written, mut expected) in written.into_iter().zip(expected) {
            for line in [&mut written, &mut expected] {
                line["time"].take();
            }
            assert_eq!(written, expected);
        }
    }

    /// The lines that `tracing-bunyan-formatter` writes for the events in `log`.
    fn reference(log: impl FnOnce()) -> Vec<Value> {
        let written = MemoryOutput::default();
        let writer = written.clone();
        let layer = BunyanFormattingLayer::new("a-name".to_owned(), move || writer.clone());
        let subscriber = tracing_subscriber::registry()
            .with(JsonStorageLayer)
            .with(layer);
        tracing::subscriber::with_default(subscriber, log);
        let parse = |line: String| serde_json::from_str(&line).unwrap();
        let lines = written.writes().into_iter().map(parse);
        // It also writes at the start and the end of a span.
        let is_of_span = |line: &Value| {
            let text = line["msg"].as_str().unwrap();
            text.ends_with("START]") || text.ends_with("END]")
        };
        lines.filter(|line| !is_of_span(line)).collect()
    }

    #[test]
    fn a_line_written_here_is_the_one_of_the_library() {
        let log = || {
            tracing::info!(
                number = -1_i64,
                count = 2_u64,
                ratio = 0.25,
                not_a_number = f64::NAN,
                large = u128::MAX,
                is_set = true,
                text = "a \"quoted\"\n\u{1} value",
                shown = %"как есть",
                debugged = ?Some("thing"),
                r#type = "a keyword",
                level = "its own",
                name = 3,
                error = &std::io::Error::other("why") as &dyn std::error::Error,
                "a \"message\" with {}",
                "an argument"
            );
            tracing::warn!(only = "fields");
            tracing::error!(target: "elsewhere", "no fields");
            tracing::debug!("");
        };
        let (mut written, mut expected) = (lines(log), reference(log));
        for line in written.iter_mut().chain(&mut expected) {
            let time = line["time"].take();
            assert!(time.as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
        }
        assert_eq!(written.len(), 4);
        assert_eq!(written, expected);
    }

    #[test]
    fn fields_of_requests_have_short_names() {
        let lines = lines(|| {
            let span = tracing::info_span!(
                "request",
                otel.kind = "server",
                http.request.method = "GET",
                url.path = "/a",
                url.scheme = "http",
                client.address = "203.0.113.9",
                http.route = "/{a}",
                http.response.status_code = 200,
            );
            span.in_scope(|| tracing::info!("an event"));
        });
        let line = &lines[0];
        assert_eq!(line["method"], "GET");
        assert_eq!(line["client"], "203.0.113.9");
        assert_eq!(line["route"], "/{a}");
        assert_eq!(line["status"], 200);
        let names = line.as_object().unwrap().keys();
        assert!(!names.clone().any(|name| name.contains('.')), "{line}");
    }

    #[test]
    fn levels_are_those_of_bunyan() {
        let lines = lines(|| {
            tracing::error!("e");
            tracing::warn!("w");
            tracing::info!("i");
            tracing::debug!("d");
        });
        let levels: Vec<_> = lines.iter().map(|line| line["level"].clone()).collect();
        assert_eq!(levels, [50, 40, 30, 20]);
    }
}
