//! The arguments that `posthorn consumer` and `posthorn webhook` share.

use clap::{Args, Subcommand};
use posthorn_client::WriteCondition;
use posthorn_domain::{ConsumerKey, ConsumerKind, ConsumerName, Topic};

use super::client::ServerArguments;

/// A command with its server.
#[derive(Args)]
pub struct ManageArguments<C: Subcommand> {
    /// The command.
    #[command(subcommand)]
    pub command: C,
    /// Print the JSON of the response.
    #[arg(long, global = true)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// A command that is the same for consumers and webhooks.
#[derive(Subcommand)]
pub enum SharedCommand {
    /// Print the settings and counts.
    Get(TargetArguments),
    /// Print all of a topic with their counts.
    List {
        /// The topic.
        #[arg(value_parser = Topic::parse)]
        topic: Topic,
    },
    /// Delete it with its dead letters.
    Delete(TargetArguments),
    /// Print the dead letters, oldest first.
    Dead {
        /// The target.
        #[command(flatten)]
        target: TargetArguments,
        /// Start right after this message.
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        /// The most dead letters to print.
        #[arg(long, value_name = "NUMBER")]
        limit: Option<u32>,
    },
    /// Return dead letters to waiting, with attempt 1.
    Redrive {
        /// The target.
        #[command(flatten)]
        target: TargetArguments,
        /// The ids of the messages; without one, all dead letters.
        #[arg(value_name = "ID")]
        ids: Vec<String>,
    },
    /// Delete a dead letter.
    DeadDelete {
        /// The target.
        #[command(flatten)]
        target: TargetArguments,
        /// The id of the message.
        id: String,
    },
}

/// A topic, and the name of a consumer or a webhook.
#[derive(Args)]
pub struct TargetArguments {
    /// The topic.
    #[arg(value_parser = Topic::parse)]
    topic: Topic,
    /// The name.
    name: ConsumerName,
}

/// The condition under which settings are written.
#[derive(Args)]
pub struct ConditionArguments {
    /// Fail if it exists.
    #[arg(long, conflicts_with = "if_match")]
    if_absent: bool,
    /// Fail if the settings have another entity tag.
    #[arg(long, value_name = "ETAG")]
    if_match: Option<String>,
}

impl TargetArguments {
    /// The key of the consumer or the webhook.
    pub fn key(self, kind: ConsumerKind) -> ConsumerKey {
        ConsumerKey {
            topic: self.topic,
            kind,
            name: self.name,
        }
    }
}

impl ConditionArguments {
    /// The condition.
    pub fn condition(&self) -> Option<WriteCondition> {
        if self.if_absent {
            return Some(WriteCondition::Absent);
        }
        self.if_match.clone().map(WriteCondition::Tag)
    }
}
