//! The arguments of `posthorn webhook`.

use std::fmt;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::api::WebhookDraft;
use crate::commands::pairs::unique;
use crate::commands::server::ServerArguments;
use crate::commands::shared::{ConditionArguments, SharedCommand, TargetArguments};
use crate::error::ClientError;

/// The arguments of `posthorn webhook`.
#[derive(Clone, Debug, Args)]
pub struct WebhookArguments {
    /// The webhook command.
    #[command(subcommand)]
    pub command: WebhookCommand,
    /// Print the JSON of the response.
    #[arg(long, global = true)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// A webhook command.
#[derive(Clone, Debug, Subcommand)]
pub enum WebhookCommand {
    /// Create a webhook, or replace the settings of an existing one. An absent setting gets its
    /// default; an absent secret is kept, or made and printed once.
    #[command(after_help = "A secret of your own is set by POSTHORN_WEBHOOK_SECRET.")]
    Put(Box<PutWebhookArguments>),
    /// Make a new secret and print it.
    RotateSecret {
        /// The webhook.
        #[command(flatten)]
        target: TargetArguments,
        /// How long the old secret signs too, 0s to 7d (1d).
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        grace: Option<Duration>,
    },
    /// Enable a disabled webhook.
    Enable(TargetArguments),
    /// Send one signed request that is not a message, and print its outcome. Exits with 1 unless the
    /// receiver responds with 2xx.
    Test(TargetArguments),
    /// Send settled messages again.
    Replay {
        /// The webhook.
        #[command(flatten)]
        target: TargetArguments,
        /// The first message: an id or an RFC 3339 time, included.
        #[arg(long, value_name = "ID|TIME")]
        from: String,
        /// The last message: an id or an RFC 3339 time, included; by default the newest.
        #[arg(long, value_name = "ID|TIME")]
        to: Option<String>,
    },
    /// Print the last attempts, the newest first.
    Attempts(TargetArguments),
    /// A command that consumers have too.
    #[command(flatten)]
    Shared(SharedCommand),
}

/// The arguments of `posthorn webhook put`.
#[derive(Clone, Args)]
pub struct PutWebhookArguments {
    /// The webhook.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The URL that receives the messages.
    #[arg(value_name = "URL")]
    receiver: String,
    /// The secret. As an argument it is visible to every user of the machine.
    #[arg(
        long,
        env = "POSTHORN_WEBHOOK_SECRET",
        hide = true,
        hide_env_values = true
    )]
    secret: Option<String>,
    /// Where a new webhook starts: `oldest` (default), `newest`, right after a message id, or from
    /// an RFC 3339 time on.
    #[arg(long, value_name = "POSITION")]
    start: Option<String>,
    /// The waits before the attempts 2, 3, …, separated by commas
    /// (5s,5m,30m,2h,5h,10h,14h,20h,24h).
    #[arg(long, value_name = "DURATION", value_delimiter = ',', value_parser = humantime::parse_duration)]
    schedule: Vec<Duration>,
    /// The time limit of an attempt, 1s to 60s (15s).
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    /// The most attempts at once, 1 to 1000 (10).
    #[arg(long, value_name = "NUMBER")]
    max_in_flight: Option<u32>,
    /// The most attempts in a second, in each process (no limit).
    #[arg(long, value_name = "NUMBER")]
    rate_per_second: Option<f64>,
    /// The form of the requests: `standard` (default) or `cloudevents`.
    #[arg(long)]
    format: Option<String>,
    /// A header of the requests; may be repeated. An argument is visible to every user of the
    /// machine.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = name_value)]
    headers: Vec<(String, String)>,
    /// The condition.
    #[command(flatten)]
    pub condition: ConditionArguments,
}

impl PutWebhookArguments {
    /// The settings.
    ///
    /// # Errors
    /// A header that is given twice.
    pub fn draft(&self) -> Result<WebhookDraft, ClientError> {
        let schedule = self.schedule.iter().map(Duration::as_secs_f64).collect();
        Ok(WebhookDraft {
            url: self.receiver.clone(),
            secret: self.secret.clone(),
            start: self.start.clone(),
            schedule_seconds: Some(schedule).filter(|waits: &Vec<f64>| !waits.is_empty()),
            timeout_seconds: self.timeout.map(|timeout| timeout.as_secs_f64()),
            max_in_flight: self.max_in_flight,
            rate_per_second: self.rate_per_second,
            format: self.format.clone(),
            headers: unique("--header", &self.headers)?,
        })
    }
}

/// Shows neither the secret nor the headers.
impl fmt::Debug for PutWebhookArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutWebhookArguments")
            .finish_non_exhaustive()
    }
}

/// Parses `NAME=VALUE`. The error does not repeat the text, which may hold a credential.
fn name_value(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or("NAME=VALUE is expected")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}
