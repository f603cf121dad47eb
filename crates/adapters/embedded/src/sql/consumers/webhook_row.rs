//! The row of a webhook: its record and its health.

use posthorn_application::WebhookRecord;
use posthorn_domain::{
    AttemptTimeout, DeliveryConcurrency, DeliveryRate, DisableReason, FailureReason, Timestamp,
    UrlSchemes, WebhookFormat, WebhookHealth, WebhookSettings, WebhookUrl,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::row::{ConsumerRow, bad, millis, timestamp};

/// The columns that [`WebhookRow::from_row`] reads.
const COLUMNS: &str = "url, timeout_ms, rate, format, sealed, disabled, last_success_ms, \
     last_failure_ms, failing_since_ms, last_failed, last_error, recorded";

/// What a webhook has beyond its consumer.
pub(super) struct WebhookRow {
    pub(super) record: WebhookRecord,
    pub(super) health: WebhookHealth,
    /// The number of attempts recorded so far.
    pub(super) recorded: i64,
}

impl WebhookRow {
    /// The row of the webhook that is `consumer`.
    pub(super) fn find(
        connection: &Connection,
        consumer: &ConsumerRow,
    ) -> rusqlite::Result<Option<Self>> {
        let select = format!("SELECT {COLUMNS} FROM webhooks WHERE consumer_id = ?1");
        let mut select = connection.prepare_cached(&select)?;
        select
            .query_row([consumer.id], |row| Self::from_row(row, consumer))
            .optional()
    }

    /// Schedule and concurrency are those of the consumer.
    fn from_row(row: &Row<'_>, consumer: &ConsumerRow) -> rusqlite::Result<Self> {
        let url: String = row.get(0)?;
        let rate: Option<u32> = row.get(2)?;
        let rate = rate.map(DeliveryRate::from_thousandths).transpose();
        let format: String = row.get(3)?;
        let limit = consumer.settings.max_in_flight.get();
        let settings = WebhookSettings {
            url: WebhookUrl::parse(&url, UrlSchemes::HttpAndHttps)
                .map_err(|error| bad(0, error))?,
            schedule: consumer.settings.backoff.clone(),
            timeout: AttemptTimeout::from_millis(row.get(1)?).map_err(|error| bad(1, error))?,
            max_in_flight: DeliveryConcurrency::new(limit.into()).map_err(|error| bad(0, error))?,
            rate: rate.map_err(|error| bad(2, error))?,
            format: WebhookFormat::parse(&format).map_err(|error| bad(3, error))?,
        };
        let disabled: Option<String> = row.get(5)?;
        let disabled = disabled.map(|name| {
            DisableReason::parse(&name).ok_or_else(|| bad(5, "not a reason to be disabled"))
        });
        let time = |column: usize| -> rusqlite::Result<Option<Timestamp>> {
            Ok(row.get::<_, Option<i64>>(column)?.map(timestamp))
        };
        Ok(Self {
            record: WebhookRecord {
                settings,
                sealed: row.get(4)?,
            },
            health: WebhookHealth {
                disabled: disabled.transpose()?,
                last_success_at: time(6)?,
                last_failure_at: time(7)?,
                failing_since: time(8)?,
                last_failed: row.get(9)?,
                last_error: reason(row, 10)?,
            },
            recorded: row.get(11)?,
        })
    }

    /// Writes health and the number of attempts.
    pub(super) fn save_health(
        &self,
        connection: &Connection,
        consumer: &ConsumerRow,
    ) -> rusqlite::Result<()> {
        let update = "UPDATE webhooks SET disabled = ?2, last_success_ms = ?3, \
             last_failure_ms = ?4, failing_since_ms = ?5, last_failed = ?6, last_error = ?7, \
             recorded = ?8 WHERE consumer_id = ?1";
        let health = &self.health;
        let values = params![
            consumer.id,
            health.disabled.map(DisableReason::as_str),
            health.last_success_at.map(millis),
            health.last_failure_at.map(millis),
            health.failing_since.map(millis),
            health.last_failed,
            health.last_error.as_ref().map(FailureReason::as_str),
            self.recorded,
        ];
        connection.prepare_cached(update)?.execute(values).map(drop)
    }
}

/// True for a webhook that is disabled.
pub(super) fn is_disabled(
    connection: &Connection,
    consumer: &ConsumerRow,
) -> rusqlite::Result<bool> {
    let select = "SELECT disabled IS NOT NULL FROM webhooks WHERE consumer_id = ?1";
    let mut select = connection.prepare_cached(select)?;
    let found = select.query_row([consumer.id], |row| row.get(0)).optional();
    Ok(found?.unwrap_or(false))
}

/// Writes the record of the webhook that is `consumer`, and keeps its health.
pub(super) fn save_record(
    connection: &Connection,
    consumer: &ConsumerRow,
    record: &WebhookRecord,
) -> rusqlite::Result<()> {
    let upsert = "INSERT INTO webhooks (consumer_id, url, timeout_ms, rate, format, sealed) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (consumer_id) DO UPDATE SET \
         url = excluded.url, timeout_ms = excluded.timeout_ms, rate = excluded.rate, \
         format = excluded.format, sealed = excluded.sealed";
    let settings = &record.settings;
    let values = params![
        consumer.id,
        settings.url.as_str(),
        settings.timeout.as_millis(),
        settings.rate.map(DeliveryRate::as_thousandths),
        settings.format.as_str(),
        record.sealed,
    ];
    connection.prepare_cached(upsert)?.execute(values).map(drop)
}

/// The failure reason in a column.
pub(super) fn reason(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<FailureReason>> {
    let text: Option<String> = row.get(column)?;
    let reason = text.map(|text| FailureReason::parse(&text)).transpose();
    reason.map_err(|error| bad(column, error))
}
