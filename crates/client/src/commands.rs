//! The commands: each is its arguments, and a few calls of the client, repeated, with their output.

mod consumer;
mod describe;
mod message_line;
mod messages;
mod pairs;
mod schedule;
mod send;
mod send_batch;
mod server;
mod shared;
mod tail;
mod token;
mod values;
mod webhook;
mod work;

use std::process::ExitCode;

use clap::Subcommand;

use crate::console::{fail_call, print};
use consumer::ConsumerArguments;
use messages::{DeleteArguments, GetArguments, ListArguments, TopicsArguments};
use send::SendArguments;
use server::ServerArguments;
use tail::TailArguments;
use webhook::WebhookArguments;

pub use token::{TokenAuthority, TokenCommand};
pub use values::number_between;
pub use work::{HELP as WORK_HELP, WorkArguments, work};

/// Printed with the help of each command.
const TOKEN_HELP: &str = "If the server requires a token, set POSTHORN_TOKEN. An option would be \
    visible to every user of the machine.";

/// A command that calls a server and ends by itself.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Send a message, stored once through any number of retries.
    #[command(after_help = TOKEN_HELP)]
    Send(SendArguments),
    /// Follow a topic: print each message once, in order, through every disconnect.
    #[command(after_help = TOKEN_HELP)]
    Tail(TailArguments),
    /// Print the topics that hold messages.
    #[command(after_help = TOKEN_HELP)]
    Topics(TopicsArguments),
    /// Print the stored messages of a topic, oldest first.
    #[command(after_help = TOKEN_HELP)]
    List(ListArguments),
    /// Print a message.
    #[command(after_help = TOKEN_HELP)]
    Get(GetArguments),
    /// Delete a message.
    #[command(after_help = TOKEN_HELP)]
    Delete(DeleteArguments),
    /// Manage the consumers of a topic, and pull and settle their messages.
    #[command(after_help = TOKEN_HELP)]
    Consumer(ConsumerArguments),
    /// Manage the webhooks of a topic.
    #[command(after_help = TOKEN_HELP)]
    Webhook(WebhookArguments),
}

impl ClientCommand {
    /// Runs the command and prints its output, or why it failed. The process must have installed a
    /// default rustls provider.
    pub async fn run(self) -> ExitCode {
        let server = self.server().clone();
        let outcome = match self {
            Self::Send(arguments) => send::run(&arguments).await,
            Self::Tail(arguments) => tail::run(&arguments).await,
            Self::Topics(arguments) => messages::topics(&arguments).await,
            Self::List(arguments) => messages::list(&arguments).await,
            Self::Get(arguments) => messages::get(&arguments).await,
            Self::Delete(arguments) => messages::delete(&arguments).await,
            Self::Consumer(arguments) => consumer::run(arguments).await,
            Self::Webhook(arguments) => webhook::run(arguments).await,
        };
        match outcome {
            Ok(text) => print(&text),
            Err(error) => fail_call(&server.explain(error)),
        }
    }

    fn server(&self) -> &ServerArguments {
        match self {
            Self::Send(arguments) => &arguments.server,
            Self::Tail(arguments) => &arguments.server,
            Self::Topics(arguments) => &arguments.server,
            Self::List(arguments) => &arguments.server,
            Self::Get(arguments) => &arguments.server,
            Self::Delete(arguments) => &arguments.server,
            Self::Consumer(arguments) => &arguments.server,
            Self::Webhook(arguments) => &arguments.server,
        }
    }
}
