//! The commands: each is its arguments, and a few calls of the client, repeated, with their output.

mod consumer;
mod describe;
mod send;
mod send_batch;
mod server;
mod shared;
mod tail;
mod token;
mod webhook;
mod work;

use std::process::ExitCode;

use clap::Subcommand;

use crate::console::{fail, print};
use consumer::ConsumerArguments;
use send::SendArguments;
use tail::TailArguments;
use webhook::WebhookArguments;

pub use token::{TokenAuthority, TokenCommand};
pub use work::{HELP as WORK_HELP, WorkArguments, work};

/// Printed with the help of each command.
const TOKEN_HELP: &str = "If the server requires a token, set POSTHORN_TOKEN. There is no option \
    for it: an argument is visible to every user of the machine.";

/// A command that calls a server and ends by itself.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Send a message, stored once through any number of retries.
    #[command(after_help = TOKEN_HELP)]
    Send(SendArguments),
    /// Follow a topic: print each message once, in order, through every disconnect.
    #[command(after_help = TOKEN_HELP)]
    Tail(TailArguments),
    /// Manage the consumers of a topic.
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
        let outcome = match self {
            Self::Send(arguments) => send::run(&arguments).await,
            Self::Tail(arguments) => tail::run(&arguments).await,
            Self::Consumer(arguments) => consumer::run(arguments).await,
            Self::Webhook(arguments) => webhook::run(arguments).await,
        };
        outcome.map_or_else(|error| fail(&error), |text| print(&text))
    }
}
