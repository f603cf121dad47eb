//! The list of the topics visible to a reader, within a bound of work.

use posthorn_domain::Topic;

use crate::ports::message_store::{
    MessageStore, PageLimit, StoreError, TopicRequest, TopicSummary,
};

/// The most pages of the store that are read for one list: some 5,000 topics.
const MAX_PAGES: usize = 25;

/// Consecutive topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicListing {
    /// The topics, in ascending order of their names.
    pub topics: Vec<TopicSummary>,
    /// The name to continue after; `None` at the end.
    pub next: Option<Topic>,
}

/// The topics of `request` that satisfy `is_visible`. The list is as long as without the filter,
/// unless the bound ends it behind many invisible topics.
pub(super) async fn visible(
    store: &dyn MessageStore,
    request: TopicRequest,
    is_visible: impl Fn(&Topic) -> bool,
) -> Result<TopicListing, StoreError> {
    let limit = request.limit.get();
    let mut topics = Vec::new();
    let mut scanned = request.after.clone();
    for _ in 0..MAX_PAGES {
        let page = TopicRequest {
            after: scanned.clone(),
            limit: PageLimit::MAX,
        };
        let page = store.topics(page).await?;
        let last = page.topics.last().map(|last| last.topic.clone());
        let visible = page.topics.into_iter();
        topics.extend(visible.filter(|summary| is_visible(&summary.topic)));
        // One more than the limit shows that there are more.
        if topics.len() > limit {
            topics.truncate(limit);
            let next = topics.last().map(|last| last.topic.clone());
            return Ok(TopicListing { topics, next });
        }
        match last {
            Some(last) if page.has_more => scanned = Some(last),
            _ => return Ok(TopicListing { topics, next: None }),
        }
    }
    let known = topics.last().map(|last| &last.topic);
    let known = known.or(request.after.as_ref());
    let next = scanned.as_ref().map(|last| continuation(last, known));
    Ok(TopicListing { topics, next })
}

/// A name to continue after, once the search has read up to `last`: the shortest prefix of `last` that
/// is after the names known to the reader. The whole name would reveal an invisible topic; instead, a
/// few topics are read again.
fn continuation(last: &Topic, known: Option<&Topic>) -> Topic {
    let known = known.map_or("", Topic::as_str);
    let name = last.as_str();
    let mut prefixes = (1..=name.len()).filter_map(|length| name.get(..length));
    let after = prefixes.find(|prefix| *prefix > known);
    let after = after.and_then(|prefix| prefix.parse().ok());
    after.unwrap_or_else(|| last.clone())
}
