//! The arguments of the client commands.

use std::fmt;
use std::time::Duration;

use clap::Args;
use posthorn_client::{MessageDraft, SendRequest, TailRequest};
use posthorn_domain::Topic;

/// The server of a client command, and the token for it.
#[derive(Clone, Args)]
pub struct ServerArguments {
    /// The address of the server.
    #[arg(
        long,
        global = true,
        env = "POSTHORN_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:5000"
    )]
    pub url: String,
    /// A bearer token. As an argument it is visible to every user of the machine.
    #[arg(
        long,
        global = true,
        env = "POSTHORN_TOKEN",
        hide = true,
        hide_env_values = true
    )]
    pub token: Option<String>,
}

/// Shows neither the token nor a password in the address.
impl fmt::Debug for ServerArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerArguments").finish_non_exhaustive()
    }
}

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
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = key_value)]
    attributes: Vec<(String, String)>,
    /// The key by which the server recognises a retry; a new one by default.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// The time limit of all tries.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    retry_for: Duration,
    /// Print the whole receipt as JSON instead of the id.
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArguments,
}

impl SendArguments {
    /// The request, with the text `-` where it is to be read from standard input.
    pub fn request(&self) -> SendRequest {
        SendRequest {
            draft: MessageDraft {
                text: self.literal.as_ref().unwrap_or(&self.text).clone(),
                topic: self.topic.clone(),
                attributes: self.attributes.iter().cloned().collect(),
            },
            idempotency_key: self.idempotency_key.clone(),
            retry_for: self.retry_for,
        }
    }
}

/// The arguments of `posthorn tail`.
#[derive(Clone, Debug, Args)]
pub struct TailArguments {
    /// The topic.
    #[arg(value_parser = Topic::parse)]
    topic: Topic,
    /// Start right after this message; by default with the next accepted message.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// Print each message as a line of JSON.
    #[arg(long)]
    json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArguments,
}

impl TailArguments {
    /// The request.
    pub fn request(&self) -> TailRequest {
        TailRequest {
            topic: self.topic.clone(),
            after: self.after.clone(),
            json: self.json,
        }
    }
}

/// Rejects a text that looks like a mistyped option, which would be sent as a message.
fn message_text(text: &str) -> Result<String, &'static str> {
    if text.starts_with("--") {
        return Err("no such option; a text that begins with two hyphens follows `--`");
    }
    Ok(text.to_owned())
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("an attribute is written KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
