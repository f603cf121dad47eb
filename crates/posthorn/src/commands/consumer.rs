//! `posthorn consumer`: manages the consumers of a topic.

use std::process::ExitCode;

use posthorn_client::{
    ApiClient, ClientError, ConsumerResource, describe_consumer, describe_consumers,
    describe_dead_letters, describe_redrive, redrive_all,
};
use serde_json::{Value, json};

use super::client;
use crate::cli::{ConsumerArguments, ConsumerCommand};
use crate::exit::{fail, print};

/// Runs a consumer command.
pub(super) fn run(arguments: ConsumerArguments) -> ExitCode {
    let (command, json) = (arguments.command, arguments.json);
    let outcome = client::run(&arguments.server, async |client| {
        call(&client, command, json).await
    });
    outcome.map_or_else(|error| fail(&error), |text| print(&text))
}

/// Makes the call and returns the text to print.
async fn call(
    client: &ApiClient,
    command: ConsumerCommand,
    json: bool,
) -> Result<String, ClientError> {
    match command {
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
            Ok(show(&list, json, describe_consumers))
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
            Ok(show(&page.await?, json, describe_dead_letters))
        }
        ConsumerCommand::Redrive { target, ids } => {
            let consumer = target.consumer();
            let result = if ids.is_empty() {
                redrive_all(client, &consumer).await?
            } else {
                client.redrive(&consumer, &ids).await?
            };
            Ok(show(&json!(result), json, |_| describe_redrive(&result)))
        }
        ConsumerCommand::DeadDelete { target, id } => {
            client.delete_dead_letter(&target.consumer(), &id).await?;
            Ok(String::new())
        }
    }
}

fn show_consumer(resource: &ConsumerResource, json: bool) -> String {
    show(&resource.json, json, |_| describe_consumer(resource))
}

fn show(value: &Value, json: bool, describe: impl FnOnce(&Value) -> String) -> String {
    if json {
        format!("{value}\n")
    } else {
        describe(value)
    }
}
