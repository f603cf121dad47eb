//! The list of the topics that a reader may see, within a bound of work.

use posthorn_domain::{Topic, TopicPattern, TopicRanges};

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

/// The topics after `after` that match one of `patterns`. The list is as long as `limit`, unless the bound ends it behind
/// many topics that begin as a pattern does and do not match it.
pub(super) async fn matching(
    store: &dyn MessageStore,
    after: Option<&Topic>,
    limit: PageLimit,
    patterns: &[TopicPattern],
) -> Result<TopicListing, StoreError> {
    let limit = limit.get();
    let mut names = TopicRanges::covering(patterns);
    if let Some(after) = after {
        names = names.after(after);
    }
    let mut topics = Vec::new();
    let mut scanned = None;
    for _ in 0..MAX_PAGES {
        let page = TopicRequest {
            names: names.clone(),
            limit: PageLimit::MAX,
        };
        let page = store.topics(page).await?;
        let last = page.topics.last().map(|last| last.topic.clone());
        let matches = |summary: &TopicSummary| {
            let mut patterns = patterns.iter();
            patterns.any(|pattern| pattern.matches(&summary.topic))
        };
        topics.extend(page.topics.into_iter().filter(matches));
        // One more than the limit shows that there are more.
        if topics.len() > limit {
            topics.truncate(limit);
            let next = topics.last().map(|last| last.topic.clone());
            return Ok(TopicListing { topics, next });
        }
        let Some(last) = last.filter(|_| page.has_more) else {
            return Ok(TopicListing { topics, next: None });
        };
        names = names.after(&last);
        scanned = Some(last);
    }
    let known = topics.last().map(|last| &last.topic).or(after);
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
