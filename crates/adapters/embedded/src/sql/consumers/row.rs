//! The row of a consumer, and the step in which a call works on it.

use posthorn_domain::{
    Attempt, BackoffSchedule, ConsumerKey, ConsumerSettings, InFlightLimit, LeaseDuration,
    SettingsTag, Timestamp,
};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Row, params};

use crate::sql::TopicId;

/// A consumer's key in the other tables.
pub(super) type ConsumerId = i64;

/// The columns that [`ConsumerRow::from_row`] reads.
pub(super) const COLUMNS: &str = "consumer_id, tag, lease_ms, max_attempts, backoff_ms, max_in_flight, \
     cursor_ms, cursor_seq, behind, leased, waiting, copies, dead, missed, dead_dropped, last_pull_ms";

/// The row of one consumer, with its counters. What a call changes of it is written at its end.
#[derive(Clone, PartialEq)]
pub(super) struct ConsumerRow {
    pub(super) id: ConsumerId,
    pub(super) settings: ConsumerSettings,
    pub(super) tag: SettingsTag,
    /// Every message after it is new.
    pub(super) cursor: (i64, i64),
    /// The number of messages that the topic holds at or before the cursor.
    pub(super) behind: i64,
    /// The number of deliveries with a lease.
    pub(super) leased: i64,
    /// The number of deliveries without a lease.
    pub(super) waiting: i64,
    /// The number of deliveries with a copy of their message.
    pub(super) copies: i64,
    /// The number of dead letters.
    pub(super) dead: i64,
    pub(super) missed: i64,
    pub(super) dead_dropped: i64,
    pub(super) last_pull_ms: Option<i64>,
}

/// The circumstances of one call: the open transaction, the topic and the store's time.
#[derive(Clone, Copy)]
pub(super) struct CallContext<'a> {
    pub(super) connection: &'a Connection,
    pub(super) topic_id: TopicId,
    /// Milliseconds since the Unix epoch.
    pub(super) now: i64,
}

/// Milliseconds since the Unix epoch, as SQLite holds them.
pub(super) fn millis(time: Timestamp) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The time of a column.
pub(super) fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// A counter as the port has it.
pub(super) fn count(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}

/// The consumer `key`, whose topic is that of `step`.
pub(super) fn find(
    step: CallContext<'_>,
    key: &ConsumerKey,
) -> rusqlite::Result<Option<ConsumerRow>> {
    let select =
        format!("SELECT {COLUMNS} FROM consumers WHERE topic_id = ?1 AND kind = ?2 AND name = ?3");
    let mut select = step.connection.prepare_cached(&select)?;
    let values = (step.topic_id, key.kind.as_str(), key.name.as_str());
    select.query_row(values, ConsumerRow::from_row).optional()
}

impl ConsumerRow {
    /// The consumer of a row with the columns [`COLUMNS`].
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let backoff: String = row.get(4)?;
        let backoff = backoff.split(',').map(str::parse::<u32>);
        let backoff: Vec<u32> = backoff
            .collect::<Result<_, _>>()
            .map_err(|error| bad(4, error))?;
        let tag: String = row.get(1)?;
        let settings = ConsumerSettings {
            lease: LeaseDuration::from_millis(row.get(2)?).map_err(|error| bad(2, error))?,
            max_attempts: Attempt::new(count(row.get(3)?)).map_err(|error| bad(3, error))?,
            backoff: BackoffSchedule::from_millis(backoff).map_err(|error| bad(4, error))?,
            max_in_flight: InFlightLimit::new(count(row.get(5)?)).map_err(|error| bad(5, error))?,
        };
        Ok(Self {
            id: row.get(0)?,
            tag: SettingsTag::parse(&tag).ok_or_else(|| bad(1, "not a version of settings"))?,
            settings,
            cursor: (row.get(6)?, row.get(7)?),
            behind: row.get(8)?,
            leased: row.get(9)?,
            waiting: row.get(10)?,
            copies: row.get(11)?,
            dead: row.get(12)?,
            missed: row.get(13)?,
            dead_dropped: row.get(14)?,
            last_pull_ms: row.get(15)?,
        })
    }

    /// Writes the settings of the row.
    pub(super) fn save_settings(&self, connection: &Connection) -> rusqlite::Result<()> {
        let update = "UPDATE consumers SET tag = ?2, lease_ms = ?3, max_attempts = ?4, \
             backoff_ms = ?5, max_in_flight = ?6 WHERE consumer_id = ?1";
        let values = params![
            self.id,
            self.tag.to_string(),
            self.settings.lease.as_millis(),
            self.settings.max_attempts.get(),
            backoff_text(&self.settings.backoff),
            self.settings.max_in_flight.get(),
        ];
        connection.prepare_cached(update)?.execute(values).map(drop)
    }

    /// Writes the state of the row, without its settings.
    pub(super) fn save(&self, connection: &Connection) -> rusqlite::Result<()> {
        let update = "UPDATE consumers SET cursor_ms = ?2, cursor_seq = ?3, behind = ?4, \
             leased = ?5, waiting = ?6, copies = ?7, dead = ?8, missed = ?9, \
             dead_dropped = ?10, last_pull_ms = ?11 WHERE consumer_id = ?1";
        let values = params![
            self.id,
            self.cursor.0,
            self.cursor.1,
            self.behind,
            self.leased,
            self.waiting,
            self.copies,
            self.dead,
            self.missed,
            self.dead_dropped,
            self.last_pull_ms,
        ];
        connection.prepare_cached(update)?.execute(values).map(drop)
    }
}

/// The waits of a schedule in milliseconds, separated by commas.
pub(super) fn backoff_text(backoff: &BackoffSchedule) -> String {
    let waits = backoff.as_millis().iter().map(u32::to_string);
    waits.collect::<Vec<_>>().join(",")
}

/// A column that does not hold what the schema says.
pub(super) fn bad(
    column: usize,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, error.into())
}
