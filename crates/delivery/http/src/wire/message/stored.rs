//! The wire form of a stored message.

use std::collections::BTreeMap;

use posthorn_domain::Message;
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::time::rfc3339;

/// A stored message.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageAnswer<'a> {
    /// The message's id, a ULID; ids of a topic sort in store order.
    #[schema(
        min_length = 26,
        max_length = 26,
        example = "01KATQ2J00000000000000001F"
    )]
    id: String,
    /// Where it is.
    topic: &'a str,
    /// Its text.
    message: &'a str,
    /// What else the sender said about it.
    attributes: BTreeMap<&'a str, &'a str>,
    /// When the store accepted it.
    #[schema(format = "date-time")]
    processed_at: String,
}

/// The wire form of a stored message.
pub(crate) fn message_answer(message: &Message) -> MessageAnswer<'_> {
    MessageAnswer {
        id: message.id.to_string(),
        topic: message.topic.as_str(),
        message: message.content.as_str(),
        attributes: message.attributes.iter().collect(),
        processed_at: rfc3339(message.processed_at()),
    }
}
