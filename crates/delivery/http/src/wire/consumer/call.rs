//! The bodies of the calls on a consumer, each parsed into domain values in one pass.

use posthorn_application::{PullMessages, Redrive};
use posthorn_domain::{
    Attempt, ConsumerOptions, ConsumerPosition, ConsumerSettings, FailureReason,
    FailureReasonError, InFlightLimit, LeaseBatch, LeaseDuration, MessageId, PullLimit, PullWait,
    RedeliveryDelay,
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::wire::fields::{Fields, list, number, text, whole};
use crate::wire::position::position;
use crate::wire::problem::{ApiError, FieldCode};
use crate::wire::schemas::{IdSchema, PositionSchema, WaitSchema};
use crate::wire::seconds::{schedule, seconds};

/// A consumer to create, or to change. An absent setting gets its default.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ConsumerBody {
    /// Where a new consumer starts: `oldest` (the default), `newest`, a message id (exclusive) or a
    /// time of RFC 3339 (inclusive). Ignored for an existing consumer.
    #[schema(value_type = PositionSchema, required = false)]
    start: Option<String>,
    /// The length of a lease, in seconds with at most three decimals.
    #[schema(minimum = 1, maximum = 43200, default = 30)]
    lease_seconds: Option<f64>,
    /// The number of attempts after which a message is dead.
    #[schema(minimum = 1, maximum = 1000, default = 5)]
    max_attempts: Option<u32>,
    /// The delays before the next attempts, in seconds; the last one repeats.
    #[schema(min_items = 1, max_items = 20, default = json!([0, 5, 30, 300]),
        value_type = Option<Vec<WaitSchema>>)]
    backoff_seconds: Option<Vec<f64>>,
    /// The most leases at once.
    #[schema(minimum = 1, maximum = 10000, default = 1000)]
    max_in_flight: Option<u32>,
}

/// The limits of a pull. An absent limit gets its default.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct PullBody {
    /// The most messages.
    #[schema(minimum = 1, maximum = 200, default = 10)]
    max: Option<u32>,
    /// The longest wait for the first message, in seconds.
    #[schema(minimum = 0, maximum = 20, default = 0)]
    wait_seconds: Option<f64>,
    /// The length of the leases, in seconds; by default the consumer's setting.
    #[schema(minimum = 1, maximum = 43200)]
    lease_seconds: Option<f64>,
}

/// Leases to acknowledge.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct LeasesBody {
    /// The tokens.
    #[schema(min_items = 1, max_items = 200)]
    leases: Vec<String>,
}

/// Leases to reject.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct NackBody {
    /// The tokens.
    #[schema(min_items = 1, max_items = 200)]
    leases: Vec<String>,
    /// The delay before the next attempt, in seconds; by default the consumer's backoff.
    #[schema(minimum = 0, maximum = 86400)]
    delay_seconds: Option<f64>,
    /// Why the attempt failed; no control characters.
    #[schema(max_length = 256, pattern = r"^[^\u0000-\u001F\u007F-\u009F]*$")]
    reason: Option<String>,
}

/// Leases to extend.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ExtendBody {
    /// The tokens.
    #[schema(min_items = 1, max_items = 200)]
    leases: Vec<String>,
    /// The length of the leases from now, in seconds; by default the consumer's setting.
    #[schema(minimum = 1, maximum = 43200)]
    lease_seconds: Option<f64>,
}

/// The new position of a consumer.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct SeekBody {
    /// `oldest`, `newest`, a message id (exclusive) or a time of RFC 3339 (inclusive).
    #[schema(value_type = PositionSchema)]
    to: String,
}

/// Dead letters to return to waiting.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct RedriveBody {
    /// Their ids; by default the 200 smallest ids of those that can be read.
    #[schema(min_items = 1, max_items = 200, value_type = Option<Vec<IdSchema>>)]
    ids: Option<Vec<String>>,
}

impl ConsumerBody {
    /// The settings and the position of a new consumer.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(ConsumerSettings, ConsumerPosition), ApiError> {
        let known = [
            "start",
            "lease_seconds",
            "max_attempts",
            "backoff_seconds",
            "max_in_flight",
        ];
        let mut fields = Fields::parse(bytes, &known)?;
        let start = fields.take("start", position).unwrap_or_default();
        let lease = fields.take("lease_seconds", lease).unwrap_or_default();
        let most = usize::from(Attempt::MAX.get());
        let max_attempts = fields.take("max_attempts", whole(1, most));
        let backoff = schedule(&mut fields, "backoff_seconds").unwrap_or_default();
        let most = usize::from(InFlightLimit::MAX.get());
        let max_in_flight = fields.take("max_in_flight", whole(1, most));
        fields.finish()?;
        // The values are within their limits; the domain has the defaults of the absent ones.
        let options = ConsumerOptions {
            max_attempts,
            max_in_flight,
            ..ConsumerOptions::default()
        };
        let settings = ConsumerSettings::parse(&options).unwrap_or_default();
        let settings = ConsumerSettings {
            lease,
            backoff,
            ..settings
        };
        Ok((settings, start))
    }
}

impl PullBody {
    /// The request of the pull.
    pub(crate) fn parse(bytes: &[u8]) -> Result<PullMessages, ApiError> {
        let mut fields = Fields::parse(bytes, &["max", "wait_seconds", "lease_seconds"])?;
        let most = PullLimit::MAX.get();
        let limit = fields.take("max", |value| {
            let limit = whole(1, most)(value)?;
            PullLimit::parse(limit).map_err(|_| FieldCode::Range { min: 1, max: most })
        });
        let wait = fields.take("wait_seconds", |value| {
            PullWait::parse(number(value)?).map_err(seconds)
        });
        let lease = fields.take("lease_seconds", lease);
        fields.finish()?;
        Ok(PullMessages {
            limit: limit.unwrap_or_default(),
            wait: wait.unwrap_or_default(),
            lease,
        })
    }
}

impl LeasesBody {
    /// The leases to acknowledge.
    pub(crate) fn parse(bytes: &[u8]) -> Result<LeaseBatch, ApiError> {
        let mut fields = Fields::parse(bytes, &["leases"])?;
        let batch = fields.require("leases", leases);
        fields.complete(batch)
    }
}

impl NackBody {
    /// The leases to reject, the delay and the reason.
    pub(crate) fn parse(
        bytes: &[u8],
    ) -> Result<(LeaseBatch, Option<RedeliveryDelay>, Option<FailureReason>), ApiError> {
        let mut fields = Fields::parse(bytes, &["leases", "delay_seconds", "reason"])?;
        let batch = fields.require("leases", leases);
        let delay = fields.take("delay_seconds", |value| {
            RedeliveryDelay::parse(number(value)?).map_err(seconds)
        });
        let reason = fields.take("reason", |value| {
            FailureReason::parse(&text(value)?).map_err(|error| match error {
                FailureReasonError::Length => FieldCode::Length {
                    min: 0,
                    max: FailureReason::MAX_LENGTH,
                },
                FailureReasonError::ControlCharacter(_) => FieldCode::AnyControlCharacter,
            })
        });
        Ok((fields.complete(batch)?, delay, reason))
    }
}

impl ExtendBody {
    /// The leases to extend, and for how long.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(LeaseBatch, Option<LeaseDuration>), ApiError> {
        let mut fields = Fields::parse(bytes, &["leases", "lease_seconds"])?;
        let batch = fields.require("leases", leases);
        let lease = fields.take("lease_seconds", lease);
        Ok((fields.complete(batch)?, lease))
    }
}

impl SeekBody {
    /// The position.
    pub(crate) fn parse(bytes: &[u8]) -> Result<ConsumerPosition, ApiError> {
        let mut fields = Fields::parse(bytes, &["to"])?;
        let to = fields.require("to", position);
        fields.complete(to)
    }
}

impl RedriveBody {
    /// The dead letters, and each id with its text in the body. Any ULID is an id; one that no store gives is of no
    /// dead letter.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Redrive, Vec<(MessageId, String)>), ApiError> {
        let mut fields = Fields::parse(bytes, &["ids"])?;
        let id = |value| {
            let text = text(value)?;
            let id = MessageId::parse_position(&text).map_err(|_| FieldCode::MessageId)?;
            Ok((id, text))
        };
        let max = Redrive::MAX;
        let redrive = fields.take("ids", |value| {
            let sent = list(max, id)(value)?;
            let ids = sent.iter().map(|(id, _)| *id).collect();
            let redrive = Redrive::ids(ids).map_err(|_| FieldCode::Entries { max })?;
            Ok((redrive, sent))
        });
        fields.finish()?;
        Ok(redrive.unwrap_or((Redrive::All, Vec::new())))
    }
}

fn leases(value: Value) -> Result<LeaseBatch, FieldCode> {
    let max = LeaseBatch::MAX_LENGTH;
    let texts = list(max, text)(value)?;
    LeaseBatch::parse(texts).map_err(|_| FieldCode::Entries { max })
}

fn lease(value: Value) -> Result<LeaseDuration, FieldCode> {
    LeaseDuration::parse(number(value)?).map_err(seconds)
}
