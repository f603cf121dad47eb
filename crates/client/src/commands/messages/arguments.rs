//! The arguments of `posthorn topics`, `list`, `get` and `delete`.

use clap::Args;
use posthorn_domain::{MessageId, Topic};

use crate::api::PageCursor;
use crate::commands::server::ServerArguments;
use crate::commands::values::{number_between, since};
use crate::error::ClientError;

/// The ULID above all others. No message has it.
const GREATEST_ID: &str = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ";

/// The arguments of `posthorn topics`.
#[derive(Clone, Debug, Args)]
pub struct TopicsArguments {
    /// Print each topic as a line of JSON.
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// The arguments of `posthorn list`.
#[derive(Clone, Debug, Args)]
pub struct ListArguments {
    /// The topic.
    #[arg(value_parser = Topic::parse)]
    pub topic: Topic,
    /// Start right after this message; by default with the oldest.
    #[arg(long, value_name = "ID", value_parser = MessageId::parse_position)]
    after: Option<MessageId>,
    /// Start with the messages accepted since a time (RFC 3339), or since a duration back such as 15m.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["after", "newest"], value_parser = since)]
    since: Option<String>,
    /// Newest first.
    #[arg(long, conflicts_with = "after")]
    newest: bool,
    /// With --newest: start right before this message.
    // clap does not require what a given argument excludes.
    #[arg(long, value_name = "ID", requires = "newest", conflicts_with_all = ["after", "since"],
        value_parser = MessageId::parse_position)]
    before: Option<MessageId>,
    /// The most messages to print.
    #[arg(long, value_name = "NUMBER", default_value = "50", value_parser = number_between::<u32>(1, u32::MAX.into()))]
    limit: u32,
    /// Print each message as a line of JSON.
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// The arguments of `posthorn get`.
#[derive(Clone, Debug, Args)]
pub struct GetArguments {
    /// The topic.
    #[arg(value_parser = Topic::parse)]
    pub topic: Topic,
    /// The id of the message.
    pub id: MessageId,
    /// Print the message as a line of JSON.
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// The arguments of `posthorn delete`.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "posthorn delete [OPTIONS] <TOPIC> <ID>\n       posthorn delete [OPTIONS] <TOPIC> --before <ID>"
)]
pub struct DeleteArguments {
    /// The topic.
    #[arg(value_parser = Topic::parse)]
    pub topic: Topic,
    /// The id of the message; required without --before.
    id: Option<MessageId>,
    /// Delete all messages that are older than this one, instead of one message.
    #[arg(long, value_name = "ID", conflicts_with = "id", value_parser = MessageId::parse_position)]
    before: Option<MessageId>,
    /// The server.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// Which messages to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The one with this id.
    One(MessageId),
    /// All that are older than the one with this id.
    Before(MessageId),
}

impl DeleteArguments {
    /// Which messages to delete. The parser rejects both.
    ///
    /// # Errors
    /// No id is given: clap would name what is missing, but not what it does.
    pub fn deletion(&self) -> Result<Deletion, ClientError> {
        let one = self.id.map(Deletion::One);
        let deletion = self.before.map(Deletion::Before).or(one);
        deletion.ok_or_else(|| ClientError::Argument {
            origin: "ID",
            reason: format!(
                "none is given. ID deletes one message, `--before ID` all messages that are older than that \
                 one, and `--before {GREATEST_ID}`, the greatest id, all messages of the topic"
            ),
        })
    }
}

impl ListArguments {
    /// Where the list begins.
    pub fn cursor(&self) -> Option<PageCursor> {
        let text = |id: MessageId| id.to_string();
        let after = self.after.map(text).map(PageCursor::After);
        let since = self.since.clone().map(PageCursor::Since);
        let before = self.before.map(text).map(PageCursor::Before);
        after.or(since).or(before)
    }

    /// True if the newest message comes first.
    pub const fn newest_first(&self) -> bool {
        self.newest
    }

    /// The most messages to print, at least 1.
    pub const fn limit(&self) -> u32 {
        self.limit
    }
}
