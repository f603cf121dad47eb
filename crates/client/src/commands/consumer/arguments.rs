//! The arguments of `posthorn consumer`.

use clap::{Args, Subcommand};
use posthorn_domain::{
    Attempt, FailureReason, InFlightLimit, LeaseBatch, LeaseDuration, PullLimit, PullLimitError,
    PullWait, RedeliveryDelay,
};

use crate::api::{ConsumerDraft, PullLimits};
use crate::commands::schedule::schedule_seconds;
use crate::commands::server::ServerArguments;
use crate::commands::shared::{ConditionArguments, SharedCommand, TargetArguments};
use crate::commands::values::{duration_as, number_between, position};
use crate::error::ClientError;
use crate::seconds::seconds;

/// The arguments of `posthorn consumer`.
#[derive(Clone, Debug, Args)]
pub struct ConsumerArguments {
    /// The consumer command.
    #[command(subcommand)]
    pub command: ConsumerCommand,
    /// Print the JSON of the response.
    #[arg(long, global = true)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// A consumer command.
#[derive(Clone, Debug, Subcommand)]
pub enum ConsumerCommand {
    /// Create a consumer, or replace the settings of an existing one. An absent setting gets its
    /// default.
    Put(PutArguments),
    /// Move a consumer to another position. Its leases become stale, its attempts start anew.
    Seek {
        /// The consumer.
        #[command(flatten)]
        target: TargetArguments,
        /// The position: `oldest`, `newest`, right after a message id, or from an RFC 3339 time on.
        #[arg(value_name = "POSITION", value_parser = position)]
        to: String,
    },
    /// Lease messages and print them, one line per message. A line begins with the token of the lease,
    /// which `ack`, `nack` and `extend` take.
    Pull(PullArguments),
    /// Acknowledge messages: they are not handed out to this consumer again. Exits with 1 if a lease is
    /// stale.
    Ack(LeaseArguments),
    /// Reject messages: each is handed out again later, or is dead after its last attempt. Exits with 1
    /// if a lease is stale.
    Nack {
        /// The leases.
        #[command(flatten)]
        leases: LeaseArguments,
        /// The delay before the next attempt, 0s to 1d; by default the backoff of the consumer.
        #[arg(long, value_name = "DURATION", value_parser = duration_as(RedeliveryDelay::parse))]
        delay: Option<RedeliveryDelay>,
        /// Why the attempt failed, at most 256 characters. A dead letter keeps it.
        #[arg(long, value_name = "TEXT", value_parser = FailureReason::parse)]
        reason: Option<FailureReason>,
    },
    /// Extend leases, counted from now. Exits with 1 if a lease is stale.
    Extend {
        /// The leases.
        #[command(flatten)]
        leases: LeaseArguments,
        /// The length of the leases, 1s to 12h; by default as the consumer is set.
        #[arg(long, value_name = "DURATION", value_parser = duration_as(LeaseDuration::parse))]
        lease: Option<LeaseDuration>,
    },
    /// A command that webhooks have too.
    #[command(flatten)]
    Shared(SharedCommand),
}

/// The arguments of `posthorn consumer put`.
#[derive(Clone, Debug, Args)]
pub struct PutArguments {
    /// The consumer.
    #[command(flatten)]
    pub target: TargetArguments,
    /// Where a new consumer starts: `oldest` (default), `newest`, right after a message id, or from
    /// an RFC 3339 time on.
    #[arg(long, value_name = "POSITION", value_parser = position)]
    start: Option<String>,
    /// The length of a lease, 1s to 12h (30s).
    #[arg(long, value_name = "DURATION", value_parser = duration_as(LeaseDuration::parse))]
    lease: Option<LeaseDuration>,
    /// The attempts before a message is dead, 1 to 1000 (5).
    #[arg(long, value_name = "NUMBER", value_parser = number_between::<u32>(1, Attempt::MAX.get().into()))]
    max_attempts: Option<u32>,
    /// The delays before the attempts 2, 3, …, separated by commas, each 0s to 1d; the last one repeats
    /// (0s,5s,30s,5m).
    #[arg(long, value_name = "DURATION", value_delimiter = ',', value_parser = duration_as(RedeliveryDelay::parse))]
    backoff: Vec<RedeliveryDelay>,
    /// The most valid leases at once, 1 to 10000 (1000).
    #[arg(long, value_name = "NUMBER", value_parser = number_between::<u32>(1, InFlightLimit::MAX.get().into()))]
    max_in_flight: Option<u32>,
    /// The condition.
    #[command(flatten)]
    pub condition: ConditionArguments,
}

/// The arguments of `posthorn consumer pull`.
#[derive(Clone, Debug, Args)]
pub struct PullArguments {
    /// The consumer.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The most messages, 1 to 200 (10).
    #[arg(long, value_name = "NUMBER", value_parser = max_messages)]
    max: Option<PullLimit>,
    /// The longest wait for the first message, 0s to 20s (0s).
    #[arg(long, value_name = "DURATION", value_parser = duration_as(PullWait::parse))]
    wait: Option<PullWait>,
    /// The length of the leases, 1s to 12h; by default as the consumer is set.
    #[arg(long, value_name = "DURATION", value_parser = duration_as(LeaseDuration::parse))]
    lease: Option<LeaseDuration>,
}

/// A consumer, and leases of its messages.
#[derive(Clone, Debug, Args)]
pub struct LeaseArguments {
    /// The consumer.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The tokens of the leases, at most 200.
    // Any text is a token: the server reports one that it does not know as stale.
    #[arg(value_name = "LEASE", required = true)]
    tokens: Vec<String>,
}

impl PutArguments {
    /// The settings.
    ///
    /// # Errors
    /// Too many delays.
    pub fn draft(&self) -> Result<ConsumerDraft, ClientError> {
        Ok(ConsumerDraft {
            start: self.start.clone(),
            lease_seconds: self.lease.map(|lease| seconds(lease.get())),
            max_attempts: self.max_attempts,
            backoff_seconds: schedule_seconds("--backoff", &self.backoff)?,
            max_in_flight: self.max_in_flight,
        })
    }
}

impl PullArguments {
    /// The limits.
    pub fn limits(&self) -> PullLimits {
        PullLimits {
            max: self.max.map(PullLimit::get),
            wait: self.wait.map(PullWait::get),
            lease: self.lease,
        }
    }
}

impl LeaseArguments {
    /// The tokens, each once, in the order of the arguments.
    ///
    /// # Errors
    /// Too many for one call.
    pub fn tokens(&self) -> Result<Vec<String>, ClientError> {
        // Also repeated ones count for the server.
        LeaseBatch::parse(self.tokens.clone()).map_err(|error| ClientError::Argument {
            origin: "LEASE",
            reason: error.to_string(),
        })?;
        let mut tokens: Vec<String> = Vec::with_capacity(self.tokens.len());
        for token in &self.tokens {
            if !tokens.contains(token) {
                tokens.push(token.clone());
            }
        }
        Ok(tokens)
    }
}

/// Parses the most messages of a pull.
fn max_messages(text: &str) -> Result<PullLimit, PullLimitError> {
    let number = text.parse().map_err(|_| PullLimitError)?;
    PullLimit::parse(number)
}
