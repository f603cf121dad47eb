//! `posthorn consumer`: manages the consumers of a topic.

mod arguments;
mod describe;

use serde_json::{Value, json};

use crate::api::{ApiClient, ConsumerRef, ConsumerResource, RedriveResult};
use crate::error::ClientError;
use arguments::ConsumerCommand;

pub(super) use arguments::ConsumerArguments;

/// Makes the call and returns the text to print.
pub(super) async fn run(arguments: ConsumerArguments) -> Result<String, ClientError> {
    let (client, json) = (&arguments.server.client()?, arguments.json);
    match arguments.command {
        ConsumerCommand::Put(arguments) => {
            let (draft, condition) = (arguments.draft(), arguments.condition());
            let consumer = arguments.target.consumer();
            let resource = client.put_consumer(&consumer, &draft, condition.as_ref());
            Ok(show_consumer(&resource.await?, json))
        }
        ConsumerCommand::Get(target) => {
            let resource = client.get_consumer(&target.consumer()).await?;
            Ok(show_consumer(&resource, json))
        }
        ConsumerCommand::List { topic } => {
            let list = client.list_consumers(&topic).await?;
            Ok(show(&list, json, describe::list))
        }
        ConsumerCommand::Delete(target) => {
            client.delete_consumer(&target.consumer()).await?;
            Ok(String::new())
        }
        ConsumerCommand::Seek { target, to } => {
            let resource = client.seek_consumer(&target.consumer(), &to).await?;
            Ok(show_consumer(&resource, json))
        }
        ConsumerCommand::Dead {
            target,
            after,
            limit,
        } => {
            let consumer = target.consumer();
            let page = client.dead_letters(&consumer, after.as_deref(), limit);
            Ok(show(&page.await?, json, describe::dead_letters))
        }
        ConsumerCommand::Redrive { target, ids } => {
            let consumer = target.consumer();
            let result = if ids.is_empty() {
                redrive_all(client, &consumer).await?
            } else {
                client.redrive(&consumer, &ids).await?
            };
            Ok(show(&json!(result), json, |_| describe::redrive(&result)))
        }
        ConsumerCommand::DeadDelete { target, id } => {
            client.delete_dead_letter(&target.consumer(), &id).await?;
            Ok(String::new())
        }
    }
}

/// Returns all dead letters to waiting, in as many calls as needed.
async fn redrive_all(
    client: &ApiClient,
    consumer: &ConsumerRef,
) -> Result<RedriveResult, ClientError> {
    let mut total = client.redrive(consumer, &[]).await?;
    let mut last = total.redriven;
    // Ends also if letters remain that the server does not redrive.
    while total.remaining > 0 && last > 0 {
        let result = client.redrive(consumer, &[]).await?;
        (last, total.remaining) = (result.redriven, result.remaining);
        total.redriven += last;
    }
    Ok(total)
}

fn show_consumer(resource: &ConsumerResource, json: bool) -> String {
    show(&resource.json, json, |_| describe::consumer(resource))
}

fn show(value: &Value, json: bool, describe: impl FnOnce(&Value) -> String) -> String {
    if json {
        format!("{value}\n")
    } else {
        describe(value)
    }
}
