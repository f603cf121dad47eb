//! The arguments of `posthorn webhook`.

use std::time::Duration;

use clap::{Args, Subcommand};
use posthorn_client::WebhookDraft;

use super::client::key_value;
use super::consumer::seconds;
use super::manage::{ConditionArguments, SharedCommand, TargetArguments};

/// A webhook command.
#[derive(Subcommand)]
pub enum WebhookCommand {
    /// Create a webhook, or replace the settings of an existing one. An absent setting gets its
    /// default; an absent secret is kept, or generated and printed once.
    #[command(after_help = "A secret of your own is set by POSTHORN_WEBHOOK_SECRET.")]
    Put(Box<PutWebhookArguments>),
    /// Generate a new secret and print it.
    RotateSecret {
        /// The webhook.
        #[command(flatten)]
        target: TargetArguments,
        /// How long the old secret signs, too.
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        grace: Option<Duration>,
    },
    /// Enable a disabled webhook.
    Enable(TargetArguments),
    /// Send one signed request that is not a message, and print its result.
    Test(TargetArguments),
    /// Send messages again, settled ones, too.
    Replay {
        /// The webhook.
        #[command(flatten)]
        target: TargetArguments,
        /// The first message: an id or an RFC 3339 time.
        #[arg(long, value_name = "POSITION")]
        from: String,
        /// The last message: an id or an RFC 3339 time; by default the newest.
        #[arg(long, value_name = "POSITION")]
        to: Option<String>,
    },
    /// Print the last attempts, newest first.
    Attempts(TargetArguments),
    /// A command that consumers have, too.
    #[command(flatten)]
    Shared(SharedCommand),
}

/// The arguments of `posthorn webhook put`.
#[derive(Args)]
pub struct PutWebhookArguments {
    /// The webhook.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The URL that receives the messages.
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
    /// The delays before the attempts 2, 3, …, separated by commas.
    #[arg(long, value_name = "DURATION", value_delimiter = ',', value_parser = humantime::parse_duration)]
    schedule: Option<Vec<Duration>>,
    /// The time limit of an attempt, 1s to 60s (15s).
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    /// The most attempts at once, 1 to 1000 (10).
    #[arg(long, value_name = "NUMBER")]
    max_in_flight: Option<u32>,
    /// The most attempts per second and process.
    #[arg(long, value_name = "NUMBER")]
    rate_per_second: Option<f64>,
    /// The body: `standard` (default) or `cloudevents`.
    #[arg(long)]
    format: Option<String>,
    /// A header of each attempt; may be repeated. An argument is visible to every user of the
    /// machine.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = key_value)]
    headers: Vec<(String, String)>,
    /// The condition.
    #[command(flatten)]
    pub condition: ConditionArguments,
}

impl PutWebhookArguments {
    /// The settings.
    pub fn draft(&self) -> WebhookDraft {
        WebhookDraft {
            url: self.receiver.clone(),
            secret: self.secret.clone(),
            start: self.start.clone(),
            schedule_seconds: self.schedule.as_deref().map(seconds),
            timeout_seconds: self.timeout.as_ref().map(Duration::as_secs_f64),
            max_in_flight: self.max_in_flight,
            rate_per_second: self.rate_per_second,
            format: self.format.clone(),
            headers: self.headers.iter().cloned().collect(),
        }
    }
}
