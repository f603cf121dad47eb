//! The position of a consumer or a webhook in its topic.

use posthorn_domain::{ConsumerPosition, MessageId};
use serde_json::Value;

use crate::wire::fields::text;
use crate::wire::problem::FieldCode;
use crate::wire::time::parse_rfc3339;

/// `oldest`, `newest`, a message id or a time of RFC 3339.
pub(crate) fn position(value: Value) -> Result<ConsumerPosition, FieldCode> {
    let text = text(value)?;
    match text.as_str() {
        "oldest" => Ok(ConsumerPosition::Oldest),
        "newest" => Ok(ConsumerPosition::Newest),
        text => {
            let id = MessageId::parse_position(text).ok();
            let time = || parse_rfc3339(text).map(ConsumerPosition::From);
            id.map(ConsumerPosition::After)
                .or_else(time)
                .ok_or(FieldCode::Position)
        }
    }
}
