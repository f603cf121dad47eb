//! The replies of the scripts of consumers.

use std::time::Duration;

use posthorn_application::{
    BulkDeletion, ConsumerCounts, ConsumerDelivery, ConsumerError, ConsumerPut, ConsumerStatus,
    DamagedConsumers, DeadLetter, DeadLetterPage, DeliveryState, LeaseUpdate, LeasedMessage,
    LeasesUpdated, PulledLeases, Redriven, StoreError,
};
use posthorn_domain::{
    Attempt, BackoffSchedule, ConsumerKey, ConsumerKind, ConsumerName, ConsumerSettings,
    FailureReason, InFlightLimit, LeaseDuration, LeaseNonce, LeaseToken, MessageId, SettingsTag,
    Timestamp, Topic,
};
use redis::{FromRedisValue, Value};

use crate::store::record::{self, corrupt, from_value};

/// The reply behind its status, or the error that the status means.
pub(super) fn outcome(reply: Value) -> Result<Vec<Value>, ConsumerError> {
    let mut values: Vec<Value> = from_value(reply)?;
    if values.is_empty() {
        return Err(unexpected("an empty reply").into());
    }
    let status: String = from_value(values.remove(0))?;
    match status.as_str() {
        "ok" => Ok(values),
        "absent" => Err(ConsumerError::NotFound),
        "precondition" => Err(ConsumerError::PreconditionFailed),
        "limit" => Err(ConsumerError::LimitReached),
        "ahead" => Err(ConsumerError::PositionAhead),
        _ => Err(unexpected("an unknown status").into()),
    }
}

/// The cursor in the reply of a script that needs a count first.
pub(super) fn cursor_to_count(reply: &Value) -> Result<Option<String>, StoreError> {
    match reply {
        Value::Array(values) => match values.as_slice() {
            [Value::BulkString(status), cursor] if status == b"count" => {
                from_value(cursor.clone()).map(Some)
            }
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// The outcome of a put.
pub(super) fn put(key: &ConsumerKey, reply: Vec<Value>) -> Result<ConsumerPut, StoreError> {
    let (created, state): (bool, Value) = parse(reply)?;
    Ok(ConsumerPut {
        created,
        status: status(key.clone(), state)?,
    })
}

/// The status of one consumer.
pub(super) fn one_status(
    key: &ConsumerKey,
    reply: Vec<Value>,
) -> Result<ConsumerStatus, StoreError> {
    let (state,): (Value,) = parse(reply)?;
    status(key.clone(), state)
}

/// The statuses of the consumers of one kind, by name.
pub(super) fn list(
    topic: &Topic,
    kind: ConsumerKind,
    reply: (Vec<Value>, &DamagedConsumers),
) -> Result<Vec<ConsumerStatus>, StoreError> {
    by_name(topic, kind, reply, status)
}

/// The states of a message, by the name of the consumer.
pub(super) fn deliveries(
    topic: &Topic,
    kind: ConsumerKind,
    reply: (Vec<Value>, &DamagedConsumers),
) -> Result<Vec<ConsumerDelivery>, StoreError> {
    by_name(topic, kind, reply, |key, state| {
        let (consumer, state) = (key.name, delivery(state)?);
        Ok(ConsumerDelivery { consumer, state })
    })
}

/// What `read` returns for each of the names and values of a reply, by name. A damaged one hides only itself.
pub(super) fn by_name<T>(
    topic: &Topic,
    kind: ConsumerKind,
    (reply, damaged): (Vec<Value>, &DamagedConsumers),
    read: impl Fn(ConsumerKey, Value) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::with_capacity(reply.len() / 2);
    let mut reply = reply.into_iter();
    while let (Some(name), Some(value)) = (reply.next(), reply.next()) {
        let text: String = from_value(name)?;
        let name = ConsumerName::parse(&text).map_err(|error| corrupt(error.to_string()));
        let topic = topic.clone();
        let one = name.and_then(|name| read(ConsumerKey { topic, kind, name }, value));
        found.push((text, one));
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    let intact = found.into_iter().filter_map(|(name, one)| {
        one.inspect_err(|error| damaged.report(topic, kind, &name, error))
            .ok()
    });
    Ok(intact.collect())
}

fn delivery(state: Value) -> Result<DeliveryState, StoreError> {
    let (state, number, time, text): (String, u64, i64, String) = from_value(state)?;
    let (attempt, reason) = (attempt(number)?, reason(&text)?);
    let at = u64::try_from(time).ok().map(Timestamp::from_millis);
    match (state.as_str(), at) {
        ("w", due_at) => Ok(DeliveryState::Waiting {
            attempt,
            due_at,
            reason,
        }),
        ("l", Some(expires_at)) => Ok(DeliveryState::InFlight {
            attempt,
            expires_at,
        }),
        ("d", Some(died_at)) => Ok(DeliveryState::Dead {
            attempts: attempt,
            reason,
            died_at,
        }),
        ("s", None) => Ok(DeliveryState::Settled),
        _ => Err(unexpected("an unknown state of a message")),
    }
}

/// The leased messages, and the tokens of those whose records cannot be read.
pub(super) fn pull(
    key: &ConsumerKey,
    nonce: LeaseNonce,
    reply: Vec<Value>,
) -> Result<(PulledLeases, Vec<LeaseToken>), StoreError> {
    type PullReply = (
        u64,
        bool,
        i64,
        Vec<(String, u64, Value)>,
        Vec<(String, Value)>,
    );
    let (expires, more, next_due, redelivered, new): PullReply = parse(reply)?;
    let expires_at = Timestamp::from_millis(expires);
    let mut messages = Vec::with_capacity(redelivered.len() + new.len());
    let mut unreadable = Vec::new();
    let new = new.into_iter().map(|(id, fields)| (id, 1, fields));
    for (id, number, fields) in redelivered.into_iter().chain(new) {
        let attempt = attempt(number)?;
        let message =
            from_value(fields).and_then(|fields| record::message(&key.topic, (id.clone(), fields)));
        match message {
            Ok(message) => messages.push(LeasedMessage {
                message,
                attempt,
                expires_at,
            }),
            Err(_) => unreadable.push(LeaseToken {
                id: record::parse_id(&id)?,
                attempt,
                nonce,
            }),
        }
    }
    let pulled = PulledLeases {
        messages,
        unreadable: unreadable.iter().map(|lease| lease.id).collect(),
        more,
        next_due: u64::try_from(next_due).ok().map(Duration::from_millis),
    };
    Ok((pulled, unreadable))
}

/// The outcome of an update.
pub(super) fn update(
    update: &LeaseUpdate,
    mut reply: Vec<Value>,
) -> Result<LeasesUpdated, StoreError> {
    if reply.is_empty() {
        return Err(unexpected("an update without a time"));
    }
    let expires: u64 = from_value(reply.remove(0))?;
    let extends = matches!(update, LeaseUpdate::Extend(_));
    Ok(LeasesUpdated {
        valid: reply
            .into_iter()
            .map(from_value)
            .collect::<Result<_, _>>()?,
        expires_at: extends.then(|| Timestamp::from_millis(expires)),
    })
}

/// A page of dead letters; `reply` has up to one more than `limit` behind its flag.
pub(super) fn dead_letters(
    key: &ConsumerKey,
    limit: usize,
    reply: Vec<Value>,
) -> Result<DeadLetterPage, StoreError> {
    let mut reply = reply.into_iter();
    let is_cut: bool = from_value(reply.next().unwrap_or(Value::Nil))?;
    let has_more = is_cut || reply.len() > limit;
    let letter = |id, (death, fields)| -> Result<_, StoreError> {
        let (death, fields): (String, Vec<String>) = (from_value(death)?, from_value(fields)?);
        let mut parts = death.splitn(3, ' ');
        let (Some(attempts), Some(died), Some(text)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(unexpected("a death without three parts"));
        };
        let number = |text: &str| {
            text.parse()
                .map_err(|_| unexpected("a death without numbers"))
        };
        Ok(DeadLetter {
            message: record::message(&key.topic, (id, fields))?,
            attempts: attempt(number(attempts)?)?,
            reason: reason(text)?,
            died_at: Timestamp::from_millis(number(died)?),
        })
    };
    let mut page = DeadLetterPage {
        has_more,
        ..DeadLetterPage::default()
    };
    for reply in reply.take(limit) {
        let (id, death, fields): (String, Value, Value) = from_value(reply)?;
        match letter(id.clone(), (death, fields)) {
            Ok(letter) => page.letters.push(letter),
            Err(_) => page.unreadable.push(record::parse_id(&id)?),
        }
    }
    Ok(page)
}

/// The outcome of a redrive.
pub(super) fn redriven(ids: &[MessageId], mut reply: Vec<Value>) -> Result<Redriven, StoreError> {
    let found = reply.split_off(reply.len().min(2));
    let (redriven, remaining) = parse(reply)?;
    let mut unknown = Vec::new();
    for (id, found) in ids.iter().zip(found) {
        if !from_value::<bool>(found)? {
            unknown.push(*id);
        }
    }
    Ok(Redriven {
        redriven,
        remaining,
        unknown,
    })
}

/// A reply of one flag.
pub(super) fn flag(reply: Vec<Value>) -> Result<bool, StoreError> {
    let (flag,) = parse(reply)?;
    Ok(flag)
}

/// The outcome of a deletion of many messages.
pub(super) fn bulk_deletion(reply: Vec<Value>) -> Result<BulkDeletion, StoreError> {
    let (deleted, more) = parse(reply)?;
    Ok(BulkDeletion { deleted, more })
}

/// The status of a consumer.
pub(super) fn status(key: ConsumerKey, state: Value) -> Result<ConsumerStatus, StoreError> {
    type StatusReply = (
        String,
        u32,
        u64,
        String,
        u64,
        u64,
        u64,
        u64,
        u64,
        u64,
        String,
        i64,
    );
    let (
        tag,
        lease,
        max_attempts,
        backoff,
        max_in_flight,
        waiting,
        in_flight,
        dead,
        missed,
        dead_dropped,
        oldest,
        pulled,
    ): StatusReply = from_value(state)?;
    let invalid = |_| unexpected("invalid settings");
    let waits: Result<Vec<u32>, _> = backoff.split(' ').map(str::parse).collect();
    let waits = waits.map_err(|_| unexpected("an invalid backoff"))?;
    let settings = ConsumerSettings {
        lease: LeaseDuration::from_millis(lease).map_err(|_| unexpected("an invalid lease"))?,
        max_attempts: attempt(max_attempts)?,
        backoff: BackoffSchedule::from_millis(waits).map_err(invalid)?,
        max_in_flight: InFlightLimit::new(max_in_flight)
            .map_err(|_| unexpected("an invalid limit"))?,
    };
    let oldest = (!oldest.is_empty()).then(|| record::parse_id(&oldest));
    Ok(ConsumerStatus {
        key,
        settings,
        tag: SettingsTag::parse(&tag).ok_or_else(|| unexpected("an invalid tag"))?,
        counts: ConsumerCounts {
            waiting,
            in_flight,
            dead,
            missed,
            dead_dropped,
        },
        oldest_waiting_at: oldest.transpose()?.map(MessageId::timestamp),
        last_pull_at: u64::try_from(pulled).ok().map(Timestamp::from_millis),
    })
}

fn reason(text: &str) -> Result<Option<FailureReason>, StoreError> {
    let parse = |text| FailureReason::parse(text).map_err(|_| unexpected("an invalid reason"));
    text.strip_prefix('+').map(parse).transpose()
}

fn attempt(number: u64) -> Result<Attempt, StoreError> {
    Attempt::new(number).map_err(|error| corrupt(error.to_string()))
}

/// A reply of a fixed number of values.
pub(super) fn parse<T: FromRedisValue>(reply: Vec<Value>) -> Result<T, StoreError> {
    from_value(Value::Array(reply))
}

/// The error of a reply that no script returns.
pub(super) fn unexpected(what: &str) -> StoreError {
    corrupt(format!("a script of consumers returned {what}"))
}
