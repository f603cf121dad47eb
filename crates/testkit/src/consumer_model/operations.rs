//! Random sequences of operations on a topic and its consumers.

use proptest::prelude::*;

/// One operation. Consumers, settings and messages are few, so that they meet. Ids and leases are
/// positions in the lists of all those given so far, so that some are stale or gone.
#[derive(Clone, Debug)]
pub(super) enum ScheduledOperation {
    Append,
    Delete {
        id: u8,
    },
    DeleteBefore {
        id: u8,
        limit: usize,
    },
    Prune {
        max_count: u64,
    },
    Put {
        consumer: u8,
        settings: u8,
        start: Position,
    },
    DeleteConsumer {
        consumer: u8,
    },
    Pull {
        consumer: u8,
        limit: u64,
        lease: u8,
    },
    Ack {
        consumer: u8,
        leases: Vec<u8>,
    },
    Nack {
        consumer: u8,
        leases: Vec<u8>,
        delay: Option<u8>,
        reason: bool,
    },
    Extend {
        consumer: u8,
        leases: Vec<u8>,
        lease: u8,
    },
    Release {
        consumer: u8,
        leases: Vec<u8>,
    },
    GiveBack {
        consumer: u8,
        pull: u8,
    },
    Requeue {
        consumer: u8,
        from: u8,
        to: u8,
        limit: usize,
    },
    Seek {
        consumer: u8,
        to: Position,
    },
    Redrive {
        consumer: u8,
        ids: Option<Vec<u8>>,
    },
    DeleteDead {
        consumer: u8,
        id: u8,
    },
    /// Milliseconds; nothing with a real clock.
    Pass(u64),
    /// Close and open again; nothing where a store keeps nothing.
    Reopen,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Position {
    Oldest,
    Newest,
    After(u8),
    From(u8),
}

/// Up to 80 operations, of which the first creates a consumer.
pub(super) fn operations() -> impl Strategy<Value = Vec<ScheduledOperation>> {
    let put = (0..5_u8).prop_map(|settings| ScheduledOperation::Put {
        consumer: 0,
        settings,
        start: Position::Oldest,
    });
    (put, prop::collection::vec(operation(), 1..80)).prop_map(|(put, mut operations)| {
        operations.insert(0, put);
        operations
    })
}

fn operation() -> impl Strategy<Value = ScheduledOperation> {
    let consumer = || prop_oneof![4 => Just(0_u8), 1 => Just(1)];
    let leases = || prop::collection::vec(any::<u8>(), 1..5);
    prop_oneof![
        14 => Just(ScheduledOperation::Append),
        3 => any::<u8>().prop_map(|id| ScheduledOperation::Delete { id }),
        1 => (any::<u8>(), 1..6_usize)
            .prop_map(|(id, limit)| ScheduledOperation::DeleteBefore { id, limit }),
        2 => (1..10_u64).prop_map(|max_count| ScheduledOperation::Prune { max_count }),
        2 => (consumer(), 0..5_u8, position())
            .prop_map(|(consumer, settings, start)| ScheduledOperation::Put { consumer, settings, start }),
        1 => Just(ScheduledOperation::DeleteConsumer { consumer: 1 }),
        16 => (consumer(), 1..6_u64, 0..3_u8)
            .prop_map(|(consumer, limit, lease)| ScheduledOperation::Pull { consumer, limit, lease }),
        6 => (consumer(), leases())
            .prop_map(|(consumer, leases)| ScheduledOperation::Ack { consumer, leases }),
        8 => (consumer(), leases(), prop::option::of(0..3_u8), any::<bool>()).prop_map(
            |(consumer, leases, delay, reason)| ScheduledOperation::Nack { consumer, leases, delay, reason }
        ),
        2 => (consumer(), leases(), 0..3_u8)
            .prop_map(|(consumer, leases, lease)| ScheduledOperation::Extend { consumer, leases, lease }),
        2 => (consumer(), any::<u8>())
            .prop_map(|(consumer, pull)| ScheduledOperation::GiveBack { consumer, pull }),
        2 => (consumer(), leases())
            .prop_map(|(consumer, leases)| ScheduledOperation::Release { consumer, leases }),
        2 => (consumer(), any::<u8>(), any::<u8>(), 1..5_usize).prop_map(
            |(consumer, from, to, limit)| ScheduledOperation::Requeue { consumer, from, to, limit }
        ),
        2 => (consumer(), position()).prop_map(|(consumer, to)| ScheduledOperation::Seek { consumer, to }),
        3 => (consumer(), prop::option::of(prop::collection::vec(any::<u8>(), 1..4)))
            .prop_map(|(consumer, ids)| ScheduledOperation::Redrive { consumer, ids }),
        1 => (consumer(), any::<u8>())
            .prop_map(|(consumer, id)| ScheduledOperation::DeleteDead { consumer, id }),
        8 => (1..15_000_u64).prop_map(ScheduledOperation::Pass),
        1 => Just(ScheduledOperation::Reopen),
    ]
}

fn position() -> impl Strategy<Value = Position> {
    prop_oneof![
        1 => Just(Position::Oldest),
        1 => Just(Position::Newest),
        3 => any::<u8>().prop_map(Position::After),
        2 => any::<u8>().prop_map(Position::From),
    ]
}
