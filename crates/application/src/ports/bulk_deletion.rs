//! The outcome of deleting the oldest messages of a topic.

/// The outcome of [`super::message_store::MessageStore::delete_before`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BulkDeletion {
    /// The number of messages that were deleted.
    pub deleted: usize,
    /// True if the topic has more messages before the id: the limit ended the deletion.
    pub more: bool,
}
