//! From the text of a setting to its value. Errors say what is wrong with the text.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// A text that is not empty once trimmed.
pub(super) fn text(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty".to_owned()),
        trimmed => Ok(trimmed.to_owned()),
    }
}

/// A whole number within `range`.
pub(super) fn number<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    move |text| {
        let number = text
            .trim()
            .parse::<T>()
            .map_err(|_| format!("`{text}` is not such a number"))?;
        if range.contains(&number) {
            Ok(number)
        } else {
            Err(format!(
                "{number} is not between {} and {}",
                range.start(),
                range.end()
            ))
        }
    }
}

/// `true` or `false`, also as 1 and 0, yes and no, on and off.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text.trim().to_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("`{text}` is neither")),
    }
}

/// A duration of at most ten years; a bare `0` is a duration too.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const MAX: Duration = Duration::from_hours(24 * 3653);
    match text.trim() {
        "0" => Ok(Duration::ZERO),
        trimmed => {
            let duration = humantime::parse_duration(trimmed)
                .map_err(|error| format!("`{text}` is not a duration ({error})"))?;
            if duration <= MAX {
                Ok(duration)
            } else {
                Err("it is over ten years".to_owned())
            }
        }
    }
}

/// A duration longer than zero.
pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration.is_zero() {
        Err("it is zero".to_owned())
    } else {
        Ok(duration)
    }
}

/// One of `choices`, by its name.
pub(super) fn one_of<T: Copy>(choices: &[(&str, T)], text: &str) -> Result<T, String> {
    choices
        .iter()
        .find(|(name, _)| *name == text.trim())
        .map(|(_, choice)| *choice)
        .ok_or_else(|| format!("`{text}` is none of them"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_their_range() {
        assert_eq!(number(1..=10_u16)(" 7 "), Ok(7));
        assert!(number(1..=10_u16)("0").is_err());
        assert!(number(1..=10_u16)("-1").is_err());
        assert!(number(1..=10_u16)("ten").is_err());
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("7d"), Ok(Duration::from_hours(7 * 24)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert!(duration("10").is_err());
        assert!(duration("-1s").is_err());
        assert!(duration("99999y").is_err());
        assert!(positive_duration("0s").is_err());
    }

    #[test]
    fn booleans_take_the_usual_words() {
        assert_eq!(boolean("True"), Ok(true));
        assert_eq!(boolean("off"), Ok(false));
        assert!(boolean("maybe").is_err());
    }
}
