//! Settings that are written as text: values that implement `FromStr`, and durations.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// The longest duration of a setting.
const MAX_DURATION: Duration = Duration::from_hours(24 * 3653);

/// A duration such as `10s`, of at most ten years; a bare `0` is a duration too. For
/// `#[serde(with = "…")]` on a field of the type [`Duration`].
#[derive(Debug)]
pub struct DurationText;

/// A [`DurationText`] longer than zero.
#[derive(Debug)]
pub struct PositiveDurationText;

/// Deserialises a value from its text; for `#[serde(deserialize_with = "…")]`.
///
/// # Errors
/// The text is not such a value.
pub fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text = String::deserialize(deserializer)?;
    text.trim().parse().map_err(D::Error::custom)
}

/// Deserialises an optional value from its text; for `#[serde(default, deserialize_with = "…")]`.
///
/// # Errors
/// The text is not such a value.
pub fn parsed_option<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    parsed(deserializer).map(Some)
}

impl DurationText {
    /// Deserialises the duration.
    ///
    /// # Errors
    /// The text is not a duration, or it is too long.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        duration(&text).map_err(D::Error::custom)
    }
}

impl PositiveDurationText {
    /// Deserialises the duration.
    ///
    /// # Errors
    /// The text is not a duration, it is zero or it is too long.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let duration = DurationText::deserialize(deserializer)?;
        if duration.is_zero() {
            return Err(D::Error::custom("it is zero"));
        }
        Ok(duration)
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let trimmed = text.trim();
    if trimmed == "0" {
        return Ok(Duration::ZERO);
    }
    let duration = humantime::parse_duration(trimmed)
        .map_err(|error| format!("`{text}` is not a duration ({error})"))?;
    if duration > MAX_DURATION {
        return Err("it is over ten years".to_owned());
    }
    Ok(duration)
}

impl JsonSchema for DurationText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "x-takes": "a duration such as `500ms`, `10s`, `5m`, `24h`, `7d`"
        })
    }
}

impl JsonSchema for PositiveDurationText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PositiveDuration".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        DurationText::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("7d"), Ok(Duration::from_hours(7 * 24)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert!(duration("10").is_err());
        assert!(duration("-1s").is_err());
        assert!(duration("99999y").is_err());
        let zero: StrDeserializer<'_, Error> = "0s".into_deserializer();
        assert!(PositiveDurationText::deserialize(zero).is_err());
    }
}
