//! Schemas of texts and numbers that several bodies have, for the OpenAPI document only.

use utoipa::ToSchema;

/// A message id: a ULID, in either case.
#[derive(ToSchema)]
#[schema(as = MessageId, pattern = "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct IdSchema(String);

/// `oldest`, `newest`, a message id, or a time of RFC 3339.
#[derive(ToSchema)]
#[schema(as = Position, pattern = r"^(oldest|newest|[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}|[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))$")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct PositionSchema(String);

/// A message id, or a time of RFC 3339.
#[derive(ToSchema)]
#[schema(as = IdOrTime, pattern = r"^([0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}|[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))$")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct IdOrTimeSchema(String);

/// A wait before an attempt, in seconds with at most three decimals.
#[derive(ToSchema)]
#[schema(as = Wait, minimum = 0, maximum = 86400)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct WaitSchema(f64);
