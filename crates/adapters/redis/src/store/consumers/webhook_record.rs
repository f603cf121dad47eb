//! The record, the health and the attempts of a webhook in Redis.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthorn_application::{
    ConsumerStatus, DamagedConsumers, PageLimit, RequeueRequest, Requeued, StoreError,
    WebhookIncarnation, WebhookPut, WebhookRecord, WebhookStatus,
};
use posthorn_domain::{
    Attempt, AttemptTimeout, ConsumerKey, ConsumerKind, ConsumerSettings, DeliveryConcurrency,
    DeliveryRate, DisableReason, FailureReason, Timestamp, Topic, UrlSchemes, WebhookAttempt,
    WebhookFormat, WebhookHealth, WebhookSettings, WebhookUrl,
};
use redis::Value;

use super::replies::{self, parse, unexpected};
use crate::store::record::{from_value, padded_id, parse_id};

/// The fields of a webhook in the hash of its consumer: the record, then the health.
type WebhookFields = Vec<Option<String>>;

/// The fields of a record and their values. The schedule and the concurrency are those of the
/// consumer.
pub(super) fn fields(record: &WebhookRecord) -> Vec<String> {
    let settings = &record.settings;
    let rate = settings.rate.map_or(0, DeliveryRate::as_thousandths);
    let fields = [
        ("url", settings.url.to_string()),
        ("timeout", settings.timeout.as_millis().to_string()),
        ("rate", rate.to_string()),
        ("format", settings.format.as_str().to_owned()),
        ("sealed", STANDARD.encode(&record.sealed)),
    ];
    let fields = fields.into_iter();
    fields
        .flat_map(|(field, value)| [field.to_owned(), value])
        .collect()
}

/// The outcome of a put.
pub(super) fn put(key: &ConsumerKey, reply: Vec<Value>) -> Result<WebhookPut, StoreError> {
    let (created, state, fields): (bool, Value, WebhookFields) = parse(reply)?;
    let status = status(replies::status(key.clone(), state)?, fields)?;
    Ok(WebhookPut { created, status })
}

/// One webhook.
pub(super) fn webhook(key: &ConsumerKey, reply: Vec<Value>) -> Result<WebhookStatus, StoreError> {
    let (state, fields): (Value, WebhookFields) = parse(reply)?;
    status(replies::status(key.clone(), state)?, fields)
}

/// The webhooks of a topic, by name.
pub(super) fn webhooks(
    topic: &Topic,
    reply: (Vec<Value>, &DamagedConsumers),
) -> Result<Vec<WebhookStatus>, StoreError> {
    replies::by_name(topic, ConsumerKind::Webhook, reply, |key, found| {
        let (state, fields): (Value, WebhookFields) = from_value(found)?;
        status(replies::status(key, state)?, fields)
    })
}

/// The health after attempts were recorded.
pub(super) fn health(reply: Vec<Value>) -> Result<WebhookHealth, StoreError> {
    let (fields,): (WebhookFields,) = parse(reply)?;
    let [_, _, _, _, _, _, health @ ..] = fields.as_slice() else {
        return Err(unexpected("a short record"));
    };
    health_of(health)
}

/// The arguments of one attempt: its time, its failure, its text.
pub(super) fn attempt_arguments(attempt: &WebhookAttempt) -> [String; 3] {
    let signed = |reason: Option<&FailureReason>| {
        reason.map_or_else(|| "-".to_owned(), |reason| format!("+{reason}"))
    };
    let at = attempt.at.as_millis();
    let text = format!(
        "{} {} {at} {} {} {}",
        padded_id(attempt.message_id),
        attempt.attempt,
        attempt.status.unwrap_or(0),
        attempt.milliseconds,
        signed(attempt.error.as_ref()),
    );
    [at.to_string(), signed(attempt.failure().as_ref()), text]
}

/// The last attempts.
pub(super) fn attempts(reply: Vec<Value>) -> Result<Vec<WebhookAttempt>, StoreError> {
    let (texts,): (Vec<String>,) = parse(reply)?;
    // A damaged one hides only itself.
    let attempts = texts.iter().filter_map(|text| attempt(text).ok());
    Ok(attempts.collect())
}

/// The outcome of a requeue that examines `limit` messages.
pub(super) fn requeued(reply: Vec<Value>, limit: PageLimit) -> Result<Requeued, StoreError> {
    let (queued, from, to): (u64, String, String) = parse(reply)?;
    let next = if from.is_empty() {
        None
    } else {
        Some(RequeueRequest {
            from: parse_id(&from)?,
            to: parse_id(&to)?,
            limit,
        })
    };
    Ok(Requeued { queued, next })
}

fn attempt(text: &str) -> Result<WebhookAttempt, StoreError> {
    let invalid = || unexpected("an invalid attempt");
    // The error comes last, because it may contain spaces.
    let parts: Vec<_> = text.splitn(6, ' ').collect();
    let [id, attempt, at, status, milliseconds, error] = parts.as_slice() else {
        return Err(invalid());
    };
    let status: u16 = number(status).ok_or_else(invalid)?;
    let error = error.strip_prefix('+').map(FailureReason::parse);
    Ok(WebhookAttempt {
        message_id: parse_id(id)?,
        attempt: number(attempt)
            .and_then(|attempt| Attempt::new(attempt).ok())
            .ok_or_else(invalid)?,
        at: Timestamp::from_millis(number(at).ok_or_else(invalid)?),
        status: (status > 0).then_some(status),
        milliseconds: number(milliseconds).ok_or_else(invalid)?,
        error: error.transpose().map_err(|_| invalid())?,
    })
}

fn status(consumer: ConsumerStatus, fields: WebhookFields) -> Result<WebhookStatus, StoreError> {
    let [
        Some(url),
        Some(timeout),
        Some(rate),
        Some(format),
        Some(sealed),
        born,
        health @ ..,
    ] = fields.as_slice()
    else {
        return Err(unexpected("a record without its fields"));
    };
    let settings = settings(&consumer.settings, [url, timeout, rate, format]);
    let settings = settings.ok_or_else(|| unexpected("an invalid record"))?;
    let sealed = STANDARD.decode(sealed);
    // A webhook of an earlier version has no time of creation.
    let born = born.as_deref().unwrap_or("0");
    let incarnation = number(born).map(WebhookIncarnation);
    Ok(WebhookStatus {
        consumer,
        incarnation: incarnation.ok_or_else(|| unexpected("an invalid incarnation"))?,
        record: WebhookRecord {
            settings,
            sealed: sealed.map_err(|_| unexpected("an invalid sealed record"))?,
        },
        health: health_of(health)?,
    })
}

fn settings(
    consumer: &ConsumerSettings,
    [url, timeout, rate, format]: [&str; 4],
) -> Option<WebhookSettings> {
    let rate: u32 = number(rate)?;
    let rate = (rate > 0).then(|| DeliveryRate::from_thousandths(rate));
    Some(WebhookSettings {
        url: WebhookUrl::parse(url, UrlSchemes::HttpAndHttps).ok()?,
        schedule: consumer.backoff.clone(),
        timeout: AttemptTimeout::from_millis(number(timeout)?).ok()?,
        max_in_flight: DeliveryConcurrency::new(consumer.max_in_flight.get().into()).ok()?,
        rate: rate.transpose().ok()?,
        format: WebhookFormat::parse(format).ok()?,
    })
}

fn health_of(fields: &[Option<String>]) -> Result<WebhookHealth, StoreError> {
    let invalid = || unexpected("an invalid health");
    let [disabled, succeeded, failed, since, last_failed, error] = fields else {
        return Err(invalid());
    };
    let time = |field: &Option<String>| {
        let millis = field
            .as_deref()
            .map(|text| number(text).ok_or_else(invalid));
        Ok::<_, StoreError>(millis.transpose()?.map(Timestamp::from_millis))
    };
    let disabled = disabled.as_deref();
    let disabled = disabled.map(|name| DisableReason::parse(name).ok_or_else(invalid));
    let error = error.as_deref().map(FailureReason::parse).transpose();
    Ok(WebhookHealth {
        disabled: disabled.transpose()?,
        last_success_at: time(succeeded)?,
        last_failure_at: time(failed)?,
        failing_since: time(since)?,
        last_failed: last_failed.as_deref() == Some("1"),
        last_error: error.map_err(|_| invalid())?,
    })
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}
