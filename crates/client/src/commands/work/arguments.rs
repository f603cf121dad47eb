//! The arguments of `posthorn work`.

use std::ffi::OsString;

use clap::Args;
use posthorn_domain::{ConsumerKey, ConsumerKind, ConsumerName, LeaseDuration, Topic};

use crate::commands::server::ServerArguments;
use crate::commands::values::{duration_as, number_between};

/// Printed with the help of the command.
pub const HELP: &str = "\
The command gets the text of the message on standard input, and these variables:
  POSTHORN_ID, POSTHORN_TOPIC, POSTHORN_ATTEMPT
  POSTHORN_ATTRIBUTES       all attributes as a JSON object
  POSTHORN_ATTRIBUTE_<KEY>  one attribute; the key in upper case, with _ for . and -
Exit code 0 acknowledges the message. After any other the server delivers the message again
according to the consumer's backoff, or keeps it as a dead letter after the last attempt.

SIGTERM and SIGINT let the running commands finish; a second signal kills them. Under systemd set
KillMode=mixed, or the commands get SIGTERM as well.
If the server requires a token, set POSTHORN_TOKEN.";

/// The arguments of `posthorn work`.
#[derive(Clone, Debug, Args)]
pub struct WorkArguments {
    /// The topic.
    #[arg(value_parser = Topic::parse)]
    topic: Topic,
    /// The consumer.
    #[arg(long, value_name = "NAME")]
    consumer: ConsumerName,
    /// The most commands at once, 1 to 200.
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = number_between::<u8>(1, 200))]
    pub(super) concurrency: u8,
    /// The length of a lease, which is extended while the command runs; by default as the consumer
    /// is set.
    #[arg(long, value_name = "DURATION", value_parser = duration_as(LeaseDuration::parse))]
    pub(super) lease: Option<LeaseDuration>,
    /// Create the consumer with the default settings if it does not exist.
    #[arg(long)]
    pub(super) create: bool,
    /// Pass the whole message as JSON on standard input.
    #[arg(long)]
    pub(super) json: bool,
    /// The server.
    #[command(flatten)]
    pub(super) server: ServerArguments,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    pub(super) command: Vec<OsString>,
}

impl WorkArguments {
    /// The consumer.
    pub(super) fn consumer(&self) -> ConsumerKey {
        ConsumerKey {
            topic: self.topic.clone(),
            kind: ConsumerKind::Consumer,
            name: self.consumer.clone(),
        }
    }
}
