//! What `posthorn consumer` and `posthorn webhook` have in common.

use clap::{Args, Subcommand};
use posthorn_domain::{ConsumerKey, ConsumerKind, ConsumerName, MessageId, Topic};
use serde_json::{Value, json};

use super::describe;
use super::values::{entity_tags, number_between};
use crate::api::{ApiClient, ConsumerResource, RedriveResult, WriteCondition, next_dead_letters};
use crate::console::{escape_control, print_error, report_damaged};
use crate::error::ClientError;

/// The most ids that a redrive names.
const MAX_IDS: usize = 200;

/// A command that is the same for consumers and webhooks.
#[derive(Clone, Debug, Subcommand)]
pub enum SharedCommand {
    /// Print its settings and counts.
    Get(TargetArguments),
    /// Print all of a topic with their counts.
    List {
        /// The topic.
        #[arg(value_parser = Topic::parse)]
        topic: Topic,
    },
    /// Delete it with its dead letters.
    Delete(TargetArguments),
    /// Print its dead letters, oldest first.
    Dead {
        /// The consumer or webhook.
        #[command(flatten)]
        target: TargetArguments,
        /// Start right after this message.
        #[arg(long, value_name = "ID", value_parser = MessageId::parse_position)]
        after: Option<MessageId>,
        /// The most dead letters to print, at most 200.
        #[arg(long, value_name = "NUMBER", default_value = "50", value_parser = number_between::<u32>(1, 200))]
        limit: u32,
    },
    /// Return dead letters to waiting, with attempt 1.
    Redrive {
        /// The consumer or webhook.
        #[command(flatten)]
        target: TargetArguments,
        /// The ids of the messages, at most 200; without one, all dead letters.
        #[arg(value_name = "ID", value_parser = MessageId::parse_position)]
        ids: Vec<MessageId>,
    },
    /// Delete a dead letter.
    DeadDelete {
        /// The consumer or webhook.
        #[command(flatten)]
        target: TargetArguments,
        /// The id of the message.
        id: MessageId,
    },
}

/// A topic, and the name of a consumer or a webhook.
#[derive(Clone, Debug, Args)]
pub struct TargetArguments {
    /// The topic.
    #[arg(value_parser = Topic::parse)]
    topic: Topic,
    /// The name.
    name: ConsumerName,
}

/// The condition under which settings are written.
#[derive(Clone, Debug, Args)]
pub struct ConditionArguments {
    /// Fail if it exists.
    #[arg(long, conflicts_with = "if_match")]
    if_absent: bool,
    /// Fail if its settings have another entity tag.
    #[arg(long, value_name = "ETAG", value_parser = entity_tags)]
    if_match: Option<String>,
}

impl TargetArguments {
    /// The consumer or webhook.
    pub fn key(self, kind: ConsumerKind) -> ConsumerKey {
        ConsumerKey {
            topic: self.topic,
            kind,
            name: self.name,
        }
    }
}

impl ConditionArguments {
    /// The condition, if there is one.
    pub fn condition(&self) -> Option<WriteCondition> {
        if self.if_absent {
            return Some(WriteCondition::Absent);
        }
        self.if_match.clone().map(WriteCondition::Tag)
    }
}

impl SharedCommand {
    /// Makes the call and returns the text to print.
    pub(super) async fn run(
        self,
        client: &ApiClient,
        kind: ConsumerKind,
        json: bool,
    ) -> Result<String, ClientError> {
        match self {
            Self::Get(target) => {
                let resource = client.get_consumer(&target.key(kind)).await?;
                Ok(show_consumer(&resource, json))
            }
            Self::List { topic } => {
                let list = client.list_consumers(&topic, kind).await?;
                Ok(show(&list, json, describe::list))
            }
            Self::Delete(target) => {
                client.delete_consumer(&target.key(kind)).await?;
                Ok(String::new())
            }
            Self::Dead {
                target,
                after,
                limit,
            } => {
                let key = target.key(kind);
                let page = client.dead_letters(&key, after, limit).await?;
                let damaged = page.get("unreadable").and_then(Value::as_array);
                report_damaged(damaged.into_iter().flatten().filter_map(Value::as_str));
                if let Some(next) = next_dead_letters(&page) {
                    let next = escape_control(&next);
                    print_error(&format!("there are more dead letters: --after {next}"));
                }
                Ok(show(&page, json, describe::dead_letters))
            }
            Self::Redrive { target, ids } => {
                let key = target.key(kind);
                let result = if ids.is_empty() {
                    redrive_all(client, &key).await?
                } else {
                    check_length(&ids)?;
                    client.redrive(&key, &ids).await?
                };
                Ok(show(&json!(result), json, |_| describe::redrive(&result)))
            }
            Self::DeadDelete { target, id } => {
                client.delete_dead_letter(&target.key(kind), id).await?;
                Ok(String::new())
            }
        }
    }
}

/// Checks the number of ids in one call.
fn check_length(ids: &[MessageId]) -> Result<(), ClientError> {
    if ids.len() <= MAX_IDS {
        return Ok(());
    }
    let reason = format!("a list of 1 to {MAX_IDS} ids");
    let origin = "ID";
    Err(ClientError::Argument { origin, reason })
}

/// Returns all dead letters to waiting, in as many calls as needed.
async fn redrive_all(client: &ApiClient, key: &ConsumerKey) -> Result<RedriveResult, ClientError> {
    let mut total = client.redrive(key, &[]).await?;
    let mut last = total.redriven;
    // Ends also if letters remain that the server does not redrive.
    while total.remaining > 0 && last > 0 {
        let result = client.redrive(key, &[]).await?;
        (last, total.remaining) = (result.redriven, result.remaining);
        total.redriven += last;
    }
    Ok(total)
}

/// The text for a consumer or a webhook.
pub(super) fn show_consumer(resource: &ConsumerResource, json: bool) -> String {
    show(&resource.json, json, |_| describe::consumer(resource))
}

/// The JSON, or its description.
pub(super) fn show(value: &Value, json: bool, describe: impl FnOnce(&Value) -> String) -> String {
    if json {
        format!("{value}\n")
    } else {
        describe(value)
    }
}
