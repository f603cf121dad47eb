//! The consumers that the calls of one transaction use. Most calls of a transaction are on few consumers: each
//! row is read and written once for all of them.

use std::collections::HashMap;

use posthorn_domain::ConsumerKey;
use rusqlite::Connection;

use super::row::{CallContext, ConsumerRow, find};

/// The rows of consumers that may differ from the table.
#[derive(Default)]
pub(crate) struct OpenConsumers(HashMap<ConsumerKey, OpenConsumer>);

/// The row of one consumer.
pub(super) struct OpenConsumer {
    pub(super) row: ConsumerRow,
    /// The row in the table.
    written: ConsumerRow,
    /// Leases that ended at this time or before have been ended; `None` before the first look.
    expired_at: Option<i64>,
}

impl OpenConsumers {
    /// Takes the consumer `key`, whose topic is that of `step`; `None` if it does not exist.
    pub(super) fn take(
        &mut self,
        step: CallContext<'_>,
        key: &ConsumerKey,
    ) -> rusqlite::Result<Option<OpenConsumer>> {
        if let Some(open) = self.0.remove(key) {
            return Ok(Some(open));
        }
        let found = find(step, key)?;
        Ok(found.map(|row| OpenConsumer {
            written: row.clone(),
            row,
            expired_at: None,
        }))
    }

    /// Keeps the consumer for the next call.
    pub(super) fn put_back(&mut self, key: &ConsumerKey, open: OpenConsumer) {
        self.0.insert(key.clone(), open);
    }

    /// Writes what differs from the table, and keeps nothing.
    pub(crate) fn save(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        for OpenConsumer { row, written, .. } in self.0.drain().map(|(_, open)| open) {
            if (row.tag, &row.settings) != (written.tag, &written.settings) {
                row.save_settings(connection)?;
            }
            if row != written {
                row.save(connection)?;
            }
        }
        Ok(())
    }
}

impl OpenConsumer {
    /// Ends the leases that are over. Every lease ends after the call that grants or extends it, so one look
    /// serves the calls of one moment.
    pub(super) fn expire(&mut self, step: CallContext<'_>) -> rusqlite::Result<()> {
        if self.expired_at.is_none_or(|at| at < step.now) {
            self.row.expire(step)?;
            self.expired_at = Some(step.now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use posthorn_application::{LeaseUpdate, Precondition, PullRequest, PutConsumer, TimeBounds};
    use posthorn_domain::{
        ConsumerKind, ConsumerName, ConsumerPosition, ConsumerSettings, Durability, LeaseNonce,
        PullLimit, SettingsTag, Timestamp, Topic,
    };
    use posthorn_testkit::samples;

    use super::super::{Call, put, with_consumer};
    use super::*;
    use crate::sql::deletion;
    use crate::sql::write_batch::WriteBatch;
    use crate::sql::writer_cache::WriterCache;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn key() -> ConsumerKey {
        ConsumerKey {
            topic: Topic::parse("jobs").unwrap(),
            kind: ConsumerKind::Consumer,
            name: ConsumerName::parse("mailer").unwrap(),
        }
    }

    fn create(batch: &mut WriteBatch<'_>) {
        let consumer = PutConsumer {
            settings: ConsumerSettings::default(),
            tag: SettingsTag::from_bytes([1; SettingsTag::LENGTH]),
            start: ConsumerPosition::Oldest,
            precondition: Precondition::default(),
        };
        put(batch, &key(), &consumer, NOW).unwrap().unwrap();
    }

    /// Waiting and leased, as a call sees them.
    fn counts(batch: &mut WriteBatch<'_>) -> (u64, u64) {
        let status = with_consumer(batch, &key(), NOW, |call| call.status());
        let counts = status.unwrap().unwrap().counts;
        (counts.waiting, counts.in_flight)
    }

    #[test]
    fn the_calls_of_a_transaction_and_its_other_changes_see_each_other() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::schema::create(&mut connection).unwrap();
        let cache = WriterCache::load(&connection, 10).unwrap();
        let mut batch = WriteBatch::new(&connection, Durability::Synced, &cache);
        create(&mut batch);
        let append = |batch: &mut WriteBatch<'_>| {
            let message = samples::append(&key().topic, "text");
            let appended = batch.append(&message, TimeBounds::new(NOW, NOW));
            appended.unwrap().unwrap().receipt.id
        };
        let ids: Vec<_> = (0..100).map(|_| append(&mut batch)).collect();
        let mut tokens = Vec::new();
        for number in 0..60 {
            let request = PullRequest {
                limit: PullLimit::parse(1).unwrap(),
                lease: None,
                nonce: LeaseNonce::from_bits(number),
            };
            let pulled = with_consumer(&mut batch, &key(), NOW, |call| call.pull(request));
            let pulled = pulled.unwrap().unwrap();
            tokens.push(pulled.messages[0].token(LeaseNonce::from_bits(number)));
        }
        assert_eq!(counts(&mut batch), (40, 60));

        // The row is written once, for all of these calls.
        let written = || -> i64 {
            let select = "SELECT leased FROM consumers";
            connection.query_row(select, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(written(), 0);

        for token in &tokens[..10] {
            let ack = |call: &mut Call<'_>| {
                call.update_leases(std::slice::from_ref(token), &LeaseUpdate::Ack)
            };
            let updated = with_consumer(&mut batch, &key(), NOW, ack);
            assert_eq!(updated.unwrap().unwrap().valid, [true]);
        }
        assert_eq!(counts(&mut batch), (40, 50));
        // A message that is settled, one that is leased, and one that is new.
        for index in [0, 20, 90] {
            assert!(deletion::delete(&mut batch, &key().topic, ids[index], NOW).unwrap());
        }
        assert_eq!(counts(&mut batch), (39, 50));
        append(&mut batch);
        assert_eq!(counts(&mut batch), (40, 50));
        batch.finish().unwrap();

        // What was written is what the calls saw.
        let mut next = WriteBatch::new(&connection, Durability::Synced, &cache);
        assert_eq!((counts(&mut next), written()), ((40, 50), 50));
    }
}
