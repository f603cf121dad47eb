//! Events as Bunyan JSON lines.
//!
//! The formatter of `tracing-bunyan-formatter` also writes a record when a span starts and when it
//! ends. One line per event is wanted, so only events are passed on to it. It costs several
//! microseconds an event, so those outside of spans, as each request's is, are written directly.

mod kept;
mod line;

use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_bunyan_formatter::BunyanFormattingLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use kept::Kept;
use line::Lines;

/// Writes each event, with the fields of the spans around it, as one line of JSON.
pub(crate) struct BunyanLayer<W: for<'a> MakeWriter<'a> + 'static> {
    formatter: BunyanFormattingLayer<W>,
    lines: Lines,
    writer: W,
}

impl<W: for<'a> MakeWriter<'a> + Clone + 'static> BunyanLayer<W> {
    /// A layer that names the application `app_name` in every line.
    pub(crate) fn new(app_name: &str, writer: W) -> Self {
        Self {
            formatter: BunyanFormattingLayer::new(app_name.to_owned(), writer.clone()),
            lines: Lines::new(app_name),
            writer,
        }
    }
}

impl<S, W> Layer<S> for BunyanLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    /// Keeps the fields that a span begins with. Those that are recorded later are left out: the event
    /// that ends a request repeats them.
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut().replace(Kept::of(attributes));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if let Some(span) = context.lookup_current() {
            kept::unpack(&span);
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
    use crate::written::Written;

    /// The lines that `log` leads to; each must have been written at once.
    fn lines(log: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let writer = written.clone();
        let layer = BunyanLayer::new("a-name", move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, log);
        let parse = |line: String| {
            assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
            serde_json::from_str(&line).unwrap()
        };
        written.pieces().into_iter().map(parse).collect()
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
    fn fields_of_the_spans_around_an_event_are_those_of_the_library() {
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

    /// What the formatter of `tracing-bunyan-formatter` makes of it.
    fn reference(log: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let writer = written.clone();
        let layer = BunyanFormattingLayer::new("a-name".to_owned(), move || writer.clone());
        let subscriber = tracing_subscriber::registry()
            .with(JsonStorageLayer)
            .with(layer);
        tracing::subscriber::with_default(subscriber, log);
        let parse = |line: String| serde_json::from_str(&line).unwrap();
        let lines = written.pieces().into_iter().map(parse);
        // It also writes when a span begins and when it ends.
        let is_of_span = |line: &Value| {
            let text = line["msg"].as_str().unwrap();
            text.ends_with("START]") || text.ends_with("END]")
        };
        lines.filter(|line| !is_of_span(line)).collect()
    }

    #[test]
    fn a_line_written_directly_is_the_one_of_the_formatter() {
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
