//! A message as `text/plain`: the body is the text, parameters of the URL are its attributes.

use posthorn_domain::ContentRules;

use super::IncomingMessage;
use super::collector::FieldCollector;
use crate::wire::problem::{ApiError, Code, FieldCode, FieldProblem};
use crate::wire::urlencoded;

/// The beginning of the name of a parameter with an attribute; the key follows.
const PARAMETER: &str = "attribute.";

/// Parses the body and the query of a request. `problems` are those of its head.
///
/// # Errors
/// `malformed-body` if the body is not UTF-8, or `validation-failed` with every failing field.
pub(crate) fn parse(
    bytes: &[u8],
    query: &str,
    rules: &ContentRules,
    problems: Vec<FieldProblem>,
) -> Result<IncomingMessage, ApiError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ApiError::new(Code::MalformedBody))?;
    let mut collector = FieldCollector::new(rules, problems);
    collector.text("message", text);
    for pair in urlencoded::pairs(query) {
        let Ok((name, value)) = pair else {
            collector.field_problem("attribute", FieldCode::NotUtf8);
            continue;
        };
        match name.strip_prefix(PARAMETER) {
            Some(key) => collector.attribute(&name, key, &value),
            None => collector.field_problem(&name, FieldCode::Unknown),
        }
    }
    let (content, attributes) = collector.finish("message")?;
    Ok(IncomingMessage::of(content, attributes))
}
