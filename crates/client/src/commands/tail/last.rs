//! The last messages of a topic, which `posthorn tail --last` prints before it follows.

use posthorn_domain::Topic;
use serde_json::Value;

use crate::api::{ApiClient, MAX_PAGE, PageQuery};
use crate::commands::messages::report_losses;
use crate::error::ClientError;
use crate::retry::Retry;

/// The end of a topic.
#[derive(Debug, Default)]
pub(super) struct LastMessages {
    /// The last messages, oldest first.
    pub(super) messages: Vec<Value>,
    /// The id of the newest message, a damaged one included; `None` if the topic is empty.
    pub(super) newest_id: Option<String>,
}

/// Reads the last `count` messages, page by page, with tries without end.
///
/// # Errors
/// The server rejected the request.
pub(super) async fn read_last(
    client: &ApiClient,
    topic: &Topic,
    count: u32,
    retry: &mut Retry,
) -> Result<LastMessages, ClientError> {
    let mut last = LastMessages::default();
    let mut query = PageQuery {
        newest_first: true,
        ..PageQuery::default()
    };
    let mut left = count;
    while left > 0 {
        query.limit = left.min(MAX_PAGE);
        let call = async || client.list_messages(topic, &query).await;
        let page = retry.run(call).await?;
        report_losses(&page);
        if query.cursor.is_none() {
            let ids = page
                .messages
                .iter()
                .filter_map(|message| message.get("id")?.as_str());
            let unreadable = page.unreadable.iter().map(String::as_str);
            last.newest_id = ids.chain(unreadable).max().map(ToOwned::to_owned);
        }
        left = left.saturating_sub(u32::try_from(page.messages.len()).unwrap_or(u32::MAX));
        let next = page.next_cursor();
        last.messages.extend(page.messages);
        if next.is_none() || next == query.cursor {
            break;
        }
        query.cursor = next;
    }
    last.messages.reverse();
    Ok(last)
}
