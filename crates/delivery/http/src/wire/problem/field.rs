//! Problems of single fields: the broken rule, with its code and texts.

mod russian;

use posthorn_domain::{ForbiddenAddress, UrlSchemes, WebhookHeaders, WebhookUrl, WebhookUrlError};

use crate::settings::Locale;

/// A field and its broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldProblem {
    pub(crate) field: String,
    /// The JSON Pointer (RFC 6901) to the member of a JSON body; `None` outside one.
    pub(crate) pointer: Option<String>,
    pub(crate) code: FieldCode,
}

/// The rule that a field breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FieldCode {
    /// The field is missing.
    Required,
    /// The field is `null`.
    Null,
    /// The field is not a string.
    NotAString,
    /// The field is not an object.
    NotAnObject,
    /// The body is not an object.
    InvalidType,
    /// The field is unknown.
    Unknown,
    /// The field is repeated.
    Duplicate,
    /// The text is too short or too long, in characters.
    Length { min: usize, max: usize },
    /// The text holds a control character.
    ControlCharacter,
    /// The text holds a character outside the configured set.
    Charset,
    /// The topic name breaks its pattern.
    TopicPattern,
    /// The body's topic is not the path's.
    TopicMismatch,
    /// There are too many entries.
    TooMany { max: usize },
    /// The attribute key breaks its pattern.
    KeyPattern,
    /// The name of the field becomes the attribute key of another field.
    KeyCollision,
    /// The text is not UTF-8.
    NotUtf8,
    /// The text is neither a time nor a duration.
    Since,
    /// The header is not an idempotency key.
    IdempotencyKey,
    /// The text is not a message id.
    MessageId,
    /// The number is out of range.
    Range { min: usize, max: usize },
    /// The text is not one of the choices.
    Choice(&'static str),
    /// The parameter excludes another one.
    Excludes(&'static str),
    /// The field is not a number.
    NotANumber,
    /// The field is not a list.
    NotAList,
    /// The number of seconds is out of range or has more than three decimals.
    Seconds { min: u32, max: u32 },
    /// The list is empty or too long.
    Entries { max: usize },
    /// The text is not a position of a consumer.
    Position,
    /// The position lies in the future.
    PositionAhead,
    /// The text holds a control character, of which none is allowed.
    AnyControlCharacter,
    /// The text is not the URL of a webhook, for this reason.
    WebhookUrl(WebhookUrlError),
    /// The address in the URL may not be called.
    ForbiddenAddress(ForbiddenAddress),
    /// The text is not the secret of a webhook.
    WebhookSecret,
    /// The number of attempts in a second is out of range or has more than three decimals.
    Rate { max: u32 },
    /// The header cannot be set: its name is invalid, or the server or the connection owns it.
    Header(HeaderRule),
    /// The text is neither a message id nor a time.
    IdOrTime,
    /// The range ends before it begins.
    Backwards,
}

/// The field that stands for the body as a whole, as the original named it.
const WHOLE: &str = "_schema";

/// The rule that a header of a webhook breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderRule {
    /// Its name.
    Name,
    /// Posthorn or the connection sets it.
    Owned,
    /// Its value.
    Value,
}

impl FieldProblem {
    /// The problem of a header, a parameter, or a field of a form.
    pub(crate) fn new(field: &str, code: FieldCode) -> Self {
        Self {
            field: field.to_owned(),
            pointer: None,
            code,
        }
    }

    /// The problem of a member of a JSON body, by the names on the path to it.
    pub(crate) fn member(path: &[&str], code: FieldCode) -> Self {
        let mut pointer = String::new();
        for name in path {
            pointer.push('/');
            pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        }
        Self {
            field: path.join("."),
            pointer: Some(pointer),
            code,
        }
    }

    /// The problem of a JSON body as a whole.
    pub(crate) fn whole(code: FieldCode) -> Self {
        Self {
            pointer: Some(String::new()),
            ..Self::new(WHOLE, code)
        }
    }

    /// The problem as one of the item `index` of a list.
    pub(crate) fn in_item(self, index: usize) -> Self {
        let Self {
            field,
            pointer,
            code,
        } = self;
        let field = match pointer.as_deref() {
            Some("") => index.to_string(),
            _ => format!("{index}.{field}"),
        };
        let pointer = pointer.map(|pointer| format!("/{index}{pointer}"));
        Self {
            field,
            pointer,
            code,
        }
    }
}

impl FieldCode {
    /// The stable code of the rule, for programs.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Null => "null",
            Self::NotAString => "not-a-string",
            Self::NotAnObject => "not-an-object",
            Self::InvalidType => "invalid-type",
            Self::Unknown => "unknown-field",
            Self::Duplicate => "duplicate-field",
            Self::Length { .. } => "length",
            Self::ControlCharacter | Self::AnyControlCharacter => "control-character",
            Self::Charset => "charset",
            Self::TopicPattern | Self::KeyPattern => "pattern",
            Self::KeyCollision => "key-collision",
            Self::NotUtf8 => "not-utf-8",
            Self::Since => "since",
            Self::TopicMismatch => "topic-mismatch",
            Self::TooMany { .. } => "too-many",
            Self::IdempotencyKey => "idempotency-key",
            Self::MessageId => "message-id",
            Self::Range { .. } => "range",
            Self::Choice(_) => "choice",
            Self::Excludes(_) => "excludes",
            Self::NotANumber => "not-a-number",
            Self::NotAList => "not-a-list",
            Self::Seconds { .. } => "seconds",
            Self::Entries { .. } => "entries",
            Self::Position => "position",
            Self::PositionAhead => "position-ahead",
            Self::WebhookUrl(_) => "webhook-url",
            Self::ForbiddenAddress(_) => "forbidden-address",
            Self::WebhookSecret => "webhook-secret",
            Self::Rate { .. } => "rate",
            Self::Header(HeaderRule::Name) => "header-name",
            Self::Header(HeaderRule::Owned) => "header-owned",
            Self::Header(HeaderRule::Value) => "header-value",
            Self::IdOrTime => "id-or-time",
            Self::Backwards => "backwards",
        }
    }

    /// The rule in the client's language.
    pub(crate) fn text(&self, field: &str, locale: Locale) -> String {
        match locale {
            Locale::Ru => self.russian(field),
            Locale::En => self.english(field),
        }
    }

    #[expect(clippy::too_many_lines, reason = "a table of texts")]
    fn english(&self, field: &str) -> String {
        match self {
            Self::Required => format!("The field {field} is required."),
            Self::Length { min, max } => format!("Length must be between {min} and {max}."),
            Self::Null => "Field may not be null.".to_owned(),
            Self::NotAString => "Not a valid string.".to_owned(),
            Self::NotAnObject => "Not a valid mapping type.".to_owned(),
            Self::InvalidType => "Invalid input type.".to_owned(),
            Self::Unknown => "Unknown field.".to_owned(),
            Self::Duplicate => "Duplicate field.".to_owned(),
            Self::ControlCharacter => {
                "Control characters other than line feed and tab are not allowed.".to_owned()
            }
            Self::Charset => {
                "Only letters, digits, _, white space and -.,!?;:() are allowed.".to_owned()
            }
            Self::TopicPattern => {
                "A topic name has 1 to 64 characters: a-z, 0-9, '.', '_', '-'; the first is a letter or a digit."
                    .to_owned()
            }
            Self::TopicMismatch => "The topic in the body differs from the topic in the path.".to_owned(),
            Self::TooMany { max } => format!("At most {max} entries are allowed."),
            Self::KeyPattern => {
                "An attribute key has 1 to 64 characters: a-z, 0-9, '.', '_', '-'.".to_owned()
            }
            Self::KeyCollision => {
                "The name of the field becomes the attribute key of another field.".to_owned()
            }
            Self::NotUtf8 => "The text is not UTF-8.".to_owned(),
            Self::Since => {
                "Must be a time as of RFC 3339 with a zone, or a duration: a number and s, m, h or d."
                    .to_owned()
            }
            Self::IdempotencyKey => {
                "Send one header with a key of 1 to 255 visible ASCII characters.".to_owned()
            }
            Self::MessageId => "A message id is a ULID of 26 characters.".to_owned(),
            Self::Range { min, max } => format!("The number must be between {min} and {max}."),
            Self::Choice(choices) => format!("Must be one of: {choices}."),
            Self::Excludes(other) => format!("Cannot be combined with the parameter {other}."),
            Self::NotANumber => "Not a valid number.".to_owned(),
            Self::NotAList => "Not a valid list.".to_owned(),
            Self::Seconds { min, max } => {
                format!("The seconds must be between {min} and {max}, with at most three decimals.")
            }
            Self::Entries { max } => format!("The list must have 1 to {max} entries."),
            Self::Position => {
                "Must be oldest, newest, a message id, or a time as of RFC 3339.".to_owned()
            }
            Self::PositionAhead => "The position is in the future.".to_owned(),
            Self::AnyControlCharacter => "Control characters are not allowed.".to_owned(),
            Self::WebhookUrl(error) => english_url(*error),
            Self::ForbiddenAddress(address) => format!(
                "The URL has {address}, which is forbidden. WEBHOOK_ALLOW_CIDRS of the server can allow it."
            ),
            Self::WebhookSecret => "Must be whsec_ and the base64 of 24 to 64 bytes.".to_owned(),
            Self::Rate { max } => {
                format!("The number must be between 0.001 and {max}, with at most three decimals.")
            }
            Self::Header(HeaderRule::Name) => format!(
                "A header name has 1 to {} characters, as of RFC 9110.",
                WebhookHeaders::MAX_NAME_LENGTH
            ),
            Self::Header(HeaderRule::Owned) => "The server sets this header itself.".to_owned(),
            Self::Header(HeaderRule::Value) => format!(
                "A header value has at most {} visible ASCII characters, with spaces and tabs between \
                 them only.",
                WebhookHeaders::MAX_VALUE_LENGTH
            ),
            Self::IdOrTime => "Must be a message id or a time as of RFC 3339.".to_owned(),
            Self::Backwards => "The range ends before it begins.".to_owned(),
        }
    }

    /// The text of the original service, in any language of the client: the English one of its
    /// validation library, and one Russian one of its own.
    pub(crate) fn original(&self, field: &str) -> String {
        match self {
            Self::Required => self.russian(field),
            _ => self.english(field),
        }
    }
}

fn english_url(error: WebhookUrlError) -> String {
    match error {
        WebhookUrlError::Missing => "A URL is required.".to_owned(),
        WebhookUrlError::Length => {
            format!("A URL has at most {} bytes.", WebhookUrl::MAX_LENGTH)
        }
        WebhookUrlError::Syntax => {
            "Must be an absolute URL such as https://example.com/hook.".to_owned()
        }
        WebhookUrlError::Scheme(UrlSchemes::Https) => "The scheme must be https.".to_owned(),
        WebhookUrlError::Scheme(UrlSchemes::HttpAndHttps) => {
            "The scheme must be http or https.".to_owned()
        }
        WebhookUrlError::UserInformation => {
            "A URL must not contain a user or password: send them in headers.".to_owned()
        }
        WebhookUrlError::Fragment => "A URL must not have a fragment.".to_owned(),
        WebhookUrlError::Port => "The port must not be 0.".to_owned(),
        WebhookUrlError::HostName => {
            "A host name has labels of 1 to 63 characters without `*`, at most 253 in all."
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_originals_words_are_kept() {
        for (code, text) in [
            (FieldCode::Required, "Поле message обязательно"),
            (
                FieldCode::Length { min: 1, max: 1000 },
                "Length must be between 1 and 1000.",
            ),
            (FieldCode::NotAString, "Not a valid string."),
            (FieldCode::Null, "Field may not be null."),
            (FieldCode::Unknown, "Unknown field."),
            (FieldCode::InvalidType, "Invalid input type."),
        ] {
            assert_eq!(code.original("message"), text);
        }
        assert_eq!(
            FieldCode::Required.text("message", Locale::Ru),
            "Поле message обязательно"
        );
    }
}
