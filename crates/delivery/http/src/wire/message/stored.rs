//! The wire form of a stored message.

use std::collections::BTreeMap;

use posthorn_domain::{Message, TraceParent};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::time::rfc3339;

/// A stored message.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageResponse<'a> {
    /// The id of the message, a ULID; the ids of a topic sort in store order.
    #[schema(
        min_length = 26,
        max_length = 26,
        example = "01KATQ2J00000000000000001F"
    )]
    id: String,
    /// The topic of the message.
    topic: &'a str,
    /// The text of the message.
    message: &'a str,
    /// The attributes of the message.
    attributes: BTreeMap<&'a str, &'a str>,
    /// The time at which the store accepted the message.
    #[schema(format = "date-time")]
    processed_at: String,
    /// The sender's place in a trace, a `traceparent` of W3C Trace Context; absent if it sent none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        min_length = 55,
        max_length = 55,
        example = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    )]
    traceparent: Option<&'a str>,
}

/// The wire form of a stored message.
pub(crate) fn message_response(message: &Message) -> MessageResponse<'_> {
    MessageResponse {
        id: message.id.to_string(),
        topic: message.topic.as_str(),
        message: message.content.as_str(),
        attributes: message.attributes.iter().collect(),
        processed_at: rfc3339(message.processed_at),
        traceparent: message.traceparent.as_ref().map(TraceParent::as_str),
    }
}
