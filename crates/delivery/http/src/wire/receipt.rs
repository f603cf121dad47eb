//! The receipt of a stored message.

mod page;

use actix_web::http::header::HeaderName;
use posthorn_domain::Receipt;
use serde::Serialize;
use utoipa::ToSchema;

use crate::settings::Locale;
use crate::wire::json::push_escaped;
use crate::wire::time::rfc3339;

pub(crate) use page::receipt_page;

/// The header of a response whose receipts are those of an earlier request.
pub(crate) static IDEMPOTENCY_REPLAYED: HeaderName =
    HeaderName::from_static("idempotency-replayed");

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

/// The bytes of a receipt in JSON beside the text of its message, as a rule.
const USUAL_BYTES: usize = 288;

/// The receipt in the client's language; `text` is the message's and `id` the receipt's.
pub(crate) fn receipt_response<'a>(
    receipt: &'a Receipt,
    id: String,
    text: &str,
    locale: Locale,
) -> ReceiptResponse<'a> {
    ReceiptResponse {
        success: true,
        message: [sentence(locale), text].concat(),
        processed_at: rfc3339(receipt.processed_at),
        pod: &receipt.instance,
        id,
        topic: receipt.topic.as_str(),
        durability: receipt.durability.as_str(),
    }
}

/// The JSON of [`receipt_response`]. On the hot path: `serde_json` reads each text byte by byte, and first
/// needs each value as a text of its own.
pub(crate) fn receipt_json(receipt: &Receipt, id: &str, text: &str, locale: Locale) -> String {
    let mut json = String::with_capacity(USUAL_BYTES + text.len());
    json.push_str(r#"{"success":true,"message":""#);
    json.push_str(sentence(locale));
    push_escaped(&mut json, text);
    json.push_str(r#"","processed_at":""#);
    json.push_str(&rfc3339(receipt.processed_at));
    json.push_str(r#"","pod":""#);
    push_escaped(&mut json, &receipt.instance);
    json.push_str(r#"","id":""#);
    json.push_str(id);
    json.push_str(r#"","topic":""#);
    json.push_str(receipt.topic.as_str());
    json.push_str(r#"","durability":""#);
    json.push_str(receipt.durability.as_str());
    json.push_str(r#""}"#);
    json
}

/// The start of the sentence with the text of the message.
fn sentence(locale: Locale) -> &'static str {
    locale.pick("Сообщение получено: ", "Message received: ")
}

#[cfg(test)]
mod tests {
    use posthorn_domain::{Durability, MessageId, Timestamp, Topic};

    use super::*;

    #[test]
    fn the_text_of_a_receipt_is_what_its_fields_serialize_to() {
        for (instance, text) in [
            ("pod-1", "The door is open"),
            (
                "pod \"1\"",
                "a \"quoted\" \\ text\n\tof two lines \u{1F6AA}",
            ),
            ("", "\u{7f}\u{1}"),
        ] {
            for locale in [Locale::Ru, Locale::En] {
                let receipt = Receipt {
                    id: MessageId::new(Timestamp::from_millis(1_795_392_000_120), 7),
                    topic: Topic::inbox(),
                    durability: Durability::Synced,
                    instance: instance.into(),
                    processed_at: Timestamp::from_millis(1_795_392_000_120),
                };
                let id = receipt.id.to_string();
                let json = receipt_json(&receipt, &id, text, locale);
                let response = receipt_response(&receipt, id, text, locale);
                assert_eq!(json, serde_json::to_string(&response).unwrap());
            }
        }
    }
}
