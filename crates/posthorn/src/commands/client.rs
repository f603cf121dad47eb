//! The commands that talk to a server: `send`, `tail`.

use std::io;
use std::process::ExitCode;

use posthorn_client::{ApiClient, ClientError};

use crate::cli::{SendArguments, ServerArguments, TailArguments};
use crate::exit::{fail, print};
use crate::runtime;

/// `posthorn send`.
pub(super) fn send(arguments: &SendArguments) -> ExitCode {
    let mut request = arguments.request();
    if request.draft.text == "-" {
        match posthorn_client::read_input() {
            Ok(text) => request.draft.text = text,
            Err(error) => return fail(&error),
        }
    }
    let receipt = match run(&arguments.server, async |client| {
        posthorn_client::send(&client, &request).await
    }) {
        Ok(receipt) => receipt,
        Err(error) => return fail(&error),
    };
    if arguments.json {
        return print(&format!("{receipt}\n"));
    }
    let id = receipt.get("id").and_then(|id| id.as_str());
    print(&format!("{}\n", id.unwrap_or_default()))
}

/// `posthorn tail`.
pub(super) fn tail(arguments: &TailArguments) -> ExitCode {
    let request = arguments.request();
    let outcome = run(&arguments.server, async |client| {
        let mut output = io::stdout();
        tokio::select! {
            outcome = posthorn_client::tail(&client, &request, &mut output) => outcome,
            () = posthorn_client::wait_until_output_closes() => Ok(()),
        }
    });
    outcome.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

/// Runs a command with a client of the server.
pub(super) fn run<T>(
    server: &ServerArguments,
    command: impl AsyncFnOnce(ApiClient) -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let client = ApiClient::new(&server.url, server.token.clone())?;
    let runtime = runtime::build().map_err(|error| ClientError::Local(error.to_string()))?;
    runtime.block_on(command(client))
}
