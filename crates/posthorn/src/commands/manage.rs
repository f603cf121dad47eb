//! The commands that `posthorn consumer` and `posthorn webhook` share.

use std::process::ExitCode;

use clap::Subcommand;
use posthorn_client::{
    ApiClient, ClientError, ConsumerResource, describe_consumer, describe_consumers,
    describe_dead_letters, describe_redrive, redrive_all,
};
use posthorn_domain::ConsumerKind;
use serde_json::{Value, json};

use super::client;
use crate::cli::{ManageArguments, SharedCommand};
use crate::exit::{fail, print};

/// Makes a call with a client of the server and prints the text that it returns.
pub(super) fn run<C: Subcommand>(
    arguments: ManageArguments<C>,
    call: impl AsyncFnOnce(&ApiClient, C, bool) -> Result<String, ClientError>,
) -> ExitCode {
    let (command, json) = (arguments.command, arguments.json);
    let outcome = client::run(&arguments.server, async |client| {
        call(&client, command, json).await
    });
    outcome.map_or_else(|error| fail(&error), |text| print(&text))
}

/// Makes the call of a shared command and returns the text to print.
pub(super) async fn call(
    client: &ApiClient,
    kind: ConsumerKind,
    command: SharedCommand,
    json: bool,
) -> Result<String, ClientError> {
    match command {
        SharedCommand::Get(target) => {
            let resource = client.get_consumer(&target.key(kind)).await?;
            Ok(show_consumer(&resource, json))
        }
        SharedCommand::List { topic } => {
            let list = client.list_consumers(&topic, kind).await?;
            Ok(show(&list, json, describe_consumers))
        }
        SharedCommand::Delete(target) => {
            client.delete_consumer(&target.key(kind)).await?;
            Ok(String::new())
        }
        SharedCommand::Dead {
            target,
            after,
            limit,
        } => {
            let (key, after) = (target.key(kind), after.as_deref());
            let page = client.dead_letters(&key, after, limit).await?;
            Ok(show(&page, json, describe_dead_letters))
        }
        SharedCommand::Redrive { target, ids } => {
            let key = target.key(kind);
            let result = if ids.is_empty() {
                redrive_all(client, &key).await?
            } else {
                client.redrive(&key, &ids).await?
            };
            Ok(show(&json!(result), json, |_| describe_redrive(&result)))
        }
        SharedCommand::DeadDelete { target, id } => {
            client.delete_dead_letter(&target.key(kind), &id).await?;
            Ok(String::new())
        }
    }
}

/// The text for a consumer or a webhook.
pub(super) fn show_consumer(resource: &ConsumerResource, json: bool) -> String {
    show(&resource.json, json, |_| describe_consumer(resource))
}

/// The JSON, or its description.
pub(super) fn show(value: &Value, json: bool, describe: impl FnOnce(&Value) -> String) -> String {
    if json {
        format!("{value}\n")
    } else {
        describe(value)
    }
}
