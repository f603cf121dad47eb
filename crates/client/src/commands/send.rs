//! `posthorn send`: sends one message, stored once through any number of retries.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Write};
use std::time::Duration;

use clap::Args;
use posthorn_domain::{Attributes, Charset, ContentRules, Topic};
use serde_json::Value;

use super::pairs::unique;
use super::send_batch::{BatchLines, SendBatchRequest, idempotency_key, send_batch};
use super::server::ServerArguments;
use super::values::{attribute, duration};
use crate::api::MessageDraft;
use crate::console::read_input;
use crate::error::ClientError;
use crate::retry::Retry;

/// The rules of a server that accepts all that any server does.
const WIDEST_RULES: ContentRules = ContentRules {
    max_length: usize::MAX,
    charset: Charset::Text,
};

/// The arguments of `posthorn send`.
#[derive(Clone, Debug, Args)]
pub struct SendArguments {
    /// The text, which may begin with a hyphen; `-` reads it from standard input.
    #[arg(default_value = "-", allow_hyphen_values = true, value_parser = message_text)]
    text: String,
    /// A text that begins with two hyphens.
    #[arg(last = true, value_name = "TEXT", conflicts_with = "text")]
    literal: Option<String>,
    /// The topic; the server's inbox by default.
    #[arg(long, value_parser = Topic::parse)]
    topic: Option<Topic>,
    /// An attribute of the message; may be repeated.
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = attribute)]
    attributes: Vec<(String, String)>,
    /// The key by which the server recognises a retry; a new one by default. With --batch the key of the
    /// first batch; the later ones have `.2`, `.3` and so on at its end.
    #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
    idempotency_key: Option<String>,
    /// The time limit of all tries.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    retry_for: Duration,
    /// Send each line of standard input as a message, in batches that are stored as a whole.
    #[arg(long, conflicts_with_all = ["text", "literal"])]
    batch: bool,
    /// With --batch: each line is a message as a JSON object.
    // clap does not require what a given argument excludes, so that `requires` alone permits a text.
    #[arg(long, requires = "batch", conflicts_with_all = ["text", "literal", "attributes"])]
    ndjson: bool,
    /// Print the whole receipt as JSON instead of the id.
    #[arg(long)]
    json: bool,
    /// The server.
    #[command(flatten)]
    pub(super) server: ServerArguments,
}

/// Sends the message; returns the id or the receipt. Every try carries the same idempotency key, so
/// that the message is stored once even if a response was lost.
pub(super) async fn run(arguments: &SendArguments) -> Result<String, ClientError> {
    if arguments.batch {
        return arguments.send_batch().await;
    }
    let draft = arguments.draft()?;
    let client = arguments.server.client()?;
    let new_key = || uuid::Uuid::now_v7().to_string();
    let key = arguments.idempotency_key.clone().unwrap_or_else(new_key);
    let mut retry = Retry::within(arguments.retry_for);
    let receipt = retry
        .run(async || client.send_message(&draft, &key).await)
        .await?;
    Ok(line(&receipt, arguments.json))
}

impl SendArguments {
    fn unique_attributes(&self) -> Result<BTreeMap<String, String>, ClientError> {
        let attributes = unique("--attribute", &self.attributes)?;
        match Attributes::parse(attributes.iter().map(|(key, value)| (&**key, &**value))) {
            Ok(_) => Ok(attributes),
            Err(error) => Err(ClientError::Argument {
                origin: "--attribute",
                reason: error.to_string(),
            }),
        }
    }

    /// The message, with its text read from standard input for `-`.
    pub(super) fn draft(&self) -> Result<MessageDraft, ClientError> {
        let attributes = self.unique_attributes()?;
        let given = self.literal.as_ref().unwrap_or(&self.text);
        let text = if given == "-" {
            let input = read_input().map_err(ClientError::Local)?;
            // A byte order mark is no part of the text (WHATWG Encoding, "UTF-8 decode").
            let text = input.strip_prefix('\u{feff}').map(str::to_owned);
            text.unwrap_or(input)
        } else {
            given.clone()
        };
        WIDEST_RULES
            .check(&text)
            .map_err(|error| match given.as_str() {
                "-" => ClientError::Local(format!("standard input: {error}")),
                _ => ClientError::Argument {
                    origin: "TEXT",
                    reason: error.to_string(),
                },
            })?;
        Ok(MessageDraft {
            text,
            topic: self.topic.clone(),
            attributes,
        })
    }
}

impl SendArguments {
    /// Sends the lines of standard input and prints the line of each receipt once its batch is stored.
    async fn send_batch(&self) -> Result<String, ClientError> {
        let client = self.server.client()?;
        let request = SendBatchRequest {
            topic: self.topic.clone().unwrap_or_else(Topic::inbox),
            lines: if self.ndjson {
                BatchLines::Objects
            } else {
                BatchLines::Texts(self.unique_attributes()?)
            },
            idempotency_key: self.idempotency_key.clone(),
            retry_for: self.retry_for,
        };
        let print = |receipts: &[Value]| {
            let lines: String = receipts
                .iter()
                .map(|receipt| line(receipt, self.json))
                .collect();
            let written = io::stdout().write_all(lines.as_bytes());
            written.map_err(|error| ClientError::Local(format!("standard output: {error}")))
        };
        send_batch(&client, &request, BufReader::new(io::stdin()), print).await?;
        Ok(String::new())
    }
}

/// The line of a receipt: its id, or the whole receipt.
fn line(receipt: &Value, json: bool) -> String {
    if json {
        return format!("{receipt}\n");
    }
    let id = receipt.get("id").and_then(|id| id.as_str());
    format!("{}\n", id.unwrap_or_default())
}

/// Rejects a text that looks like a mistyped option, which would be sent as a message.
fn message_text(text: &str) -> Result<String, &'static str> {
    if text.starts_with("--") {
        return Err("no such option; a text that begins with two hyphens follows `--`");
    }
    Ok(text.to_owned())
}
