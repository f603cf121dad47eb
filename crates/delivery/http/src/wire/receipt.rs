//! The receipt of a stored message.

mod page;

use posthorn_domain::Receipt;
use serde::Serialize;
use utoipa::ToSchema;

use crate::settings::Locale;
use crate::wire::time::rfc3339;

pub(crate) use page::receipt_page;

/// The receipt of a message, which is stored.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReceiptResponse<'a> {
    /// Always `true`.
    success: bool,
    /// The text of the message, in a sentence in the client's language.
    #[schema(example = "Message received: The door is open")]
    message: String,
    /// The time at which the store accepted the message.
    #[schema(format = "date-time")]
    processed_at: String,
    /// The pod that accepted the message.
    pod: &'a str,
    /// The id of the message, a ULID; the ids of a topic sort in store order.
    #[schema(
        min_length = 26,
        max_length = 26,
        example = "01KATQ2J00000000000000001F"
    )]
    id: String,
    /// The topic of the message.
    topic: &'a str,
    /// The durability that the store had reached when it confirmed the message.
    #[schema(pattern = "^(memory|synced|replicated)$")]
    durability: &'static str,
}

/// The receipts of a batch.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReceiptsResponse<'a> {
    /// The receipts of all messages, in their order.
    pub(crate) receipts: Vec<ReceiptResponse<'a>>,
}

/// The receipt in the client's language; `text` is the message's and `id` the receipt's.
pub(crate) fn receipt_response<'a>(
    receipt: &'a Receipt,
    id: String,
    text: &str,
    locale: Locale,
) -> ReceiptResponse<'a> {
    let sentence = locale.pick("Сообщение получено: ", "Message received: ");
    ReceiptResponse {
        success: true,
        message: [sentence, text].concat(),
        processed_at: rfc3339(receipt.processed_at),
        pod: &receipt.instance,
        id,
        topic: receipt.topic.as_str(),
        durability: receipt.durability.as_str(),
    }
}
