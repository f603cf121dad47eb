//! Events as Bunyan JSON lines.
//!
//! The formatter of `tracing-bunyan-formatter` also writes a record when a span starts and when it
//! ends. One line per event is wanted, so only events are passed on to it.

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_bunyan_formatter::{BunyanFormattingLayer, JsonStorageLayer};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Writes each event, with the fields of the spans around it, as one line of JSON.
pub(crate) struct BunyanLayer<W: for<'a> MakeWriter<'a> + 'static> {
    /// Keeps the fields of spans for the formatter. What it does when a span is entered or closed
    /// serves the records of spans alone and is left out.
    fields: JsonStorageLayer,
    formatter: BunyanFormattingLayer<W>,
}

impl<W: for<'a> MakeWriter<'a> + 'static> BunyanLayer<W> {
    /// A layer that names the application `app_name` in every line.
    pub(crate) fn new(app_name: &str, writer: W) -> Self {
        Self {
            fields: JsonStorageLayer,
            formatter: BunyanFormattingLayer::new(app_name.to_owned(), writer),
        }
    }
}

impl<S, W> Layer<S> for BunyanLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.fields.on_new_span(attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.fields.on_record(id, values, context);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        self.formatter.on_event(event, context);
    }
}
