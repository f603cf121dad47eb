//! The arguments of `posthorn topics`, `list`, `get` and `delete`.

use clap::Args;
use posthorn_domain::Topic;

use crate::api::PageCursor;
use crate::commands::server::ServerArguments;

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
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// Start with the messages accepted since a time (RFC 3339), or since a duration back such as 15m.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["after", "newest"])]
    since: Option<String>,
    /// Newest first.
    #[arg(long, conflicts_with = "after")]
    newest: bool,
    /// With --newest: start right before this message.
    // clap does not require what a given argument excludes.
    #[arg(long, value_name = "ID", requires = "newest", conflicts_with_all = ["after", "since"])]
    before: Option<String>,
    /// The most messages to print.
    #[arg(long, value_name = "NUMBER", default_value = "50", value_parser = clap::value_parser!(u32).range(1..))]
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
    pub id: String,
    /// Print the message as a line of JSON.
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// The arguments of `posthorn delete`.
#[derive(Clone, Debug, Args)]
pub struct DeleteArguments {
    /// The topic.
    #[arg(value_parser = Topic::parse)]
    pub topic: Topic,
    /// The id of the message.
    #[arg(required_unless_present = "before")]
    id: Option<String>,
    /// Delete all messages that are older than this one, instead of one message.
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    before: Option<String>,
    /// The server.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// Which messages to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion<'a> {
    /// The one with this id.
    One(&'a str),
    /// All that are older than the one with this id.
    Before(&'a str),
}

impl DeleteArguments {
    /// Which messages to delete. The parser rejects none and both.
    pub fn deletion(&self) -> Deletion<'_> {
        let before = self.before.as_deref().map(Deletion::Before);
        before.unwrap_or_else(|| Deletion::One(self.id.as_deref().unwrap_or_default()))
    }
}

impl ListArguments {
    /// Where the list begins.
    pub fn cursor(&self) -> Option<PageCursor> {
        let after = self.after.clone().map(PageCursor::After);
        let since = self.since.clone().map(PageCursor::Since);
        let before = self.before.clone().map(PageCursor::Before);
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
