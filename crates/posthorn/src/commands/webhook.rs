//! `posthorn webhook`: manages the webhooks of a topic.

use posthorn_client::{ApiClient, ClientError, describe_attempts, describe_members};
use posthorn_domain::ConsumerKind;

use super::manage::{self, show, show_consumer};
use crate::cli::WebhookCommand;

const KIND: ConsumerKind = ConsumerKind::Webhook;

/// Makes the call and returns the text to print.
pub(super) async fn call(
    client: &ApiClient,
    command: WebhookCommand,
    json: bool,
) -> Result<String, ClientError> {
    let value = match command {
        WebhookCommand::Put(arguments) => {
            let (draft, condition) = (arguments.draft(), arguments.condition.condition());
            let key = arguments.target.key(KIND);
            let resource = client.put_webhook(&key, &draft, condition.as_ref()).await?;
            return Ok(show_consumer(&resource, json));
        }
        WebhookCommand::RotateSecret { target, grace } => {
            let grace = grace.map(|grace| grace.as_secs_f64());
            client.rotate_webhook_secret(&target.key(KIND), grace).await
        }
        WebhookCommand::Enable(target) => client.enable_webhook(&target.key(KIND)).await,
        WebhookCommand::Test(target) => client.test_webhook(&target.key(KIND)).await,
        WebhookCommand::Replay { target, from, to } => {
            client
                .replay_webhook(&target.key(KIND), &from, to.as_deref())
                .await
        }
        WebhookCommand::Attempts(target) => {
            let attempts = client.webhook_attempts(&target.key(KIND)).await?;
            return Ok(show(&attempts, json, describe_attempts));
        }
        WebhookCommand::Shared(command) => {
            return manage::call(client, KIND, command, json).await;
        }
    };
    Ok(show(&value?, json, describe_members))
}
