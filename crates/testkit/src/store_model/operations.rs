//! Random sequences of operations on a store.

use proptest::prelude::*;

/// One operation. Topics, keys and texts are few, so that they meet; ids are places in the list of
/// all ids given so far, in any topic, so that some name what is gone or somewhere else.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Store text `text` in topic `topic`, perhaps under key `key`.
    Append {
        /// Which topic.
        topic: u8,
        /// Which text.
        text: u8,
        /// Which key, if any.
        key: Option<u8>,
    },
    /// Read one message.
    Get {
        /// Which topic.
        topic: u8,
        /// Which id.
        id: u8,
    },
    /// Delete one message.
    Delete {
        /// Which topic.
        topic: u8,
        /// Which id.
        id: u8,
    },
    /// Read a page.
    Page {
        /// Which topic.
        topic: u8,
        /// Where.
        place: Place,
        /// The limit.
        limit: usize,
    },
    /// List topics.
    Topics {
        /// After which topic, if not from the first.
        after: Option<u8>,
        /// The limit.
        limit: usize,
    },
    /// Prune in rounds until the policy is met.
    Prune {
        /// The age that is kept, in seconds.
        max_age: u64,
        /// The number that is kept.
        max_count: u64,
        /// The budget of a round.
        budget: usize,
    },
    /// Let this many seconds pass; skipped with a real clock.
    Pass(u64),
    /// Close and open again; nothing where a store keeps nothing.
    Reopen,
}

/// Where a page lies.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// At the first messages.
    Oldest,
    /// At the last messages.
    Newest,
    /// After which id.
    After(u8),
    /// Before which id.
    Before(u8),
}

/// Up to 60 operations.
pub fn operations() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operation(), 1..60)
}

fn operation() -> impl Strategy<Value = Operation> {
    let topic = || 0..3_u8;
    let key = prop::option::weighted(0.4, 0..4_u8);
    prop_oneof![
        12 => (topic(), 0..3_u8, key)
            .prop_map(|(topic, text, key)| Operation::Append { topic, text, key }),
        2 => (topic(), any::<u8>()).prop_map(|(topic, id)| Operation::Get { topic, id }),
        3 => (topic(), any::<u8>()).prop_map(|(topic, id)| Operation::Delete { topic, id }),
        8 => (topic(), place(), 1..8_usize)
            .prop_map(|(topic, place, limit)| Operation::Page { topic, place, limit }),
        2 => (prop::option::of(topic()), 1..4_usize)
            .prop_map(|(after, limit)| Operation::Topics { after, limit }),
        2 => (0..60_u64, 1..10_u64, 1..5_usize).prop_map(|(max_age, max_count, budget)| {
            Operation::Prune { max_age, max_count, budget }
        }),
        2 => (1..20_u64).prop_map(Operation::Pass),
        1 => Just(Operation::Reopen),
    ]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        1 => Just(Place::Oldest),
        1 => Just(Place::Newest),
        4 => any::<u8>().prop_map(Place::After),
        3 => any::<u8>().prop_map(Place::Before),
    ]
}
