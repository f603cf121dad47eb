//! The receipt of a stored message.

use posthorn_domain::Receipt;
use serde::Serialize;
use utoipa::ToSchema;

use crate::settings::Locale;
use crate::wire::time::rfc3339;

/// The receipt of a message: it is stored.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReceiptAnswer<'a> {
    /// Always `true`.
    success: bool,
    /// The text that was accepted, in a sentence of the client's language.
    #[schema(example = "Message received: The door is open")]
    message: String,
    /// When the store accepted it.
    #[schema(format = "date-time")]
    processed_at: String,
    /// The pod that accepted it.
    pod: &'a str,
    /// The message's id, a ULID; ids of a topic sort in store order.
    #[schema(
        min_length = 26,
        max_length = 26,
        example = "01KATQ2J00000000000000001F"
    )]
    id: String,
    /// Where it is.
    topic: &'a str,
    /// What the store had reached when it answered.
    #[schema(pattern = "^(memory|synced|replicated)$")]
    durability: &'static str,
}

/// The receipt in the client's language; `text` is the message's and `id` the receipt's.
pub(crate) fn receipt_answer<'a>(
    receipt: &'a Receipt,
    id: String,
    text: &str,
    locale: Locale,
) -> ReceiptAnswer<'a> {
    let sentence = locale.pick("Сообщение получено: ", "Message received: ");
    ReceiptAnswer {
        success: true,
        message: [sentence, text].concat(),
        processed_at: rfc3339(receipt.processed_at()),
        pod: &receipt.instance,
        id,
        topic: receipt.topic.as_str(),
        durability: receipt.durability.as_str(),
    }
}
