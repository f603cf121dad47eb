//! `posthorn webhook`: manages the webhooks of a topic.

mod arguments;

use posthorn_domain::ConsumerKind;
use serde_json::Value;

use super::describe;
use super::shared::{show, show_consumer};
use crate::console::print;
use crate::error::ClientError;
use arguments::WebhookCommand;

#[cfg(test)]
pub(super) use arguments::PutWebhookArguments;
pub(super) use arguments::WebhookArguments;

const KIND: ConsumerKind = ConsumerKind::Webhook;

/// Makes the call and returns the text to print.
pub(super) async fn run(arguments: WebhookArguments) -> Result<String, ClientError> {
    let (client, json) = (&arguments.server.client()?, arguments.json);
    let resource = match arguments.command {
        WebhookCommand::Put(arguments) => {
            let (draft, condition) = (arguments.draft()?, arguments.condition.condition());
            let webhook = arguments.target.key(KIND);
            client
                .put_webhook(&webhook, &draft, condition.as_ref())
                .await?
        }
        WebhookCommand::RotateSecret { target, grace } => {
            client
                .rotate_webhook_secret(&target.key(KIND), grace)
                .await?
        }
        WebhookCommand::Enable(target) => client.enable_webhook(&target.key(KIND)).await?,
        WebhookCommand::Test(target) => {
            let outcome = client.test_webhook(&target.key(KIND)).await?;
            let text = show(&outcome, json, describe::object);
            let status = outcome.get("status").and_then(Value::as_u64);
            if status.is_some_and(|status| (200..300).contains(&status)) {
                return Ok(text);
            }
            print(&text);
            return Err(ClientError::TestFailed);
        }
        WebhookCommand::Replay { target, from, to } => {
            let webhook = target.key(KIND);
            let outcome = client
                .replay_webhook(&webhook, &from, to.as_deref())
                .await?;
            return Ok(show(&outcome, json, describe::object));
        }
        WebhookCommand::Attempts(target) => {
            let attempts = client.webhook_attempts(&target.key(KIND)).await?;
            return Ok(show(&attempts, json, describe::attempts));
        }
        WebhookCommand::Shared(command) => return command.run(client, KIND, json).await,
    };
    Ok(show_consumer(&resource, json))
}
