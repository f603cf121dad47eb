//! `posthorn consumer`: manages the consumers of a topic.

use posthorn_client::{ApiClient, ClientError};
use posthorn_domain::ConsumerKind;

use super::manage::{self, show_consumer};
use crate::cli::ConsumerCommand;

const KIND: ConsumerKind = ConsumerKind::Consumer;

/// Makes the call and returns the text to print.
pub(super) async fn call(
    client: &ApiClient,
    command: ConsumerCommand,
    json: bool,
) -> Result<String, ClientError> {
    let resource = match command {
        ConsumerCommand::Put(arguments) => {
            let (draft, condition) = (arguments.draft(), arguments.condition.condition());
            let key = arguments.target.key(KIND);
            client.put_consumer(&key, &draft, condition.as_ref()).await
        }
        ConsumerCommand::Seek { target, to } => client.seek_consumer(&target.key(KIND), &to).await,
        ConsumerCommand::Shared(command) => {
            return manage::call(client, KIND, command, json).await;
        }
    };
    Ok(show_consumer(&resource?, json))
}
