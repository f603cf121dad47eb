//! `posthorn consumer`: manages the consumers of a topic.

mod arguments;

use posthorn_domain::ConsumerKind;

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
            let (draft, condition) = (arguments.draft(), arguments.condition.condition());
            let consumer = arguments.target.key(KIND);
            client
                .put_consumer(&consumer, &draft, condition.as_ref())
                .await?
        }
        ConsumerCommand::Seek { target, to } => {
            client.seek_consumer(&target.key(KIND), &to).await?
        }
        ConsumerCommand::Shared(command) => return command.run(client, KIND, json).await,
    };
    Ok(show_consumer(&resource, json))
}
