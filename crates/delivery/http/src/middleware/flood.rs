//! The flood guard: the rate of requests that one client may send to this process, on any route. It
//! protects the process and counts alone.

use std::io;
use std::time::Duration;

use actix_governor::governor::NotUntil;
use actix_governor::governor::clock::{Clock, DefaultClock, QuantaInstant};
use actix_governor::governor::middleware::NoOpMiddleware;
use actix_governor::{GovernorConfig, GovernorConfigBuilder, KeyExtractor};
use actix_web::dev::ServiceRequest;
use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder};
use posthorn_domain::Client;
use posthorn_http1::HeaderLines;

use crate::request::context;
use crate::request::path;
use crate::route;
use crate::settings::HttpSettings;
use crate::state::AppState;
use crate::wire::problem::{ApiError, Exceeded};
use crate::wire::rate_limit_fields::{self, Policies, Policy, Usage};

/// The guard's rate with its counters, shared by all workers.
pub(crate) type FloodGuard = GovernorConfig<FloodKeyExtractor, NoOpMiddleware>;

/// The interval at which idle clients are removed.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(1);

/// The name of the guard's limit, as in `RateLimit-Policy`.
const POLICY: &str = "flood";

/// Extracts the key of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FloodKeyExtractor;

/// The configured rate.
#[derive(Clone, Copy, Debug)]
struct Rate {
    per_second: u32,
    burst: u32,
}

/// The key by which requests are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FloodKey {
    /// A client by its address: tokens are not verified yet.
    Client(Client),
    /// A probe, which is never rejected.
    Exempt,
}

/// The highest rate: governor counts in nanoseconds.
const MAX_PER_SECOND: u32 = 1_000_000_000;

/// True if `settings` enable the guard.
pub(crate) fn is_enabled(settings: &HttpSettings) -> bool {
    settings.flood_per_second > 0
}

/// A guard with the rate of `settings`.
pub(crate) fn guard(settings: &HttpSettings) -> io::Result<FloodGuard> {
    let mut builder = GovernorConfigBuilder::default();
    let rate = Rate::of(settings);
    builder.requests_per_second(u64::from(rate.per_second));
    builder.burst_size(rate.burst);
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "the flood guard has no rate");
    builder
        .key_extractor(FloodKeyExtractor)
        .finish()
        .ok_or_else(invalid)
}

/// Removes idle clients at an interval, so that the guard's memory stays bounded; never returns.
pub(crate) async fn remove_idle_clients(guard: FloodGuard) {
    let mut ticks = tokio::time::interval(CLEANUP_INTERVAL);
    loop {
        ticks.tick().await;
        guard.limiter().retain_recent();
    }
}

/// The error of a request that the guard rejected; the client has to wait for `seconds`.
pub(crate) fn error(settings: &HttpSettings, seconds: u64) -> ApiError {
    let Rate { per_second, burst } = Rate::of(settings);
    ApiError::rate_limited(Exceeded {
        violated: vec![POLICY.to_owned()],
        policy: POLICY.to_owned(),
        limit: format!("{per_second} per second, {burst} at once"),
        seconds,
    })
}

/// Adds the header fields that describe the guard's limit.
pub(crate) fn push_fields(lines: &HeaderLines, state: &AppState, seconds: u64) {
    let Rate { per_second, burst } = Rate::of(&state.settings);
    let policy = Policy {
        name: POLICY.to_owned(),
        quota: burst,
        // The time after which the whole burst is available again.
        window: burst.div_ceil(per_second),
    };
    let usage = Usage {
        remaining: 0,
        reset: Duration::from_secs(seconds),
    };
    let now = state.services.clock.now();
    let policies = Policies::new(&[policy]);
    rate_limit_fields::push(lines, &policies, std::iter::once(usage), 0, now);
}

impl Rate {
    fn of(settings: &HttpSettings) -> Self {
        Self {
            per_second: settings.flood_per_second.clamp(1, MAX_PER_SECOND),
            burst: settings.flood_burst.max(1),
        }
    }
}

impl KeyExtractor for FloodKeyExtractor {
    type Key = FloodKey;
    type KeyExtractionError = ApiError;

    fn extract(&self, request: &ServiceRequest) -> Result<Self::Key, Self::KeyExtractionError> {
        if route::is_probe_path(path::routed_path(request.request())) {
            return Ok(FloodKey::Exempt);
        }
        let address = context::of(request.request()).client;
        Ok(FloodKey::Client(Client::at(address)))
    }

    fn exceed_rate_limit_response(
        &self,
        negative: &NotUntil<QuantaInstant>,
        _response: HttpResponseBuilder,
    ) -> HttpResponse {
        let wait = negative.wait_time_from(DefaultClock::default().now());
        // Rounded up, so that a client that waits is not too early. actix-governor keeps the status and
        // the headers of this response, not an error: the outermost middleware writes the problem
        // document and the fields of the limit.
        HttpResponse::TooManyRequests()
            .insert_header((header::RETRY_AFTER, wait.as_secs() + 1))
            .finish()
    }

    fn whitelisted_keys(&self) -> Vec<Self::Key> {
        vec![FloodKey::Exempt]
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use posthorn_testkit::eventually;

    use super::*;

    #[test]
    fn the_guard_is_disabled_unless_it_has_a_rate() {
        let mut settings = HttpSettings::defaults().unwrap();
        for rate in [0, 1, u32::MAX] {
            (settings.flood_per_second, settings.flood_burst) = (rate, 0);
            assert!(guard(&settings).is_ok());
            assert_eq!(is_enabled(&settings), rate > 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn idle_clients_are_removed() {
        let mut settings = HttpSettings::defaults().unwrap();
        // The burst is available again after a microsecond of governor's own clock.
        (settings.flood_per_second, settings.flood_burst) = (1_000_000, 1);
        let guard = guard(&settings).unwrap();
        let limiter = guard.limiter();
        tokio::spawn(remove_idle_clients(guard));
        for round in 0..3 {
            for number in 0..1000 {
                let address = Ipv4Addr::from_bits(1000 * round + number);
                let client = Client::at(address.into());
                assert!(limiter.check_key(&FloodKey::Client(client)).is_ok());
            }
            assert_eq!(limiter.len(), 1000);
            eventually(Duration::from_secs(10), async || limiter.is_empty()).await;
        }
    }
}
