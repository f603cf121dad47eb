//! The arguments of `posthorn consumer`.

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::api::ConsumerDraft;
use crate::commands::server::ServerArguments;
use crate::commands::shared::{ConditionArguments, SharedCommand, TargetArguments};

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
        #[arg(value_name = "POSITION")]
        to: String,
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
    #[arg(long, value_name = "POSITION")]
    start: Option<String>,
    /// The length of a lease, 1s to 12h (30s).
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    lease: Option<Duration>,
    /// The attempts before a message is dead, 1 to 1000 (5).
    #[arg(long, value_name = "NUMBER")]
    max_attempts: Option<u32>,
    /// The delays before the attempts 2, 3, …, separated by commas; the last one repeats
    /// (0s,5s,30s,5m).
    #[arg(long, value_name = "DURATION", value_delimiter = ',', value_parser = humantime::parse_duration)]
    backoff: Vec<Duration>,
    /// The most valid leases at once, 1 to 10000 (1000).
    #[arg(long, value_name = "NUMBER")]
    max_in_flight: Option<u32>,
    /// The condition.
    #[command(flatten)]
    pub condition: ConditionArguments,
}

impl PutArguments {
    /// The settings.
    pub fn draft(&self) -> ConsumerDraft {
        let backoff = self.backoff.iter().map(Duration::as_secs_f64).collect();
        ConsumerDraft {
            start: self.start.clone(),
            lease_seconds: self.lease.map(|lease| lease.as_secs_f64()),
            max_attempts: self.max_attempts,
            backoff_seconds: Some(backoff).filter(|delays: &Vec<f64>| !delays.is_empty()),
            max_in_flight: self.max_in_flight,
        }
    }
}
