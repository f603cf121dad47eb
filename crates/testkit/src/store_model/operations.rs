//! Random sequences of operations on a store.

use proptest::prelude::*;

/// One operation. Topics, keys and texts are few, so that they collide. Ids are indexes into the list
/// of all ids so far, in any topic, so that some are deleted or belong to another topic.
#[derive(Clone, Debug)]
pub(super) enum StoreOperation {
    /// Append a text to a topic, with or without a key.
    Append {
        /// The topic.
        topic: u8,
        /// The text.
        text: u8,
        /// The key, if there is one.
        key: Option<u8>,
    },
    /// Append texts to a topic as a batch, with or without a key.
    AppendBatch {
        /// The topic.
        topic: u8,
        /// The texts; at least one.
        texts: Vec<u8>,
        /// The key, if there is one.
        key: Option<u8>,
    },
    /// Read one message.
    Get {
        /// The topic.
        topic: u8,
        /// The id.
        id: u8,
    },
    /// Delete one message.
    Delete {
        /// The topic.
        topic: u8,
        /// The id.
        id: u8,
    },
    /// Delete the oldest messages.
    DeleteBefore {
        /// The topic.
        topic: u8,
        /// The id of the first message that stays.
        id: u8,
        /// The limit.
        limit: usize,
    },
    /// Read a page.
    Page {
        /// The topic.
        topic: u8,
        /// The position.
        position: PagePosition,
        /// The limit.
        limit: usize,
    },
    /// List topics.
    Topics {
        /// The topic to start after; the first topic if `None`.
        after: Option<u8>,
        /// The limit.
        limit: usize,
    },
    /// Prune in steps until the policy is met.
    Prune {
        /// The age to keep, in seconds.
        max_age: u64,
        /// The number to keep.
        max_count: u64,
        /// The budget of one step.
        budget: usize,
    },
    /// Let this many seconds pass; skipped with a real clock.
    Pass(u64),
    /// Close and open again; skipped if the store does not survive that.
    Reopen,
}

/// The position of a page.
#[derive(Clone, Copy, Debug)]
pub(super) enum PagePosition {
    /// The first messages.
    Oldest,
    /// The last messages.
    Newest,
    /// After this id.
    After(u8),
    /// Before this id.
    Before(u8),
}

/// Up to 60 operations.
pub(super) fn operations() -> impl Strategy<Value = Vec<StoreOperation>> {
    prop::collection::vec(operation(), 1..60)
}

fn operation() -> impl Strategy<Value = StoreOperation> {
    let topic = || 0..3_u8;
    let key = || prop::option::weighted(0.4, 0..4_u8);
    let texts = prop::collection::vec(0..2_u8, 1..4);
    prop_oneof![
        12 => (topic(), 0..3_u8, key())
            .prop_map(|(topic, text, key)| StoreOperation::Append { topic, text, key }),
        6 => (topic(), texts, key())
            .prop_map(|(topic, texts, key)| StoreOperation::AppendBatch { topic, texts, key }),
        2 => (topic(), any::<u8>()).prop_map(|(topic, id)| StoreOperation::Get { topic, id }),
        3 => (topic(), any::<u8>()).prop_map(|(topic, id)| StoreOperation::Delete { topic, id }),
        2 => (topic(), any::<u8>(), 1..6_usize)
            .prop_map(|(topic, id, limit)| StoreOperation::DeleteBefore { topic, id, limit }),
        8 => (topic(), position(), 1..8_usize)
            .prop_map(|(topic, position, limit)| StoreOperation::Page { topic, position, limit }),
        2 => (prop::option::of(topic()), 1..4_usize)
            .prop_map(|(after, limit)| StoreOperation::Topics { after, limit }),
        2 => (0..60_u64, 1..10_u64, 1..5_usize).prop_map(|(max_age, max_count, budget)| {
            StoreOperation::Prune { max_age, max_count, budget }
        }),
        2 => (1..20_u64).prop_map(StoreOperation::Pass),
        1 => Just(StoreOperation::Reopen),
    ]
}

fn position() -> impl Strategy<Value = PagePosition> {
    prop_oneof![
        1 => Just(PagePosition::Oldest),
        1 => Just(PagePosition::Newest),
        4 => any::<u8>().prop_map(PagePosition::After),
        3 => any::<u8>().prop_map(PagePosition::Before),
    ]
}
