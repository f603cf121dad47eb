//! A list of the topics that its reader may see, within a bound of work.

use posthorn_domain::Topic;

use crate::ports::message_store::{
    MessageStore, PageLimit, StoreError, TopicRequest, TopicSummary,
};

/// How many pages of the store are looked through for one list: some 5000 topics.
const MAX_PAGES: usize = 25;

/// A run of topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicListing {
    /// The topics, in ascending order of their names.
    pub topics: Vec<TopicSummary>,
    /// After which name to go on; `None` at the end.
    pub next: Option<Topic>,
}

/// The topics of `request` that `is_visible` lets through. It is as full as without, unless so many
/// others lie between that the bound ends it.
pub(super) async fn visible(
    store: &dyn MessageStore,
    request: TopicRequest,
    is_visible: impl Fn(&Topic) -> bool,
) -> Result<TopicListing, StoreError> {
    let limit = request.limit.get();
    let mut topics = Vec::new();
    let mut looked = request.after.clone();
    for _ in 0..MAX_PAGES {
        let page = TopicRequest {
            after: looked.clone(),
            limit: PageLimit::MAX,
        };
        let page = store.topics(page).await?;
        let last = page.topics.last().map(|last| last.topic.clone());
        let visible = page.topics.into_iter();
        topics.extend(visible.filter(|summary| is_visible(&summary.topic)));
        // One more than fits tells that there are more.
        if topics.len() > limit {
            topics.truncate(limit);
            let next = topics.last().map(|last| last.topic.clone());
            return Ok(TopicListing { topics, next });
        }
        match last {
            Some(last) if page.has_more => looked = Some(last),
            _ => return Ok(TopicListing { topics, next: None }),
        }
    }
    let known = topics.last().map(|last| &last.topic);
    let known = known.or(request.after.as_ref());
    let next = looked.as_ref().map(|last| place_before(last, known));
    Ok(TopicListing { topics, next })
}

/// A name to go on after, once the search has come to `last`: its shortest beginning that lies behind
/// what the reader knows. The whole name would give away a topic that it may not see; a little is
/// looked through again instead.
fn place_before(last: &Topic, known: Option<&Topic>) -> Topic {
    let known = known.map_or("", Topic::as_str);
    let name = last.as_str();
    let mut beginnings = (1..=name.len()).filter_map(|length| name.get(..length));
    let behind = beginnings.find(|beginning| *beginning > known);
    let behind = behind.and_then(|beginning| beginning.parse().ok());
    behind.unwrap_or_else(|| last.clone())
}
