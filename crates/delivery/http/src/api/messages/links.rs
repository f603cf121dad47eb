//! The links of a page to its neighbours.

use std::time::Duration;

use posthorn_application::{Anchor, Page, PageLimit};
use posthorn_domain::{MessageId, Topic};

/// The resolution of an id's time.
const MILLISECOND: Duration = Duration::from_millis(1);

/// The parameters that the links of a page repeat.
pub(super) struct Links<'a> {
    /// The start of the links.
    pub(super) base: &'a str,
    pub(super) topic: &'a Topic,
    pub(super) limit: PageLimit,
    pub(super) newest_first: bool,
}

impl Links<'_> {
    /// The next page and the previous page, in the order of the listing.
    pub(super) fn of(&self, page: &Page, anchor: Anchor) -> (Option<String>, Option<String>) {
        // A page does not contain its cursor. The pages around an empty page have to contain its
        // anchor: their cursors are the anchor's neighbours.
        let (before_older, after_newer) = match (page.first(), page.last()) {
            (Some(first), Some(last)) => (Some(first), Some(last)),
            _ => match anchor {
                Anchor::After(id) | Anchor::Since(id) | Anchor::Before(id) => {
                    (Some(successor(id)), Some(predecessor(id)))
                }
                Anchor::Oldest | Anchor::Newest => (None, None),
            },
        };
        let older = before_older
            .filter(|_| page.has_older)
            .map(|id| self.link("before", id));
        let newer = after_newer
            .filter(|_| page.has_newer)
            .map(|id| self.link("after", id));
        if self.newest_first {
            (older, newer)
        } else {
            (newer, older)
        }
    }

    fn link(&self, cursor: &str, id: MessageId) -> String {
        let Self {
            base,
            topic,
            limit,
            newest_first,
        } = self;
        let order = if *newest_first { "desc" } else { "asc" };
        let limit = limit.get();
        format!("{base}/api/v1/topics/{topic}/messages?{cursor}={id}&limit={limit}&order={order}")
    }
}

/// The smallest id above `id`.
fn successor(id: MessageId) -> MessageId {
    match id.sequence().checked_add(1) {
        Some(sequence) => MessageId::new(id.timestamp(), sequence),
        None => MessageId::new(id.timestamp().saturating_add(MILLISECOND), 0),
    }
}

/// The largest id below `id`; `MessageId::MIN` stays.
fn predecessor(id: MessageId) -> MessageId {
    match id.sequence().checked_sub(1) {
        Some(sequence) => MessageId::new(id.timestamp(), sequence),
        None if id == MessageId::MIN => id,
        None => MessageId::new(id.timestamp().saturating_sub(MILLISECOND), u64::MAX),
    }
}
