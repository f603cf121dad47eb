//! `posthorn consumer`: manages the consumers of a topic, and pulls and settles their messages.

mod arguments;
mod leases;

use posthorn_domain::{ConsumerKind, FailureReason, RedeliveryDelay};

use super::shared::show_consumer;
use crate::error::ClientError;
use arguments::ConsumerCommand;

pub(super) use arguments::ConsumerArguments;

const KIND: ConsumerKind = ConsumerKind::Consumer;

/// Makes the call and returns the text to print.
pub(super) async fn run(arguments: ConsumerArguments) -> Result<String, ClientError> {
    let (client, json) = (&arguments.server.client()?, arguments.json);
    let resource = match arguments.command {
        ConsumerCommand::Put(arguments) => {
            let (draft, condition) = (arguments.draft()?, arguments.condition.condition());
            let consumer = arguments.target.key(KIND);
            client
                .put_consumer(&consumer, &draft, condition.as_ref())
                .await?
        }
        ConsumerCommand::Seek { target, to } => {
            client.seek_consumer(&target.key(KIND), &to).await?
        }
        ConsumerCommand::Pull(arguments) => return leases::pull(client, arguments, json).await,
        ConsumerCommand::Ack(arguments) => {
            let tokens = arguments.tokens()?;
            let result = client.ack(&arguments.target.key(KIND), &tokens).await?;
            return leases::show(&tokens, &result, "acknowledged", json);
        }
        ConsumerCommand::Nack {
            leases: arguments,
            delay,
            reason,
        } => {
            let tokens = arguments.tokens()?;
            let (consumer, reason) = (arguments.target.key(KIND), reason.as_ref());
            let (reason, delay) = (
                reason.map(FailureReason::as_str),
                delay.map(RedeliveryDelay::get),
            );
            let result = client.nack(&consumer, &tokens, reason, delay).await?;
            return leases::show(&tokens, &result, "rejected", json);
        }
        ConsumerCommand::Extend {
            leases: arguments,
            lease,
        } => {
            let tokens = arguments.tokens()?;
            let result = client
                .extend(&arguments.target.key(KIND), &tokens, lease)
                .await?;
            return leases::show(&tokens, &result, "extended", json);
        }
        ConsumerCommand::Shared(command) => return command.run(client, KIND, json).await,
    };
    Ok(show_consumer(&resource, json))
}
