//! A message from the fields of a form, urlencoded or multipart.

use std::borrow::Cow;

use multer::{Constraints, Field, Multipart, SizeLimit};
use posthorn_domain::{Attributes, ContentRules, MessageContent};

use super::IncomingMessage;
use super::collector::FieldCollector;
use crate::wire::media_type;
use crate::wire::problem::{ApiError, Code, FieldCode, FieldProblem};
use crate::wire::urlencoded::{self, NotUtf8};

/// The field of the text, in any case.
const MESSAGE: &str = "message";
/// The field of the URL that a browser goes to after success.
const NEXT: &str = "_next";
/// The field that people do not see and leave empty.
const TRAP: &str = "_gotcha";
/// The field in which browsers name the encoding of a form (WHATWG HTML, 4.10.21.5).
const CHARSET: &str = "_charset_";

/// A submitted form.
#[derive(Debug)]
pub(crate) struct SubmittedForm {
    pub(crate) message: IncomingMessage,
    /// The URL that a browser should go to after success, as it was sent.
    pub(crate) next: Option<String>,
    /// True if the trap for programs is filled: nothing is to be stored.
    pub(crate) is_trapped: bool,
}

/// The fields read so far.
struct FormFields<'a> {
    collector: FieldCollector<'a>,
    next: Option<String>,
    is_trapped: bool,
    /// True if the head of the request has no problem.
    has_valid_head: bool,
    /// The first error that no field alone has.
    error: Option<ApiError>,
}

/// Parses an urlencoded body; one without `=` is the text itself. `problems` are those of the head.
///
/// # Errors
/// `malformed-body` if it is not UTF-8, or `validation-failed` with every failing field.
pub(crate) fn parse_urlencoded(
    bytes: &[u8],
    rules: &ContentRules,
    problems: Vec<FieldProblem>,
) -> Result<SubmittedForm, ApiError> {
    let mut fields = FormFields::new(rules, problems);
    let text = String::from_utf8_lossy(bytes);
    if let Cow::Owned(_) = text {
        fields.fail(ApiError::new(Code::MalformedBody));
    }
    if text.contains('=') {
        for pair in urlencoded::pairs(&text) {
            match pair {
                Ok((name, value)) => fields.add(&name, &value),
                Err(NotUtf8 { name }) => {
                    fields.is_trapped |= name == TRAP;
                    fields.fail(ApiError::new(Code::MalformedBody));
                }
            }
        }
    } else {
        fields.collector.text(MESSAGE, &text);
    }
    fields.finish().map_err(read_as_form)
}

/// Says to a client that may have sent a text why it was read as a form: many send that media type by default.
fn read_as_form(error: ApiError) -> ApiError {
    let mut problems = error.fields.iter();
    if !problems.any(|one| one.field == MESSAGE && one.code == FieldCode::Required) {
        return error;
    }
    error.with_detail(
        "Тело прочитано как форма, как указано в Content-Type, и в нём нет поля message. Для текста нужен Content-Type: \
         text/plain.",
        "The body was read as a form, as its Content-Type says, and has no field message. Send a text with Content-Type: \
         text/plain.",
    )
}

/// Parses a complete multipart body (RFC 7578). `problems` are those of the head.
///
/// # Errors
/// `malformed-body` if it is broken or not UTF-8, `unsupported-media-type` if it has a file,
/// `validation-failed` with every failing field.
pub(crate) async fn parse_multipart(
    bytes: actix_web::web::Bytes,
    boundary: &str,
    rules: &ContentRules,
    problems: Vec<FieldProblem>,
) -> Result<SubmittedForm, ApiError> {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let limits = SizeLimit::new().whole_stream(length).per_field(length);
    let body = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(bytes)]);
    let constraints = Constraints::new().size_limit(limits);
    let mut parts = Multipart::with_constraints(body, boundary, constraints);
    let mut fields = FormFields::new(rules, problems);
    loop {
        match parts.next_field().await {
            Ok(Some(part)) => fields.add_part(part).await,
            Ok(None) => break,
            Err(_) => {
                fields.fail(broken_multipart());
                break;
            }
        }
    }
    fields.finish()
}

/// True if a part has a `filename*` (RFC 5987), which some clients send for a name beyond ASCII.
/// multer does not read it.
fn has_encoded_file_name(part: &Field<'_>) -> bool {
    let disposition = part.headers().get("content-disposition");
    let disposition = disposition.map_or(&b""[..], |value| value.as_bytes());
    let mut is_quoted = false;
    let parameters = disposition.split(|byte| {
        is_quoted ^= *byte == b'"';
        *byte == b';' && !is_quoted
    });
    parameters
        .filter_map(|parameter| parameter.trim_ascii_start().split_at_checked(9))
        .any(|(name, _)| name.eq_ignore_ascii_case(b"filename*"))
}

/// True if a part holds text in UTF-8 as it is.
fn is_plain(part: &Field<'_>) -> bool {
    let kind = part.headers().get("content-type");
    let kind = kind.and_then(|kind| media_type::parse(kind.as_bytes()));
    let coding = part.headers().get("content-transfer-encoding");
    let is_identity = |coding: &[u8]| {
        let coding = coding.trim_ascii();
        [&b"7bit"[..], b"8bit", b"binary"]
            .iter()
            .any(|known| coding.eq_ignore_ascii_case(known))
    };
    kind.is_none_or(|kind| media_type::is_in_utf_8(&kind))
        && coding.is_none_or(|coding| is_identity(coding.as_bytes()))
}

/// The name of a field as its form has it: browsers escape three characters of it (WHATWG HTML, 4.10.21.8).
fn unescaped(name: &str) -> String {
    name.replace("%22", "\"")
        .replace("%0D", "\r")
        .replace("%0A", "\n")
}

/// The error of a body that ends too early, or between whose delimiters are no parts.
fn broken_multipart() -> ApiError {
    ApiError::new(Code::MalformedBody).with_detail(
        "Тело multipart/form-data оборвано или повреждено: не найдены заголовки части, её имя или последний разделитель.",
        "The multipart/form-data body is truncated or malformed: the headers of a part, its name or the last delimiter is missing.",
    )
}

/// The error of a part that ends too early or is not UTF-8: it names its field.
fn broken_part(field: &str) -> ApiError {
    let field = shown(field);
    ApiError::new(Code::MalformedBody).with_detail(
        format!("Поле {field} оборвано или не в кодировке UTF-8."),
        format!("The field {field} is truncated or not UTF-8."),
    )
}

/// The name of a field within a sentence.
fn shown(field: &str) -> String {
    field.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// The error of a part that no text is: it names its field.
fn unsupported_part(field: &str) -> ApiError {
    let field = shown(field);
    ApiError::new(Code::UnsupportedMediaType).with_detail(
        format!("Поле {field}: файлы и части не в кодировке UTF-8 не принимаются."),
        format!("The field {field}: files, and parts that are not UTF-8, are not accepted."),
    )
}

impl<'a> FormFields<'a> {
    fn new(rules: &'a ContentRules, problems: Vec<FieldProblem>) -> Self {
        Self {
            next: None,
            is_trapped: false,
            has_valid_head: problems.is_empty(),
            error: None,
            collector: FieldCollector::new(rules, problems),
        }
    }

    /// Keeps an error, unless there was one before. The fields after it are read, as the trap may be one of them.
    fn fail(&mut self, error: ApiError) {
        self.error.get_or_insert(error);
    }

    /// Adds a part of a multipart form.
    async fn add_part(&mut self, part: Field<'_>) {
        let Some(name) = part.name().map(unescaped) else {
            return self.fail(broken_multipart());
        };
        let file = part.file_name().map(str::to_owned);
        let is_text = file.is_none() && !has_encoded_file_name(&part) && is_plain(&part);
        let Ok(value) = part.bytes().await else {
            return self.fail(broken_part(&name));
        };
        // Browsers send an empty file with an empty name where none was chosen.
        if file.as_deref() == Some("") && value.is_empty() {
            return;
        }
        if !is_text {
            return self.fail(unsupported_part(&name));
        }
        if let Ok(value) = std::str::from_utf8(&value) {
            self.add(&name, value);
        } else {
            self.is_trapped |= name == TRAP;
            self.fail(broken_part(&name));
        }
    }

    fn add(&mut self, name: &str, value: &str) {
        match name {
            TRAP => self.is_trapped |= !value.trim().is_empty(),
            NEXT if self.next.is_none() && !value.trim().is_empty() => {
                self.next = Some(value.to_owned());
            }
            CHARSET if !value.is_empty() && !media_type::is_utf_8(value) => {
                self.fail(unsupported_part(name));
            }
            name if name.starts_with('_') => {}
            name if name.eq_ignore_ascii_case(MESSAGE) => self.collector.text(name, value),
            name => match key_of(name) {
                Some(key) => self.collector.attribute(name, &key, value),
                None => self.collector.field_problem(name, FieldCode::KeyPattern),
            },
        }
    }

    fn finish(self) -> Result<SubmittedForm, ApiError> {
        let collected = match self.error {
            Some(error) => Err(error),
            None => self.collector.finish(MESSAGE),
        };
        let (content, attributes) = match collected {
            // A program gets the usual success, whatever is wrong with its form.
            Err(_) if self.is_trapped && self.has_valid_head => {
                (MessageContent::from_store(""), Attributes::default())
            }
            collected => collected?,
        };
        Ok(SubmittedForm {
            message: IncomingMessage::of(content, attributes),
            next: self.next,
            is_trapped: self.is_trapped,
        })
    }
}

/// The attribute key that the name of a field becomes: in lower case, with one `-` for a run of other
/// characters between two others; `None` if nothing is left.
fn key_of(name: &str) -> Option<String> {
    let mut key = String::with_capacity(name.len());
    let mut has_gap = false;
    for character in name.chars() {
        let character = character.to_ascii_lowercase();
        if !(character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')) {
            has_gap = true;
            continue;
        }
        if has_gap && !key.is_empty() {
            key.push('-');
        }
        has_gap = false;
        key.push(character);
    }
    (!key.is_empty()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_keys() {
        for (name, key) in [
            ("room", Some("room")),
            ("Room Number", Some("room-number")),
            ("  (E-mail) ", Some("e-mail")),
            ("a[b][c]", Some("a-b-c")),
            ("x_y.z-1", Some("x_y.z-1")),
            ("Имя", None),
            ("Имя 1", Some("1")),
            ("\u{212a}", None),
            ("", None),
        ] {
            assert_eq!(key_of(name).as_deref(), key, "{name}");
        }
    }
}
