//! Events as Bunyan JSON lines. All are written by one formatter, so that all have one order of fields, one precision
//! of times and one form of messages, and no line has a name twice (docs/decisions/0010).

mod json;
mod layout;
mod line;
mod span_fields;

use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use line::LineFormatter;
use span_fields::SpanFields;

/// Writes each event, with the fields of its spans, as one line of JSON.
pub(crate) struct BunyanLayer<W: for<'a> MakeWriter<'a> + 'static> {
    lines: LineFormatter,
    writer: W,
}

impl<W: for<'a> MakeWriter<'a> + 'static> BunyanLayer<W> {
    /// A layer whose lines have the application's name `app_name`.
    pub(crate) fn new(app_name: &str, writer: W) -> Self {
        Self {
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
        let scope = context.event_scope(event);
        self.lines.write(event, scope, &self.writer);
    }
}

#[cfg(test)]
mod tests;
