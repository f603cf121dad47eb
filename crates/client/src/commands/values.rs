//! The parsers of values on the command line. An error says what is allowed; clap adds the value and the
//! name of the option.
//!
//! A parser rejects only what no server accepts: what depends on the server's settings or its clock is
//! left to the server.

mod time;

use std::time::Duration;

use posthorn_domain::{Attributes, DeliveryRate, DeliveryRateError, MessageId, SecondsError};

use crate::seconds::seconds;

/// The longest time for which a replaced secret of a webhook still signs.
const MAX_GRACE_SECONDS: u32 = 604_800;

/// A parser of whole numbers from `min` to `max`.
pub fn number_between<T: TryFrom<u64>>(
    min: u64,
    max: u64,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok();
        let number = number.filter(|number| (min..=max).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| format!("a number from {min} to {max}"))
    }
}

/// Parses a duration of any length.
pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text).map_err(|_| "a duration such as 500ms, 90s or 1h30m")
}

/// A parser of durations within the limits of `parse`, which gets seconds.
pub(super) fn duration_as<T>(
    parse: fn(f64) -> Result<T, SecondsError>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: 'static,
{
    move |text| {
        let duration = humantime::parse_duration(text).ok();
        let is_whole = |duration: &Duration| duration.subsec_nanos().is_multiple_of(1_000_000);
        // NaN is outside all limits.
        let seconds = duration.filter(is_whole).map_or(f64::NAN, seconds);
        parse(seconds).map_err(|SecondsError { min, max }| {
            let (min, max) = (in_largest_unit(min), in_largest_unit(max));
            format!("a duration from {min} to {max} in whole milliseconds")
        })
    }
}

/// A number of seconds as a limit is written, such as `12h`.
fn in_largest_unit(seconds: u32) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let unit = units
        .into_iter()
        .find(|(length, _)| seconds >= *length && seconds.is_multiple_of(*length));
    let (length, name) = unit.unwrap_or((1, "s"));
    format!("{}{name}", seconds / length)
}

/// The limits of the time for which a replaced secret still signs, in seconds.
pub(super) fn grace_seconds(seconds: f64) -> Result<f64, SecondsError> {
    let max = MAX_GRACE_SECONDS;
    let is_within = (0.0..=f64::from(max)).contains(&seconds);
    is_within
        .then_some(seconds)
        .ok_or(SecondsError { min: 0, max })
}

/// Parses the most attempts of a webhook in a second.
pub(super) fn rate(text: &str) -> Result<f64, DeliveryRateError> {
    let rate = text.parse().map_err(|_| DeliveryRateError)?;
    DeliveryRate::parse(rate).map(|_| rate)
}

/// Parses the position of a consumer.
pub(super) fn position(text: &str) -> Result<String, &'static str> {
    if matches!(text, "oldest" | "newest") || is_id_or_time(text) {
        return Ok(text.to_owned());
    }
    Err("`oldest`, `newest`, a message id, or a time with its zone such as 2026-11-29T15:00:00Z")
}

/// Parses one end of a range of messages.
pub(super) fn id_or_time(text: &str) -> Result<String, &'static str> {
    if is_id_or_time(text) {
        return Ok(text.to_owned());
    }
    Err("a message id, or a time with its zone such as 2026-11-29T15:00:00Z")
}

/// Parses a time or a duration back from now, which is that of the server.
pub(super) fn since(text: &str) -> Result<String, &'static str> {
    if time::is_duration_back(text) || time::is_rfc3339(text) {
        return Ok(text.to_owned());
    }
    Err(
        "a time with its zone such as 2026-11-29T15:00:00Z, or a duration back: a number and `s`, `m`, \
         `h` or `d`, such as 15m",
    )
}

fn is_id_or_time(text: &str) -> bool {
    MessageId::parse_position(text).is_ok() || time::is_rfc3339(text)
}

/// Parses the condition of `If-Match`: entity tags, separated by commas, or `*`.
pub(super) fn entity_tags(text: &str) -> Result<String, &'static str> {
    let is_quoted = |tag: &str| tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"');
    let is_tag = |tag: &str| tag == "*" || is_quoted(tag.strip_prefix("W/").unwrap_or(tag));
    let is_visible = text.chars().all(|character| matches!(character, ' '..='~'));
    if is_visible && text.split(',').all(|tag| is_tag(tag.trim())) {
        return Ok(text.to_owned());
    }
    Err("an entity tag as `get` prints it, with its double quotes, such as '\"0a1b\"'")
}

/// Parses an attribute of a message.
pub(super) fn attribute(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("an attribute is written KEY=VALUE")?;
    Attributes::parse([(key, value)]).map_err(|error| error.to_string())?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use posthorn_domain::{LeaseDuration, PullWait};

    use super::*;

    #[test]
    fn numbers_have_limits() {
        let parse = number_between::<u8>(1, 200);
        assert_eq!(parse("1"), Ok(1));
        assert_eq!(parse("200"), Ok(200));
        for text in ["0", "201", "-1", "1.5", "x", "", "99999999999999999999999"] {
            assert_eq!(
                parse(text),
                Err("a number from 1 to 200".to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn durations_have_limits_and_are_exact() {
        let parse = duration_as(LeaseDuration::parse);
        let millis = |text| parse(text).map(LeaseDuration::as_millis);
        assert_eq!(millis("1s"), Ok(1_000));
        assert_eq!(millis("4s 35ms"), Ok(4_035));
        assert_eq!(millis("12h"), Ok(43_200_000));
        let expected = "a duration from 1s to 12h in whole milliseconds";
        for text in ["999ms", "12h 1ms", "1s 1us", "30", "x", "", "1000years"] {
            assert_eq!(millis(text), Err(expected.to_owned()), "{text}");
        }
        for millis in 0..=20_000 {
            let text = format!("{millis}ms");
            assert!(duration_as(PullWait::parse)(&text).is_ok(), "{text}");
        }
        assert_eq!(duration_as(grace_seconds)("7d"), Ok(604_800.0));
        assert!(
            duration_as(grace_seconds)("8d")
                .unwrap_err()
                .contains("0s to 7d ")
        );
    }

    #[test]
    fn positions_are_words_ids_or_times() {
        let (id, moment) = ("01KATQ2J00000000000000001F", "2026-11-29T15:00:00Z");
        for text in [id, &id.to_lowercase(), moment] {
            assert!(position(text).is_ok(), "{text}");
            assert!(id_or_time(text).is_ok(), "{text}");
        }
        assert!(position("oldest").is_ok() && position("newest").is_ok());
        for text in ["Oldest", "15m", "zzz", "", "2026-11-29"] {
            assert!(position(text).is_err(), "{text}");
            assert!(id_or_time(text).is_err(), "{text}");
        }
        assert!(id_or_time("oldest").is_err());
        assert!(since("15m").is_ok() && since(moment).is_ok());
        assert!(since(id).is_err());
    }

    #[test]
    fn entity_tags_have_quotes() {
        for text in ["\"a\"", "*", "\"a\", W/\"b\"", "\"\""] {
            assert!(entity_tags(text).is_ok(), "{text}");
        }
        for text in ["a", "\"", "", "\"a\",", "\"a\nb\"", "\"я\""] {
            assert!(entity_tags(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_and_attributes_follow_the_rules_of_the_domain() {
        assert_eq!(rate("2.5"), Ok(2.5));
        for text in ["0", "-1", "NaN", "inf", "x", "10001"] {
            assert_eq!(rate(text), Err(DeliveryRateError), "{text}");
        }
        assert_eq!(attribute("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        for text in ["a", "=b", "A=b", "a=\u{1}"] {
            assert!(attribute(text).is_err(), "{text}");
        }
    }
}
