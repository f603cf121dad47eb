//! The format of a message in a body, by the headers of the request.

use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::mime::{self, Mime};

use crate::request::body;
use crate::wire::media_type;
use crate::wire::message::batch::BatchFormat;
use crate::wire::message::event::{self, EventData};
use crate::wire::problem::{AcceptedBody, ApiError, Code};

/// The media type of an event in structured mode.
const STRUCTURED_EVENT: &str = "application/cloudevents+json";

/// The header that marks an event in binary mode.
static EVENT_VERSION: HeaderName = HeaderName::from_static("ce-specversion");

/// The format of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MessageFormat {
    Json,
    Text,
    Form,
    Multipart {
        boundary: String,
    },
    /// A `CloudEvents` event in structured mode.
    Event,
    /// A `CloudEvents` event in binary mode.
    BinaryEvent(EventData),
}

/// The format of a message to a topic; without `Content-Type` it is text.
///
/// # Errors
/// `unsupported-media-type`.
pub(crate) fn of_message(headers: &HeaderMap) -> Result<MessageFormat, ApiError> {
    body::require_uncoded(headers)?;
    let is_event = headers.contains_key(&EVENT_VERSION);
    // First, because most messages are JSON: nothing is parsed for them.
    if !is_event && body::is_plain_json(headers) {
        return Ok(MessageFormat::Json);
    }
    let unsupported = || ApiError::unsupported_media_type(AcceptedBody::Message);
    let Some(media_type) = media_type(headers, AcceptedBody::Message)? else {
        return Ok(if is_event {
            MessageFormat::BinaryEvent(EventData::Text)
        } else {
            MessageFormat::Text
        });
    };
    if media_type.essence_str() == STRUCTURED_EVENT {
        return Ok(MessageFormat::Event);
    }
    if is_event {
        let data = event_data(&media_type).ok_or_else(event::binary_data)?;
        return Ok(MessageFormat::BinaryEvent(data));
    }
    match media_type.essence_str() {
        "application/json" => Ok(MessageFormat::Json),
        "text/plain" => Ok(MessageFormat::Text),
        "application/x-www-form-urlencoded" => Ok(MessageFormat::Form),
        "multipart/form-data" => {
            let boundary = media_type.get_param(mime::BOUNDARY);
            let boundary = boundary.ok_or_else(|| {
                unsupported().with_detail(
                    "У типа multipart/form-data нет параметра boundary.",
                    "The media type multipart/form-data lacks the parameter boundary.",
                )
            })?;
            let boundary = boundary.as_str().to_owned();
            Ok(MessageFormat::Multipart { boundary })
        }
        _ => Err(unsupported()),
    }
}

/// The format of a batch of messages.
///
/// # Errors
/// `unsupported-media-type`.
pub(crate) fn of_batch(headers: &HeaderMap) -> Result<BatchFormat, ApiError> {
    body::require_uncoded(headers)?;
    let media_type = media_type(headers, AcceptedBody::Batch)?;
    match media_type.as_ref().map(Mime::essence_str) {
        Some("application/json") => Ok(BatchFormat::Json),
        Some("application/x-ndjson") => Ok(BatchFormat::Lines),
        Some("application/cloudevents-batch+json") => Ok(BatchFormat::Events),
        _ => Err(ApiError::unsupported_media_type(AcceptedBody::Batch)),
    }
}

impl MessageFormat {
    /// The error of reading a body of this format: one without an end is malformed.
    pub(crate) fn broken(&self, error: ApiError) -> ApiError {
        if error.code == Code::MalformedJson && !matches!(self, Self::Json | Self::Event) {
            return ApiError::new(Code::MalformedBody);
        }
        error
    }
}

/// The kind of the data of an event in binary mode; `None` for binary data.
fn event_data(media_type: &Mime) -> Option<EventData> {
    let suffix = media_type.suffix().map(|suffix| suffix.as_str());
    match (media_type.type_().as_str(), media_type.subtype().as_str()) {
        ("application", "json") => Some(EventData::Json),
        _ if suffix == Some("json") => Some(EventData::Json),
        ("text", _) | ("application", "xml") => Some(EventData::Text),
        _ if suffix == Some("xml") => Some(EventData::Text),
        _ => None,
    }
}

/// The media type in UTF-8; `None` without one.
///
/// # Errors
/// `unsupported-media-type` with `accepted`: two headers, a malformed one, or another charset.
fn media_type(headers: &HeaderMap, accepted: AcceptedBody) -> Result<Option<Mime>, ApiError> {
    let unsupported = || ApiError::unsupported_media_type(accepted);
    let mut values = headers.get_all(header::CONTENT_TYPE);
    let (first, second) = (values.next(), values.next());
    let Some(value) = first.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let parsed = media_type::parse(value.as_bytes()).filter(|_| second.is_none());
    let media_type = parsed.ok_or_else(unsupported)?;
    if media_type::is_in_utf_8(&media_type) {
        return Ok(Some(media_type));
    }
    Err(unsupported().with_detail(
        "Текст принимается только в кодировке UTF-8.",
        "Text is accepted in UTF-8 only.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    /// The format of a body with this type; `None` if it is not supported.
    fn format(content_type: &'static str, is_event: bool) -> Option<MessageFormat> {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if is_event {
            headers.insert(EVENT_VERSION.clone(), HeaderValue::from_static("1.0"));
        }
        of_message(&headers).ok()
    }

    #[test]
    fn the_media_type_decides() {
        let boundary = "x".to_owned();
        for (content_type, expected) in [
            ("", Some(MessageFormat::Text)),
            ("application/json; charset=utf-8", Some(MessageFormat::Json)),
            ("application/json; charset=latin1", None),
            ("text/plain", Some(MessageFormat::Text)),
            ("Text/Plain; charset=\"UTF-8\"", Some(MessageFormat::Text)),
            ("text/plain; charset=utf8", Some(MessageFormat::Text)),
            ("text/plain; charset=koi8-r", None),
            ("text/plain; charset=utf-8; charset=latin1", None),
            ("text/plain; charset=latin1; charset=utf-8", None),
            ("application/json; charset=utf-8; charset=latin1", None),
            ("text/plain ; charset=utf-8", Some(MessageFormat::Text)),
            ("text/plain ; charset=koi8-r", None),
            ("application/json ; x=y", Some(MessageFormat::Json)),
            (
                "application/x-www-form-urlencoded\t;charset=utf-8",
                Some(MessageFormat::Form),
            ),
            ("text/html", None),
            ("text", None),
            (
                "application/x-www-form-urlencoded",
                Some(MessageFormat::Form),
            ),
            (
                "multipart/form-data; boundary=x",
                Some(MessageFormat::Multipart { boundary }),
            ),
            ("multipart/form-data", None),
            (
                "application/cloudevents+json; charset=UTF-8",
                Some(MessageFormat::Event),
            ),
            ("application/cloudevents-batch+json", None),
            ("application/octet-stream", None),
        ] {
            assert_eq!(format(content_type, false), expected, "{content_type}");
        }
    }

    #[test]
    fn the_data_of_an_event_is_json_or_text() {
        let (json, text) = (EventData::Json, EventData::Text);
        for (content_type, expected) in [
            ("", Some(text)),
            ("application/json", Some(json)),
            ("application/vnd.x+json", Some(json)),
            ("text/plain", Some(text)),
            ("text/html", Some(text)),
            ("application/xml", Some(text)),
            ("image/svg+xml", Some(text)),
            ("application/octet-stream", None),
            ("text/plain; charset=latin1", None),
        ] {
            let expected = expected.map(MessageFormat::BinaryEvent);
            assert_eq!(format(content_type, true), expected, "{content_type}");
        }
        let structured = format("application/cloudevents+json", true);
        assert_eq!(structured, Some(MessageFormat::Event));
    }
}
