//! `posthorn consumer pull`, and what `ack`, `nack` and `extend` print.

use posthorn_domain::ConsumerKind;
use serde_json::json;

use super::arguments::PullArguments;
use crate::api::{ApiClient, SettleResult};
use crate::commands::describe;
use crate::commands::shared;
use crate::console::print;
use crate::error::ClientError;

/// Leases messages and returns the text to print.
pub(super) async fn pull(
    client: &ApiClient,
    arguments: PullArguments,
    json: bool,
) -> Result<String, ClientError> {
    let limits = arguments.limits();
    let consumer = arguments.target.key(ConsumerKind::Consumer);
    let messages = client.pull(&consumer, limits).await?;
    let response = json!({ "messages": messages });
    Ok(shared::show(&response, json, describe::pulled))
}

/// The text for the outcome of each lease.
///
/// # Errors
/// A lease is stale. The text is printed then.
pub(super) fn show(
    tokens: &[String],
    result: &SettleResult,
    outcome: &str,
    json: bool,
) -> Result<String, ClientError> {
    let text = shared::show(&json!(result), json, |_| {
        describe::leases(tokens, result, outcome)
    });
    if result.stale.is_empty() {
        return Ok(text);
    }
    print(&text);
    Err(ClientError::StaleLeases {
        stale: result.stale.len(),
        all: tokens.len(),
    })
}
