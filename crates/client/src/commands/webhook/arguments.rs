//! The arguments of `posthorn webhook`.

use std::collections::BTreeMap;
use std::fmt;

use clap::{Args, Subcommand};
use posthorn_domain::{
    AttemptTimeout, DeliveryConcurrency, RedeliveryDelay, UrlSchemes, WebhookFormat,
    WebhookHeaders, WebhookSecret, WebhookUrl,
};

use crate::api::WebhookDraft;
use crate::commands::pairs::unique;
use crate::commands::schedule::schedule_seconds;
use crate::commands::server::ServerArguments;
use crate::commands::shared::{ConditionArguments, SharedCommand, TargetArguments};
use crate::commands::values::{
    duration_as, grace_seconds, id_or_time, number_between, position, rate,
};
use crate::error::ClientError;
use crate::seconds::seconds;

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
        #[arg(long, value_name = "DURATION", value_parser = duration_as(grace_seconds))]
        grace: Option<f64>,
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
        #[arg(long, value_name = "ID|TIME", value_parser = id_or_time)]
        from: String,
        /// The last message: an id or an RFC 3339 time, included; by default the newest.
        #[arg(long, value_name = "ID|TIME", value_parser = id_or_time)]
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
    #[arg(long, value_name = "POSITION", value_parser = position)]
    start: Option<String>,
    /// The waits before the attempts 2, 3, …, separated by commas, each 0s to 1d
    /// (5s,5m,30m,2h,5h,10h,14h,20h,24h).
    #[arg(long, value_name = "DURATION", value_delimiter = ',', value_parser = duration_as(RedeliveryDelay::parse))]
    schedule: Vec<RedeliveryDelay>,
    /// The time limit of an attempt, 1s to 60s (15s).
    #[arg(long, value_name = "DURATION", value_parser = duration_as(AttemptTimeout::parse))]
    timeout: Option<AttemptTimeout>,
    /// The most attempts at once, 1 to 1000 (10).
    #[arg(long, value_name = "NUMBER", value_parser = number_between::<u32>(1, DeliveryConcurrency::MAX.get().into()))]
    max_in_flight: Option<u32>,
    /// The most attempts in a second, in each process, 0.001 to 10000 (no limit).
    #[arg(long, value_name = "NUMBER", value_parser = rate)]
    rate_per_second: Option<f64>,
    /// The form of the requests (standard).
    #[arg(long, value_parser = [WebhookFormat::Standard.as_str(), WebhookFormat::CloudEvents.as_str()])]
    format: Option<String>,
    /// A header of the requests; may be repeated. An argument is visible to every user of the
    /// machine.
    // Parsed later: an error of clap would repeat a credential.
    #[arg(long = "header", value_name = "NAME=VALUE")]
    headers: Vec<String>,
    /// The condition.
    #[command(flatten)]
    pub condition: ConditionArguments,
}

impl PutWebhookArguments {
    /// The settings.
    ///
    /// # Errors
    /// A URL, a secret or a header that no server accepts, a header that is given twice, or too many waits.
    /// The text does not repeat a value, which may hold a credential.
    pub fn draft(&self) -> Result<WebhookDraft, ClientError> {
        let url = WebhookUrl::parse(&self.receiver, UrlSchemes::HttpAndHttps);
        url.and_then(|url| url.check_reachable())
            .map_err(|error| argument("URL", &error))?;
        if let Some(secret) = &self.secret {
            let origin = "POSTHORN_WEBHOOK_SECRET or --secret";
            WebhookSecret::parse(secret).map_err(|error| argument(origin, &error))?;
        }
        Ok(WebhookDraft {
            url: self.receiver.clone(),
            secret: self.secret.clone(),
            start: self.start.clone(),
            schedule_seconds: schedule_seconds("--schedule", &self.schedule)?,
            timeout_seconds: self.timeout.map(|timeout| seconds(timeout.get())),
            max_in_flight: self.max_in_flight,
            rate_per_second: self.rate_per_second,
            format: self.format.clone(),
            headers: self.headers()?,
        })
    }

    fn headers(&self) -> Result<BTreeMap<String, String>, ClientError> {
        let pairs = self.headers.iter().map(|text| {
            let pair = text.split_once('=');
            let pair = pair.map(|(name, value)| (name.to_owned(), value.to_owned()));
            pair.ok_or_else(|| argument("--header", &"a header is written NAME=VALUE"))
        });
        let pairs: Vec<_> = pairs.collect::<Result<_, _>>()?;
        let headers = unique("--header", &pairs)?;
        match WebhookHeaders::parse(&headers) {
            Ok(_) => Ok(headers),
            Err(errors) => {
                let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
                Err(argument("--header", &errors.join("; ")))
            }
        }
    }
}

/// The error of an argument, without its value.
fn argument(origin: &'static str, reason: &dyn fmt::Display) -> ClientError {
    let reason = reason.to_string();
    ClientError::Argument { origin, reason }
}

/// Shows neither the secret nor the headers.
impl fmt::Debug for PutWebhookArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutWebhookArguments")
            .finish_non_exhaustive()
    }
}
