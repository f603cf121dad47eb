//! The frames of an event stream.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;

use actix_web::web::Bytes;
use posthorn_domain::{Message, MessageId};
use serde_json::json;
use uuid::Uuid;

use crate::wire::message::stored::message_response;

/// The size at which a chunk is full, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;
/// The time after which a client reconnects, in milliseconds.
const RETRY_MILLIS: u32 = 1000;

/// The first frame: the reconnection time, and the id from which to resume before the first message.
pub(super) fn start(cursor: MessageId) -> Bytes {
    Bytes::from(format!("retry: {RETRY_MILLIS}\nid: {cursor}\n\n"))
}

/// A comment.
pub(super) fn heartbeat() -> Bytes {
    Bytes::from_static(b":\n\n")
}

/// The last frame.
pub(super) fn bye() -> Bytes {
    Bytes::from_static(b"event: bye\ndata: {}\n\n")
}

/// The only frame of a server without capacity for another stream. The clients that get it come back at different
/// times.
pub(super) fn busy() -> Bytes {
    // The tail of a UUIDv7 is random.
    let retry = 1000 + Uuid::now_v7().as_u128() % 9001;
    Bytes::from(format!("retry: {retry}\nevent: busy\ndata: {{}}\n\n"))
}

/// The frame for messages that were removed before they were sent; `first` is the oldest one held.
pub(super) fn gap(first: Option<MessageId>) -> Bytes {
    let first = first.map(|id| id.to_string());
    Bytes::from(format!(
        "event: gap\ndata: {}\n\n",
        json!({ "first_id": first })
    ))
}

/// As many pending messages as fit into one chunk; at least one.
pub(super) fn messages(pending: &mut VecDeque<Arc<Message>>) -> Bytes {
    let mut text = String::new();
    while text.len() < CHUNK_BYTES {
        let Some(message) = pending.pop_front() else {
            break;
        };
        match serde_json::to_string(&message_response(&message)) {
            // Writing into a `String` cannot fail.
            Ok(data) => {
                let _ = write!(text, "id: {}\nevent: message\ndata: {data}\n\n", message.id);
            }
            Err(error) => {
                tracing::error!(%error, id = %message.id, "a message could not be serialized");
            }
        }
    }
    Bytes::from(text)
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
            processed_at: Timestamp::default(),
        };
        let mut pending = VecDeque::from([Arc::new(message)]);
        let frame = messages(&mut pending);
        let text = std::str::from_utf8(&frame).unwrap();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.starts_with("id: 00000000000000000000000001\nevent: message\ndata: {"));
        assert!(pending.is_empty());
    }
}
