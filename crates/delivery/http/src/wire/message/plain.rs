//! A message as `text/plain`: the body is the text, parameters of the URL are its attributes.

use posthorn_domain::ContentRules;

use super::IncomingMessage;
use super::collector::FieldCollector;
use crate::wire::problem::{ApiError, Code, FieldCode, FieldProblem};
use crate::wire::urlencoded::{self, NotUtf8};

/// The beginning of the name of a parameter with an attribute; the key follows.
const PARAMETER: &str = "attribute.";
/// The mark at the start of texts from some editors.
const BYTE_ORDER_MARK: char = '\u{feff}';

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
    // A byte order mark is no part of the text (WHATWG Encoding, "UTF-8 decode").
    collector.text(
        "message",
        text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text),
    );
    for pair in urlencoded::pairs(query) {
        match pair {
            Err(NotUtf8 { name }) => collector.field_problem(&name, FieldCode::NotUtf8),
            Ok((name, value)) => match name.strip_prefix(PARAMETER) {
                Some(key) => collector.attribute(&name, key, &value),
                None => collector.field_problem(&name, FieldCode::Unknown),
            },
        }
    }
    let (content, attributes) = collector.finish("message")?;
    Ok(IncomingMessage::of(content, attributes))
}
