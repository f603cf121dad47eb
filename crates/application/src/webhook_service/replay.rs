//! Delivering messages again that are settled.

use posthorn_domain::{ConsumerKey, MessageId, Timestamp};

use super::error::WebhookError;
use crate::ports::message_store::PageLimit;
use crate::ports::webhook_store::{RequeueRequest, WebhookStore};

/// Which messages to deliver again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The first, included.
    pub from: ReplayBound,
    /// The last, included; all that are there now if `None`.
    pub to: Option<ReplayBound>,
}

/// An end of a range of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayBound {
    /// The message of this id, which need not exist.
    Id(MessageId),
    /// The messages that were accepted in this millisecond.
    Time(Timestamp),
}

/// Requeues the range in calls of a bounded size, and returns how many messages wait again.
pub(super) async fn run(
    store: &dyn WebhookStore,
    key: &ConsumerKey,
    replay: Replay,
) -> Result<u64, WebhookError> {
    let from = match replay.from {
        ReplayBound::Id(id) => id,
        ReplayBound::Time(time) => MessageId::new(time, 0),
    };
    let to = match replay.to {
        Some(ReplayBound::Id(id)) => id,
        Some(ReplayBound::Time(time)) => MessageId::new(time, u64::MAX),
        None => MessageId::MAX,
    };
    let mut next = (from <= to).then_some(RequeueRequest {
        from,
        to,
        limit: PageLimit::MAX,
    });
    let mut queued = 0_u64;
    while let Some(request) = next {
        let requeued = store.requeue(key, request).await?;
        queued = queued.saturating_add(requeued.queued);
        next = requeued.next;
    }
    Ok(queued)
}
