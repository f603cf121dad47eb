//! The place in a topic that `since` names.

use posthorn_application::StoreError;
use posthorn_domain::{MessageId, Topic};

use crate::state::AppState;
use crate::wire::time::Since;

/// The id right before every message of `topic` that was accepted since then. A duration counts back from the time of
/// the store, by which messages are dated.
///
/// # Errors
/// The store does not respond with its time.
pub(crate) async fn position(
    since: Since,
    state: &AppState,
    topic: &Topic,
) -> Result<MessageId, StoreError> {
    let moment = match since {
        Since::At(moment) => moment,
        Since::Back(back) => state
            .services
            .messages
            .now(topic)
            .await?
            .saturating_sub(back),
    };
    Ok(MessageId::before_time(moment))
}
