//! One message: runs the command, then acknowledges the message or gives it up.

use std::io::{self, ErrorKind};

use posthorn_domain::FailureReason;

use super::process::run_command;
use super::worker::Worker;
use crate::api::ReceivedMessage;
use crate::console::{escape_control, print_error};
use crate::error::ClientError;
use crate::retry::Retry;

/// The report of a stale lease. It is stale, too, if an earlier try settled the message and its
/// response was lost.
const STALE: &str = "its lease had ended; unless an earlier try settled it, it comes again";

impl Worker<'_> {
    /// Handles a message to its end.
    ///
    /// # Errors
    /// The command cannot be started, or the server rejected the call. Both concern all messages. A shortage of the
    /// machine, or a program that is being replaced, concerns one try.
    pub(super) async fn run_job(&self, message: ReceivedMessage) -> Result<(), ClientError> {
        let (command, json) = (&self.arguments.command, self.arguments.json);
        let outcome = run_command(command, &message, json).await;
        let (reason, error) = match outcome {
            Ok(None) => (None, None),
            Ok(Some(reason)) => {
                report(&message, &reason);
                (Some(reason), None)
            }
            Err(error) => {
                let program = command.first().map(|program| program.to_string_lossy());
                let program = escape_control(&program.unwrap_or_default());
                let text = format!("the command {program} cannot be started: {error}");
                if is_of_moment(&error) {
                    report(&message, &text);
                    (Some(text), None)
                } else {
                    (Some(text.clone()), Some(ClientError::Local(text)))
                }
            }
        };
        self.settle(&message, reason.as_deref()).await?;
        error.map_or(Ok(()), Err)
    }

    /// Acknowledges a message, or gives it up with a reason.
    async fn settle(
        &self,
        message: &ReceivedMessage,
        reason: Option<&str>,
    ) -> Result<(), ClientError> {
        // The lease was extended at most a third of its length ago. When the tries of a whole
        // length have failed, it has expired, and another worker may hold the message.
        let mut retry = Retry::within(self.lease.get()).with_reporter(&self.reporter);
        let (consumer, leases) = (&self.consumer, [message.lease.clone()]);
        let reason = reason.map(valid_reason);
        let settle = async || match &reason {
            None => self.client.ack(consumer, &leases).await,
            Some(reason) => {
                let nack = self.client.nack(consumer, &leases, Some(reason), None);
                nack.await
            }
        };
        let result = retry.run(settle).await;
        // Until here the lease is extended: the tries may take longer than what is left of it.
        self.held.remove(&message.lease);
        match result {
            Ok(result) if result.stale.is_empty() => Ok(()),
            Ok(_) => {
                report(message, STALE);
                Ok(())
            }
            Err(ClientError::GaveUp { reason, .. }) => {
                let text = format!("not settled, it comes again: {reason}");
                report(message, &text);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// True if another try may succeed: `EAGAIN`, `ENOMEM`, `EMFILE`, `ENFILE`, `ETXTBSY`.
fn is_of_moment(error: &io::Error) -> bool {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::OutOfMemory | ErrorKind::ExecutableFileBusy
    ) || matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}

/// The reason within the limits of the server.
fn valid_reason(text: &str) -> String {
    let text = escape_control(text);
    text.chars().take(FailureReason::MAX_LENGTH).collect()
}

fn report(message: &ReceivedMessage, text: &str) {
    let id = escape_control(&message.id);
    print_error(&format!(
        "message {id}, attempt {}: {text}",
        message.attempt
    ));
}
