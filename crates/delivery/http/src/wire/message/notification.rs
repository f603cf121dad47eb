//! A message as Apprise posts it to `json://`: title and type are members of the body, and become attributes as they
//! do from `form://`. No other body is taken for one, so that unknown members stay errors.

use posthorn_domain::ContentRules;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::IncomingMessage;
use super::collector::FieldCollector;
use crate::wire::problem::{ApiError, FieldProblem};

/// The version of the only form that Apprise has.
const VERSION: &str = "1.0";

/// All members of a notification.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Notification {
    version: String,
    title: String,
    message: String,
    attachments: Vec<IgnoredAny>,
    r#type: String,
}

/// Parses the body of a request; `None` if it is no notification, or has attachments. `problems` are those of the
/// request's head.
///
/// # Errors
/// `validation-failed` with every failing field.
pub(crate) fn parse(
    bytes: &[u8],
    rules: &ContentRules,
    problems: Vec<FieldProblem>,
) -> Option<Result<IncomingMessage, ApiError>> {
    // A list would be taken for the members in their order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let sent: Notification = serde_json::from_slice(bytes).ok()?;
    if sent.version != VERSION || !sent.attachments.is_empty() {
        return None;
    }
    let mut collector = FieldCollector::in_json(rules, problems);
    collector.text("message", &sent.message);
    for (name, value) in [
        ("title", &sent.title),
        ("type", &sent.r#type),
        ("version", &sent.version),
    ] {
        collector.attribute(name, name, value);
    }
    let collected = collector.finish("message");
    Some(collected.map(|(content, attributes)| IncomingMessage::of(content, attributes)))
}
