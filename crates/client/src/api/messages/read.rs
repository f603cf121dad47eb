//! Topics, pages of messages, single messages and their deletion.

use posthorn_domain::{MessageId, Topic};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use crate::api::client::{ApiClient, read_json};
use crate::error::ClientError;

/// The most messages or topics that a server returns in one page.
pub const MAX_PAGE: u32 = 200;

/// Which page of a topic's messages to read.
#[derive(Clone, Debug, Default)]
pub struct PageQuery {
    /// Where the page begins; at the end of the topic that the order begins with if `None`.
    pub cursor: Option<PageCursor>,
    /// Newest first; oldest first otherwise.
    pub newest_first: bool,
    /// The most messages, 1 to [`MAX_PAGE`]. The server may return fewer, and still have more.
    pub limit: u32,
}

/// Where a page begins. The texts are checked by the server, which also gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageCursor {
    /// With the message after this id.
    After(String),
    /// With the message before this id.
    Before(String),
    /// With the first message accepted since a time (RFC 3339), or since a duration back.
    Since(String),
}

/// A page of messages.
#[derive(Clone, Debug, Deserialize)]
pub struct MessagePage {
    /// The messages in the requested order.
    pub messages: Vec<Value>,
    /// The ids of damaged messages, which are left out.
    #[serde(default)]
    pub unreadable: Vec<String>,
    /// True if messages right after the cursor were removed or lost.
    #[serde(default)]
    pub truncated: bool,
    next: Option<String>,
}

/// A page of topics.
#[derive(Clone, Debug, Deserialize)]
pub struct TopicListPage {
    /// The topics, sorted by name.
    pub topics: Vec<Value>,
    next: Option<String>,
}

/// What a call has deleted.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct BulkDeleteResult {
    /// The number of messages.
    pub deleted: u64,
    /// True if more messages before the id are left.
    pub more: bool,
}

impl PageCursor {
    fn parameter(&self) -> (&'static str, &str) {
        match self {
            Self::After(id) => ("after", id),
            Self::Before(id) => ("before", id),
            Self::Since(time) => ("since", time),
        }
    }
}

impl MessagePage {
    /// The beginning of the next page; `None` on the last page.
    pub fn next_cursor(&self) -> Option<PageCursor> {
        let next = self.next.as_deref()?;
        let after = parameter(next, "after").map(PageCursor::After);
        after.or_else(|| parameter(next, "before").map(PageCursor::Before))
    }
}

impl TopicListPage {
    /// The name after which the next page begins; `None` on the last page.
    pub fn next_after(&self) -> Option<String> {
        parameter(self.next.as_deref()?, "after")
    }
}

impl ApiClient {
    /// Returns a page of the topics that hold messages: those after the name `after`.
    pub async fn list_topics(&self, after: Option<&str>) -> Result<TopicListPage, ClientError> {
        let mut url = self.url("topics")?;
        url.query_pairs_mut()
            .append_pair("limit", &MAX_PAGE.to_string())
            .extend_pairs(after.map(|after| ("after", after)));
        read_json(self.call(self.http.get(url)).await?, "a list of topics").await
    }

    /// Returns a page of a topic's messages.
    pub async fn list_messages(
        &self,
        topic: &Topic,
        page: &PageQuery,
    ) -> Result<MessagePage, ClientError> {
        let mut url = self.url(&format!("topics/{topic}/messages"))?;
        let order = if page.newest_first { "desc" } else { "asc" };
        url.query_pairs_mut()
            .append_pair("limit", &page.limit.to_string())
            .append_pair("order", order)
            .extend_pairs(page.cursor.as_ref().map(PageCursor::parameter));
        read_json(self.call(self.http.get(url)).await?, "a page of messages").await
    }

    /// Returns a message, a JSON object.
    pub async fn get_message(&self, topic: &Topic, id: MessageId) -> Result<Value, ClientError> {
        let request = self.http.get(self.message_url(topic, id)?);
        read_json(self.call(request).await?, "a message").await
    }

    /// Deletes a message.
    pub async fn delete_message(&self, topic: &Topic, id: MessageId) -> Result<(), ClientError> {
        let request = self.http.delete(self.message_url(topic, id)?);
        self.call(request).await.map(drop)
    }

    /// Deletes the oldest messages of a topic before an id, as many as one call deletes.
    pub async fn delete_before(
        &self,
        topic: &Topic,
        before: MessageId,
    ) -> Result<BulkDeleteResult, ClientError> {
        let mut url = self.url(&format!("topics/{topic}/messages"))?;
        url.query_pairs_mut()
            .append_pair("before", &before.to_string());
        let request = self.http.delete(url);
        read_json(self.call(request).await?, "the number of deleted messages").await
    }

    fn message_url(&self, topic: &Topic, id: MessageId) -> Result<Url, ClientError> {
        self.url(&format!("topics/{topic}/messages/{id}"))
    }
}

/// The value of a parameter in the link to another page. The link itself is not followed: it may lead
/// to another host than the one that the token is for.
pub(in crate::api) fn parameter(link: &str, name: &str) -> Option<String> {
    let base = Url::parse("http://posthorn.invalid").ok()?;
    let link = base.join(link).ok()?;
    let mut pairs = link.query_pairs();
    pairs.find_map(|(found, value)| (found == name).then(|| value.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(next: Option<&str>, expected: Option<PageCursor>) {
        let page = MessagePage {
            messages: Vec::new(),
            unreadable: Vec::new(),
            truncated: false,
            next: next.map(ToOwned::to_owned),
        };
        assert_eq!(page.next_cursor(), expected);
    }

    #[test]
    fn the_cursor_of_a_link_is_read_wherever_it_leads() {
        check(None, None);
        check(
            Some("/api/v1/topics/a/messages?after=1&limit=2&order=asc"),
            Some(PageCursor::After("1".to_owned())),
        );
        check(
            Some("https://elsewhere.example/x?before=a%26b"),
            Some(PageCursor::Before("a&b".to_owned())),
        );
        check(Some("/api/v1/topics/a/messages?limit=2"), None);
    }
}
