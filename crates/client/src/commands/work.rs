//! `posthorn work`: runs a command for each message of a consumer.
//!
//! All jobs, the pull and the extension of leases are futures of one task: a drop of [`work`] stops
//! them together, and kills the commands that still run.

mod arguments;
mod environment;
mod extender;
mod job;
mod process;
mod pull;
mod worker;

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Fuse, FusedFuture, FutureExt};
use futures_util::stream::FuturesUnordered;
use posthorn_domain::{ConsumerKey, LeaseDuration};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use crate::api::{ApiClient, ConsumerDraft, WriteCondition};
use crate::error::ClientError;
use crate::retry::{Retry, RetryReporter};
use worker::{HeldLeases, Worker};

pub use arguments::{HELP, WorkArguments};

/// How long after its start a pull is still waited for when the work drains.
const PULL_GRACE: Duration = Duration::from_secs(1);

/// Runs the command for each message until `drain` completes; then lets the running commands finish.
///
/// # Errors
/// The server rejected a call, or the command cannot be started. The commands that were running
/// have finished.
pub async fn work(
    arguments: &WorkArguments,
    drain: impl Future<Output = ()>,
) -> Result<(), ClientError> {
    let outcome = run(arguments, drain).await;
    outcome.map_err(|error| arguments.server.explain(error))
}

async fn run(
    arguments: &WorkArguments,
    drain: impl Future<Output = ()>,
) -> Result<(), ClientError> {
    let client = arguments.server.client()?;
    let consumer = arguments.consumer();
    let reporter = RetryReporter::default();
    let mut drain = Box::pin(drain.fuse());
    let lease = tokio::select! {
        lease = prepare(&client, arguments, &consumer, &reporter) => lease?,
        () = &mut drain => return Ok(()),
    };
    let worker = Worker {
        client,
        consumer,
        arguments,
        lease,
        held: HeldLeases::default(),
        reporter,
    };
    worker.run(drain).await
}

/// Creates the consumer where requested, and returns the length of the leases.
async fn prepare(
    client: &ApiClient,
    arguments: &WorkArguments,
    consumer: &ConsumerKey,
    reporter: &RetryReporter,
) -> Result<LeaseDuration, ClientError> {
    let mut retry = Retry::unlimited().with_reporter(reporter);
    if arguments.create {
        let draft = ConsumerDraft::default();
        let condition = Some(&WriteCondition::Absent);
        let put = async || client.put_consumer(consumer, &draft, condition).await;
        match retry.run(put).await {
            // The status of a condition that is not met: the consumer exists.
            Ok(_) | Err(ClientError::Rejected { status: 412, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if let Some(lease) = arguments.lease {
        return Ok(lease);
    }
    let get = async || client.get_consumer(consumer).await;
    let consumer = retry.run(get).await?;
    let seconds = consumer.json.get("lease_seconds").and_then(Value::as_f64);
    let lease = seconds.map(LeaseDuration::parse);
    // A server that omits the setting gets an explicit default with each pull.
    Ok(lease.and_then(Result::ok).unwrap_or_default())
}

impl Worker<'_> {
    async fn run(
        &self,
        mut drain: impl FusedFuture<Output = ()> + Unpin,
    ) -> Result<(), ClientError> {
        let mut jobs = FuturesUnordered::new();
        let mut pull = Box::pin(Fuse::terminated());
        let mut extension = Box::pin(self.extend_held_leases().fuse());
        let mut pull_started = Instant::now();
        let mut failure = None;
        loop {
            let is_draining = drain.is_terminated() || failure.is_some();
            // A pull never asks for more than can start at once: a message that waits here would
            // use up its lease.
            let free = usize::from(self.arguments.concurrency).saturating_sub(jobs.len());
            if is_draining && jobs.is_empty() && pull.is_terminated() {
                return failure.map_or(Ok(()), Err);
            }
            if !is_draining && free > 0 && pull.is_terminated() {
                pull.set(self.pull(free).fuse());
                pull_started = Instant::now();
            }
            tokio::select! {
                () = &mut drain, if !drain.is_terminated() => {}
                // A pull that waits is dropped: what the server grants to a closed connection comes
                // back at once. The response to a pull that has just begun may be on its way, and
                // its messages would come back only when their leases have expired.
                () = sleep_until(pull_started + PULL_GRACE), if is_draining && !pull.is_terminated() => {
                    pull.set(Fuse::terminated());
                }
                messages = &mut pull, if !pull.is_terminated() => match messages {
                    Ok(messages) => jobs.extend(messages.into_iter().map(|m| self.run_job(m))),
                    Err(error) => {
                        failure.get_or_insert(error);
                    }
                },
                Some(outcome) = jobs.next() => {
                    if let Err(error) = outcome {
                        failure.get_or_insert(error);
                    }
                }
                error = &mut extension, if !extension.is_terminated() => {
                    failure.get_or_insert(error);
                }
            }
        }
    }
}
