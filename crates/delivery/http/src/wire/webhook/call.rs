//! The bodies of the calls on a webhook, each parsed into domain values in one pass.

use std::collections::BTreeMap;
use std::time::Duration;

use posthorn_application::{Precondition, Replay, ReplayBound, WebhookChange};
use posthorn_domain::{
    AddressPolicy, AttemptTimeout, DeliveryConcurrency, DeliveryRate, MessageId, UrlSchemes,
    WebhookFormat, WebhookHeaders, WebhookHeadersError, WebhookSecret, WebhookSettings, WebhookUrl,
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::wire::fields::{Fields, number, text, whole};
use crate::wire::position::position;
use crate::wire::problem::{ApiError, FieldCode, FieldProblem, HeaderRule};
use crate::wire::schemas::{IdOrTimeSchema, PositionSchema, WaitSchema};
use crate::wire::seconds::{schedule, seconds};
use crate::wire::time::parse_rfc3339;

/// A webhook to create, or to change; what is absent gets its default, but the secret stays.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct WebhookBody {
    /// Where the messages go: an absolute `http` or `https` URL, in production `https`, without user,
    /// password and fragment.
    #[schema(
        max_length = 2048,
        format = "uri",
        example = "https://example.com/hook"
    )]
    url: String,
    /// The secret that signs the requests: `whsec_` and the base64 of 24 to 64 bytes. When absent, a
    /// new webhook gets one, and that of an existing one stays.
    #[schema(
        pattern = "^whsec_[A-Za-z0-9+/]{32,88}={0,2}$",
        example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    )]
    secret: Option<String>,
    /// Where a new webhook starts: `oldest` (the default), `newest`, a message id (exclusive) or a
    /// time of RFC 3339 (inclusive). It counts at creation only.
    #[schema(value_type = PositionSchema, required = false)]
    start: Option<String>,
    /// The waits before attempts 2, 3, …, in seconds: with n waits there are n + 1 attempts.
    #[schema(min_items = 1, max_items = 20,
        default = json!([5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]),
        value_type = Option<Vec<WaitSchema>>)]
    schedule_seconds: Option<Vec<f64>>,
    /// How long an attempt may take, in seconds with at most three decimals.
    #[schema(minimum = 1, maximum = 60, default = 15)]
    timeout_seconds: Option<f64>,
    /// The most attempts at once, over all processes.
    #[schema(minimum = 1, maximum = 1000, default = 10)]
    max_in_flight: Option<u32>,
    /// The most attempts in a second, in each process; no limit when absent or `null`.
    #[schema(minimum = 0.001, maximum = 10000)]
    rate_per_second: Option<f64>,
    /// The form of the requests: Standard Webhooks, or CloudEvents in binary mode.
    #[schema(pattern = "^(standard|cloudevents)$", default = "standard")]
    format: Option<String>,
    /// Headers of the requests, such as `Authorization`; at most 16. Not `Host`, `Content-*`,
    /// `webhook-*`, `ce-*` or those of the connection.
    headers: Option<BTreeMap<String, String>>,
}

/// How a secret is replaced.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct RotateBody {
    /// How long the old secret signs too, in seconds; 0 drops it at once.
    #[schema(minimum = 0, maximum = 604_800, default = 86400)]
    grace_seconds: Option<f64>,
}

/// The settled messages to send again.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ReplayBody {
    /// The first one: a message id or a time of RFC 3339, included.
    #[schema(value_type = IdOrTimeSchema)]
    from: String,
    /// The last one: a message id or a time of RFC 3339, included; now when absent.
    #[schema(value_type = IdOrTimeSchema, required = false)]
    to: Option<String>,
}

/// The rules of this server for the URLs of webhooks.
#[derive(Clone, Debug)]
pub(crate) struct UrlRules {
    /// The schemes that it allows.
    pub(crate) schemes: UrlSchemes,
    /// The addresses that it allows.
    pub(crate) addresses: AddressPolicy,
}

impl WebhookBody {
    /// The change to make.
    pub(crate) fn parse(
        bytes: &[u8],
        rules: &UrlRules,
        precondition: Precondition,
    ) -> Result<WebhookChange, ApiError> {
        let known = [
            "url",
            "secret",
            "start",
            "schedule_seconds",
            "timeout_seconds",
            "max_in_flight",
            "rate_per_second",
            "format",
            "headers",
        ];
        let mut fields = Fields::parse(bytes, &known)?;
        let url = fields.require("url", |value| rules.url(&text(value)?));
        let secret = fields.take("secret", secret);
        let start = fields.take("start", position);
        let schedule = schedule(&mut fields, "schedule_seconds");
        let timeout = fields.take("timeout_seconds", |value| {
            AttemptTimeout::parse(number(value)?).map_err(seconds)
        });
        let max_in_flight = fields.take("max_in_flight", max_in_flight);
        let rate = fields.take_nullable("rate_per_second", rate);
        let format = fields.take("format", format);
        let headers = headers(&mut fields);
        let url = fields.complete(url)?;
        let default = WebhookSettings::new(url);
        Ok(WebhookChange {
            settings: WebhookSettings {
                schedule: schedule.unwrap_or(default.schedule),
                timeout: timeout.unwrap_or(default.timeout),
                max_in_flight: max_in_flight.unwrap_or(default.max_in_flight),
                rate,
                format: format.unwrap_or(default.format),
                url: default.url,
            },
            headers: headers.unwrap_or_default(),
            secret,
            start: start.unwrap_or_default(),
            precondition,
        })
    }
}

impl RotateBody {
    /// The longest grace, in seconds: a week.
    const MAX_SECONDS: u32 = 604_800;
    /// The grace when absent.
    const DEFAULT: Duration = Duration::from_hours(24);

    /// The grace.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Duration, ApiError> {
        let mut fields = Fields::parse(bytes, &["grace_seconds"])?;
        let grace = fields.take("grace_seconds", |value| {
            let seconds = number(value)?;
            // To the nearest millisecond: 1.001 has no exact binary form.
            let millis = (seconds * 1_000.0).round();
            let is_exact = (seconds * 1_000.0 - millis).abs() < 1e-6;
            let max = f64::from(Self::MAX_SECONDS) * 1_000.0;
            if !is_exact || !(0.0..=max).contains(&millis) {
                return Err(FieldCode::Seconds {
                    min: 0,
                    max: Self::MAX_SECONDS,
                });
            }
            Ok(Duration::from_secs_f64(millis / 1_000.0))
        });
        fields.finish()?;
        Ok(grace.unwrap_or(Self::DEFAULT))
    }
}

impl ReplayBody {
    /// The range.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Replay, ApiError> {
        let mut fields = Fields::parse(bytes, &["from", "to"])?;
        let from = fields.require("from", bound);
        let to = fields.take("to", bound);
        let from = fields.complete(from)?;
        let millis = |bound| match bound {
            ReplayBound::Id(id) => MessageId::timestamp(id).as_millis(),
            ReplayBound::Time(time) => time.as_millis(),
        };
        if to.is_some_and(|to| millis(to) < millis(from)) {
            return Err(ApiError::validation(vec![FieldProblem::member(
                &["to"],
                FieldCode::Backwards,
            )]));
        }
        Ok(Replay { from, to })
    }
}

impl UrlRules {
    /// The rules of a server in this environment that allows these addresses.
    pub(crate) const fn new(is_production: bool, addresses: AddressPolicy) -> Self {
        Self {
            schemes: if is_production {
                UrlSchemes::Https
            } else {
                UrlSchemes::HttpAndHttps
            },
            addresses,
        }
    }

    /// The URL that `text` is. An address in it is checked here; a name at each attempt.
    fn url(&self, text: &str) -> Result<WebhookUrl, FieldCode> {
        let url = WebhookUrl::parse(text, self.schemes).map_err(FieldCode::WebhookUrl)?;
        url.check_reachable().map_err(FieldCode::WebhookUrl)?;
        if let Some(address) = url.address() {
            let checked = self.addresses.check(address);
            checked.map_err(FieldCode::ForbiddenAddress)?;
        }
        Ok(url)
    }
}

fn secret(value: Value) -> Result<WebhookSecret, FieldCode> {
    WebhookSecret::parse(&text(value)?).map_err(|_| FieldCode::WebhookSecret)
}

fn max_in_flight(value: Value) -> Result<DeliveryConcurrency, FieldCode> {
    let max = usize::from(DeliveryConcurrency::MAX.get());
    DeliveryConcurrency::new(whole(1, max)(value)?).map_err(|_| FieldCode::Range { min: 1, max })
}

fn rate(value: Value) -> Result<DeliveryRate, FieldCode> {
    DeliveryRate::parse(number(value)?).map_err(|_| FieldCode::Rate {
        max: DeliveryRate::MAX_PER_SECOND,
    })
}

fn format(value: Value) -> Result<WebhookFormat, FieldCode> {
    WebhookFormat::parse(&text(value)?).map_err(|_| FieldCode::Choice("standard, cloudevents"))
}

/// Takes the headers; each mistake is named by its header.
fn headers(fields: &mut Fields) -> Option<WebhookHeaders> {
    let members = fields.take("headers", |value| match value {
        Value::Object(members) => Ok(members),
        _ => Err(FieldCode::NotAnObject),
    })?;
    let mut texts = Vec::new();
    for (name, value) in members {
        match text(value) {
            Ok(value) => texts.push((name, value)),
            Err(code) => fields.push_at(&["headers", &name], code),
        }
    }
    let errors = match WebhookHeaders::parse(texts.iter().map(|(name, value)| (name, value))) {
        Ok(headers) => return Some(headers),
        Err(errors) => errors,
    };
    for error in errors {
        let (name, code) = header_problem(error);
        // The domain names a header in lower case; the client finds it as it was sent.
        let mut sent = texts.iter().map(|(sent, _)| sent);
        match name {
            Some(name) => {
                let sent = sent.find(|sent| sent.eq_ignore_ascii_case(&name));
                fields.push_at(&["headers", sent.unwrap_or(&name)], code);
            }
            None => fields.push("headers", code),
        }
    }
    None
}

/// The header of an error, if it is of one, and the rule that is broken.
fn header_problem(error: WebhookHeadersError) -> (Option<String>, FieldCode) {
    let max = WebhookHeaders::MAX;
    match error {
        WebhookHeadersError::Number => (None, FieldCode::TooMany { max }),
        WebhookHeadersError::Name(name) => (Some(name), FieldCode::Header(HeaderRule::Name)),
        WebhookHeadersError::Forbidden(name) => (Some(name), FieldCode::Header(HeaderRule::Owned)),
        WebhookHeadersError::Repeated(name) => (Some(name), FieldCode::Duplicate),
        WebhookHeadersError::Value(name) => (Some(name), FieldCode::Header(HeaderRule::Value)),
    }
}

fn bound(value: Value) -> Result<ReplayBound, FieldCode> {
    let text = text(value)?;
    let id = MessageId::parse_position(&text).ok();
    let time = || parse_rfc3339(&text).map(ReplayBound::Time);
    id.map(ReplayBound::Id)
        .or_else(time)
        .ok_or(FieldCode::IdOrTime)
}

#[cfg(test)]
mod tests;
