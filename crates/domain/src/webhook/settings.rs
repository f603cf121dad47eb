//! The settings of a webhook.

use super::limits::{
    AttemptTimeout, DeliveryConcurrency, DeliveryConcurrencyError, DeliveryRate, DeliveryRateError,
};
use super::url::{UrlSchemes, WebhookUrl, WebhookUrlError};
use crate::backoff_schedule::{BackoffSchedule, BackoffScheduleError};
use crate::consumer::{ConsumerSettings, InFlightLimit};
use crate::lease::{Attempt, LeaseDuration};
use crate::seconds::SecondsError;

/// How a webhook delivers messages. Its secret and header fields are in
/// [`super::WebhookPrivate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Where the messages go.
    pub url: WebhookUrl,
    /// The waits before attempts 2, 3, …: `n` waits, `n + 1` attempts. By default
    /// [`WebhookSettings::DEFAULT_SCHEDULE_MILLIS`].
    pub schedule: BackoffSchedule,
    /// How long an attempt may take. 15 seconds by default.
    pub timeout: AttemptTimeout,
    /// The most attempts at one moment. 10 by default.
    pub max_in_flight: DeliveryConcurrency,
    /// The most attempts in a second, in one process; `None` by default: no limit.
    pub rate: Option<DeliveryRate>,
    /// The form of the requests.
    pub format: WebhookFormat,
}

/// The form of a webhook's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WebhookFormat {
    /// The payload of Standard Webhooks.
    #[default]
    Standard,
    /// `CloudEvents` 1.0 in binary mode.
    CloudEvents,
}

/// A name is not that of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`standard` or `cloudevents`")]
pub struct WebhookFormatError;

/// The settings of a webhook as a client wrote them; what is absent gets its default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebhookOptions {
    /// See [`WebhookSettings::url`]; required.
    pub url: Option<String>,
    /// See [`WebhookSettings::schedule`]; seconds.
    pub schedule_seconds: Option<Vec<f64>>,
    /// See [`WebhookSettings::timeout`]; seconds.
    pub timeout_seconds: Option<f64>,
    /// See [`WebhookSettings::max_in_flight`].
    pub max_in_flight: Option<u64>,
    /// See [`WebhookSettings::rate`].
    pub rate_per_second: Option<f64>,
    /// See [`WebhookFormat::as_str`].
    pub format: Option<String>,
}

/// Which setting is out of its limits, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookSettingsError {
    /// `url`.
    #[error(transparent)]
    Url(#[from] WebhookUrlError),
    /// `schedule_seconds`.
    #[error(transparent)]
    Schedule(#[from] BackoffScheduleError),
    /// `timeout_seconds`.
    #[error(transparent)]
    Timeout(#[from] SecondsError),
    /// `max_in_flight`.
    #[error(transparent)]
    MaxInFlight(#[from] DeliveryConcurrencyError),
    /// `rate_per_second`.
    #[error(transparent)]
    Rate(#[from] DeliveryRateError),
    /// `format`.
    #[error(transparent)]
    Format(#[from] WebhookFormatError),
}

impl WebhookSettings {
    /// The default waits between attempts, in milliseconds: 5 seconds to a day, three days in all.
    pub const DEFAULT_SCHEDULE_MILLIS: [u32; 9] = [
        5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000,
        86_400_000,
    ];

    /// How much longer a lease holds than an attempt may take, in milliseconds: the time to settle it.
    const SETTLE_MILLIS: u32 = 15_000;

    /// The settings of a webhook that delivers to `url`, all others at their defaults.
    pub fn new(url: WebhookUrl) -> Self {
        Self {
            url,
            schedule: BackoffSchedule::from_millis(Self::DEFAULT_SCHEDULE_MILLIS)
                .unwrap_or_default(),
            timeout: AttemptTimeout::default(),
            max_in_flight: DeliveryConcurrency::default(),
            rate: None,
            format: WebhookFormat::default(),
        }
    }

    /// The settings of `options`.
    ///
    /// # Errors
    /// Every setting that is out of its limits, in the order of the fields.
    pub fn parse(
        options: &WebhookOptions,
        schemes: UrlSchemes,
    ) -> Result<Self, Vec<WebhookSettingsError>> {
        let mut errors = Errors::default();
        let url = options.url.as_deref().ok_or(WebhookUrlError::Missing);
        let url = errors.keep(url.and_then(|url| WebhookUrl::parse(url, schemes)));
        let schedule = options.schedule_seconds.as_deref();
        let schedule = errors.keep(schedule.map(BackoffSchedule::parse).transpose());
        let timeout = options.timeout_seconds.map(AttemptTimeout::parse);
        let timeout = errors.keep(timeout.transpose());
        let max_in_flight = options.max_in_flight.map(DeliveryConcurrency::new);
        let max_in_flight = errors.keep(max_in_flight.transpose());
        let rate = options.rate_per_second.map(DeliveryRate::parse);
        let rate = errors.keep(rate.transpose());
        let format = options.format.as_deref().map(WebhookFormat::parse);
        let format = errors.keep(format.transpose());
        let (Some(url), true) = (url, errors.0.is_empty()) else {
            return Err(errors.0);
        };
        let default = Self::new(url);
        Ok(Self {
            schedule: schedule.flatten().unwrap_or(default.schedule),
            timeout: timeout.flatten().unwrap_or(default.timeout),
            max_in_flight: max_in_flight.flatten().unwrap_or(default.max_in_flight),
            rate: rate.flatten(),
            format: format.flatten().unwrap_or(default.format),
            url: default.url,
        })
    }

    /// The settings of the consumer that the webhook is.
    pub fn consumer_settings(&self) -> ConsumerSettings {
        let lease = self.timeout.as_millis() + Self::SETTLE_MILLIS;
        let waits = u64::try_from(self.schedule.as_millis().len()).unwrap_or(u64::MAX);
        ConsumerSettings {
            lease: LeaseDuration::from_millis(lease).unwrap_or_default(),
            max_attempts: Attempt::new(waits.saturating_add(1)).unwrap_or(Attempt::MAX),
            backoff: self.schedule.clone(),
            max_in_flight: InFlightLimit::new(self.max_in_flight.get().into()).unwrap_or_default(),
        }
    }
}

/// The errors of a set of options.
#[derive(Default)]
struct Errors(Vec<WebhookSettingsError>);

impl Errors {
    /// The value; `None` after an error, which is added.
    fn keep<T, E: Into<WebhookSettingsError>>(&mut self, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.0.push(error.into())).ok()
    }
}

impl WebhookFormat {
    /// The name in settings and stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::CloudEvents => "cloudevents",
        }
    }

    /// The format of this name.
    pub fn parse(name: &str) -> Result<Self, WebhookFormatError> {
        [Self::Standard, Self::CloudEvents]
            .into_iter()
            .find(|format| format.as_str() == name)
            .ok_or(WebhookFormatError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> WebhookOptions {
        WebhookOptions {
            url: Some(url.to_owned()),
            ..WebhookOptions::default()
        }
    }

    #[test]
    fn absent_options_get_their_defaults() {
        let parsed = WebhookSettings::parse(&options("https://example.com"), UrlSchemes::Https);
        let settings = parsed.unwrap();
        assert_eq!(settings, WebhookSettings::new(settings.url.clone()));
        assert_eq!(
            settings.schedule.as_millis(),
            WebhookSettings::DEFAULT_SCHEDULE_MILLIS
        );
        let consumer = settings.consumer_settings();
        assert_eq!(consumer.lease.as_millis(), 30_000);
        assert_eq!(consumer.max_attempts.get(), 10);
        assert_eq!(consumer.backoff, settings.schedule);
        assert_eq!(consumer.max_in_flight.get(), 10);
    }

    #[test]
    fn every_wrong_option_is_reported() {
        let wrong = WebhookOptions {
            url: None,
            schedule_seconds: Some(vec![]),
            timeout_seconds: Some(60.5),
            max_in_flight: Some(0),
            rate_per_second: Some(0.0),
            format: Some("xml".to_owned()),
        };
        assert_eq!(
            WebhookSettings::parse(&wrong, UrlSchemes::Https),
            Err(vec![
                WebhookUrlError::Missing.into(),
                BackoffScheduleError::Length.into(),
                SecondsError { min: 1, max: 60 }.into(),
                DeliveryConcurrencyError.into(),
                DeliveryRateError.into(),
                WebhookFormatError.into(),
            ])
        );
    }

    #[test]
    fn options_within_their_limits_are_taken() {
        let most = WebhookOptions {
            schedule_seconds: Some(vec![86_400.0; 20]),
            timeout_seconds: Some(60.0),
            max_in_flight: Some(1_000),
            rate_per_second: Some(0.5),
            format: Some("cloudevents".to_owned()),
            ..options("http://localhost")
        };
        let settings = WebhookSettings::parse(&most, UrlSchemes::HttpAndHttps).unwrap();
        assert_eq!(settings.rate.unwrap().as_thousandths(), 500);
        assert_eq!(settings.format, WebhookFormat::CloudEvents);
        let consumer = settings.consumer_settings();
        assert_eq!(consumer.max_attempts.get(), 21);
        assert_eq!(consumer.lease.as_millis(), 75_000);
        assert_eq!(consumer.max_in_flight.get(), 1_000);
    }
}
