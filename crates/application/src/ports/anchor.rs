//! Where a page begins.

use posthorn_domain::MessageId;

/// The anchor of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The first messages of the topic.
    Oldest,
    /// The last messages of the topic.
    Newest,
    /// The messages right after this id, which need not exist.
    After(MessageId),
    /// As [`Anchor::After`] for an id that is no cursor, but names a time. The page is truncated only by
    /// retention.
    Since(MessageId),
    /// The messages right before this id, which need not exist.
    Before(MessageId),
}

impl Anchor {
    /// The anchor after a cursor of a client: a stream since a time has the position of that time as its first one.
    pub const fn after(cursor: MessageId) -> Self {
        if cursor.names_time() {
            Self::Since(cursor)
        } else {
            Self::After(cursor)
        }
    }
}
