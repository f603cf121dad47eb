//! The date after which the unversioned paths may be gone.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use actix_web::http::header::HttpDate;
use jiff::Timestamp;

/// The moment that the header `Sunset` (RFC 8594) names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegacySunset(SystemTime);

/// A text is neither a date nor a time of RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a date such as 2027-12-31 nor a time of RFC 3339")]
pub struct LegacySunsetError(String);

impl LegacySunset {
    /// The value of the header.
    pub(crate) fn http_date(self) -> HttpDate {
        HttpDate::from(self.0)
    }
}

impl FromStr for LegacySunset {
    type Err = LegacySunsetError;

    /// A date stands for its beginning in UTC.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || LegacySunsetError(text.to_owned());
        let parse = |text: &str| text.parse::<Timestamp>().ok();
        let moment = parse(text).or_else(|| parse(&format!("{text}T00:00:00Z")));
        let seconds = moment.and_then(|moment| u64::try_from(moment.as_second()).ok());
        let since_epoch = Duration::from_secs(seconds.ok_or_else(error)?);
        let moment = SystemTime::UNIX_EPOCH.checked_add(since_epoch);
        moment.map(Self).ok_or_else(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sunset_is_a_date_or_a_time() {
        for (text, expected) in [
            ("2027-12-31", Some("Fri, 31 Dec 2027 00:00:00 GMT")),
            (
                "2027-12-31T23:59:59+03:00",
                Some("Fri, 31 Dec 2027 20:59:59 GMT"),
            ),
            ("2027-12-31T23:59:59", None),
            ("soon", None),
            ("", None),
        ] {
            let sunset: Option<LegacySunset> = text.parse().ok();
            let date = sunset.map(|sunset| sunset.http_date().to_string());
            assert_eq!(date.as_deref(), expected, "{text}");
        }
    }
}
