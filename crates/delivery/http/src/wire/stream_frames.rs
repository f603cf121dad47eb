//! The frames of an event stream. In each of them `id` is the last field: `@microsoft/fetch-event-source` resumes after
//! an id as soon as it has read that line, so a connection that is cut later in the frame would cost the message.

use std::fmt::Write;
use std::sync::Arc;

use actix_web::web::Bytes;
use posthorn_domain::{Message, MessageId};
use serde_json::json;
use uuid::Uuid;

use crate::state::message_frame::MessageFrame;
use crate::wire::message::stored::message_response;

/// The time after which a client reconnects, in milliseconds.
const RETRY_MILLIS: u32 = 1000;

/// The first frame: the reconnection time, and the id from which to resume before the first message.
pub(crate) fn start(cursor: MessageId) -> Bytes {
    Bytes::from(format!("retry: {RETRY_MILLIS}\nid: {cursor}\n\n"))
}

/// A comment.
pub(crate) fn heartbeat() -> Bytes {
    Bytes::from_static(b":\n\n")
}

/// The last frame.
pub(crate) fn bye() -> Bytes {
    Bytes::from_static(b"event: bye\ndata: {}\n\n")
}

/// The only frame of a server without capacity for another stream. The clients that get it come back at different
/// times. It repeats the position of the client, if that has one: the documentation of `httpx-sse` takes the id of the
/// last event for the position, and no id for none.
pub(crate) fn busy(position: Option<MessageId>) -> Bytes {
    // The tail of a UUIDv7 is random.
    let retry = 1000 + Uuid::now_v7().as_u128() % 9001;
    let id = position.map(|id| format!("id: {id}\n")).unwrap_or_default();
    Bytes::from(format!("retry: {retry}\nevent: busy\ndata: {{}}\n{id}\n"))
}

/// The frame for messages that were removed before they were sent; `first` is the oldest one held.
pub(crate) fn gap(first: Option<MessageId>) -> Bytes {
    let first = first.map(|id| id.to_string());
    Bytes::from(format!(
        "event: gap\ndata: {}\n\n",
        json!({ "first_id": first })
    ))
}

/// The frame for a message that is damaged and skipped.
pub(crate) fn unreadable(id: MessageId) -> Bytes {
    Bytes::from(format!(
        "event: unreadable\ndata: {{\"id\":\"{id}\"}}\nid: {id}\n\n"
    ))
}

/// The frames of `messages`, in their order.
pub(crate) fn messages(messages: &[Arc<Message>]) -> MessageFrame {
    let mut text = String::new();
    let mut count = 0;
    for message in messages {
        match serde_json::to_string(&message_response(message)) {
            // Writing into a `String` cannot fail.
            Ok(data) => {
                let _ = write!(text, "event: message\ndata: {data}\nid: {}\n\n", message.id);
                count += 1;
            }
            Err(error) => {
                tracing::error!(%error, id = %message.id, "a message could not be serialized");
            }
        }
    }
    MessageFrame {
        bytes: Bytes::from(text),
        count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use posthorn_domain::{Attributes, MessageContent, Timestamp, Topic};

    #[test]
    fn a_message_is_one_line_of_data_whatever_its_text() {
        let message = Message {
            id: MessageId::new(Timestamp::default(), 1),
            topic: Topic::inbox(),
            content: MessageContent::from_store("a\n\ndata: b"),
            attributes: Attributes::default(),
            traceparent: None,
            processed_at: Timestamp::default(),
        };
        let frame = messages(&[Arc::new(message)]);
        assert_eq!(frame.count, 1);
        let text = std::str::from_utf8(&frame.bytes).unwrap();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.starts_with("event: message\ndata: {"), "{text}");
        assert!(
            text.ends_with("}\nid: 00000000000000000000000001\n\n"),
            "{text}"
        );
    }
}
