//! The ids that a store has given, and cursors that are none of them.

use posthorn_domain::MessageId;

/// What a store with one sequence of ids knows of them. Both parts of its ids grow: a later id has a greater
/// sequence number and no earlier time.
#[derive(Clone, Copy, Debug)]
pub struct GivenIds<'a> {
    /// For each start of the store the first id that it gave then, with the number before it: ids given before
    /// have no greater part, and ids given later have a greater number and no earlier time.
    pub starts: &'a [MessageId],
    /// The newest id, or any id after the cursor.
    pub newest: MessageId,
    /// The last message of the topic up to the cursor.
    pub before: Option<MessageId>,
    /// The first message of the topic after the cursor.
    pub after: Option<MessageId>,
}

impl GivenIds<'_> {
    /// True if the store never gave the id `cursor`: another store did, or this one before it lost its newest
    /// messages. The least id is the beginning. An id without a sequence number, and one between messages, is a
    /// position in time; it was given unless it is after the newest id.
    pub fn exclude(&self, cursor: MessageId) -> bool {
        if cursor == MessageId::MIN || self.before == Some(cursor) {
            return false;
        }
        let number = cursor.sequence();
        if cursor > self.newest {
            return true;
        }
        if number == 0 || cursor.is_between_messages() {
            return false;
        }
        number > self.newest.sequence()
            || self
                .before
                .is_some_and(|before| before.sequence() >= number)
            || self.after.is_some_and(|after| after.sequence() <= number)
            || self.starts.iter().any(|start| {
                if number > start.sequence() {
                    cursor.timestamp() < start.timestamp()
                } else {
                    cursor.timestamp() > start.timestamp()
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use posthorn_domain::Timestamp;

    use super::*;

    fn id(millis: u64, number: u64) -> MessageId {
        MessageId::new(Timestamp::from_millis(millis), number)
    }

    /// A store that started at 100 and, with ten messages, at 200. The topic holds numbers 5, 8 and 20.
    #[track_caller]
    fn check(cursor: MessageId, is_excluded: bool) {
        let held = [id(120, 5), id(130, 8), id(240, 20)];
        let given = GivenIds {
            starts: &[id(100, 0), id(200, 10)],
            newest: id(250, 30),
            before: held.into_iter().rfind(|held| *held <= cursor),
            after: held.into_iter().find(|held| *held > cursor),
        };
        assert_eq!(given.exclude(cursor), is_excluded, "{cursor}");
    }

    #[test]
    fn ids_of_the_store_are_given() {
        for given in [
            (120, 5),
            (125, 6),
            (130, 8),
            (199, 10),
            (240, 20),
            (250, 30),
        ] {
            check(id(given.0, given.1), false);
        }
        check(MessageId::MIN, false);
    }

    #[test]
    fn ids_of_another_store_are_not() {
        // Before the first start; of another time than the number is; after the newest id.
        for never in [(99, 7), (150, 8), (125, 9), (125, 5), (251, 30), (251, 31)] {
            check(id(never.0, never.1), true);
        }
        // Lost by the store that started again with ten messages.
        check(id(180, 11), true);
        check(id(180, 29), true);
        check(id(210, 9), true);
    }

    #[test]
    fn a_position_in_time_is_given_up_to_the_newest_id() {
        for millis in [1, 99, 125, 180, 249] {
            check(id(millis, 0), false);
            check(id(millis, u64::MAX), false);
            let text = id(millis, 0).to_string();
            let between = format!("{}ZZZZZZZZZZZZZZZZ", text.split_at(10).0);
            check(MessageId::parse_position(&between).unwrap(), false);
        }
        check(id(251, 0), true);
        check(MessageId::MAX, true);
    }
}
