//! The flood guard: how many requests a second one client may make to this process, whatever the
//! route. It protects the process; it knows nothing of other processes.

use std::io;
use std::time::Duration;

use actix_governor::governor::NotUntil;
use actix_governor::governor::clock::{Clock, DefaultClock, QuantaInstant};
use actix_governor::governor::middleware::NoOpMiddleware;
use actix_governor::{GovernorConfig, GovernorConfigBuilder, KeyExtractor};
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpResponse, HttpResponseBuilder};
use posthorn_domain::Client;

use crate::request::context;
use crate::request::path;
use crate::route;
use crate::settings::HttpSettings;
use crate::state::State;
use crate::wire::problem::{ApiError, Exceeded};
use crate::wire::rate_limit_fields::{self, Policies, Policy, Use};

/// The rule of the guard, with what it counted.
pub(crate) type FloodGuard = GovernorConfig<FloodKey, NoOpMiddleware>;

/// How often clients that have been quiet are forgotten.
const FORGET_INTERVAL: Duration = Duration::from_secs(1);

/// The name of the guard's limit.
const POLICY: &str = "flood";

/// Tells clients apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FloodKey;

/// The rates that count.
#[derive(Clone, Copy, Debug)]
struct Rates {
    per_second: u32,
    burst: u32,
}

/// One client, as the guard counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Counted {
    /// As quotas count who has no token: tokens are not checked yet where the guard stands.
    Client(Client),
    /// A probe, which is never refused.
    Exempt,
}

/// More requests a second are no limit; the library counts in nanoseconds.
const MAX_PER_SECOND: u32 = 1_000_000_000;

/// Whether `settings` ask for the guard.
pub(crate) fn is_on(settings: &HttpSettings) -> bool {
    settings.flood_per_second > 0
}

/// The guard with the rates of `settings`; it counts nothing as long as it is not used.
pub(crate) fn guard(settings: &HttpSettings) -> io::Result<FloodGuard> {
    let mut builder = GovernorConfigBuilder::default();
    let rates = Rates::of(settings);
    builder.requests_per_second(u64::from(rates.per_second));
    builder.burst_size(rates.burst);
    let refused = || io::Error::new(io::ErrorKind::InvalidInput, "the flood guard has no rate");
    builder.key_extractor(FloodKey).finish().ok_or_else(refused)
}

/// Forgets clients that have been quiet, again and again, so that the guard stays small.
pub(crate) async fn forget_quiet_clients(guard: FloodGuard) {
    let mut ticks = tokio::time::interval(FORGET_INTERVAL);
    loop {
        ticks.tick().await;
        guard.limiter().retain_recent();
    }
}

/// Why the guard has refused a request, whose client has to wait for `seconds`.
pub(crate) fn refusal(settings: &HttpSettings, seconds: u64) -> ApiError {
    let Rates { per_second, burst } = Rates::of(settings);
    ApiError::rate_limited(Exceeded {
        violated: vec![POLICY.to_owned()],
        policy: POLICY.to_owned(),
        limit: format!("{per_second} per second, {burst} at once"),
        seconds,
    })
}

/// Says in the headers of such an answer what the limit is.
pub(crate) fn describe(headers: &mut HeaderMap, state: &State, seconds: u64) {
    let Rates { per_second, burst } = Rates::of(&state.settings);
    let policy = Policy {
        name: POLICY.to_owned(),
        quota: burst,
        // How long all of the burst takes to come back.
        window: burst.div_ceil(per_second),
    };
    let used = Use {
        remaining: 0,
        reset: Duration::from_secs(seconds),
    };
    let now = state.services.clock.now();
    let policies = Policies::new(&[policy]);
    rate_limit_fields::put(headers, &policies, std::iter::once(used), 0, now);
}

impl Rates {
    fn of(settings: &HttpSettings) -> Self {
        Self {
            per_second: settings.flood_per_second.clamp(1, MAX_PER_SECOND),
            burst: settings.flood_burst.max(1),
        }
    }
}

impl KeyExtractor for FloodKey {
    type Key = Counted;
    type KeyExtractionError = ApiError;

    fn extract(&self, request: &ServiceRequest) -> Result<Self::Key, Self::KeyExtractionError> {
        if route::is_probe_path(path::routed_path(request.request())) {
            return Ok(Counted::Exempt);
        }
        let address = context::of(request.request()).client;
        Ok(Counted::Client(Client::at(address)))
    }

    fn exceed_rate_limit_response(
        &self,
        negative: &NotUntil<QuantaInstant>,
        _response: HttpResponseBuilder,
    ) -> HttpResponse {
        let wait = negative.wait_time_from(DefaultClock::default().now());
        // More than the rest, so that who waits that long is not too early. The library keeps the
        // status and the headers of this, not the error; the outermost middleware writes the
        // document and the fields of the limit.
        HttpResponse::TooManyRequests()
            .insert_header((header::RETRY_AFTER, wait.as_secs() + 1))
            .finish()
    }

    fn whitelisted_keys(&self) -> Vec<Self::Key> {
        vec![Counted::Exempt]
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use posthorn_testkit::eventually;

    use super::*;

    #[test]
    fn the_guard_is_off_unless_it_is_asked_for() {
        let mut settings = HttpSettings::defaults().unwrap();
        for rate in [0, 1, u32::MAX] {
            (settings.flood_per_second, settings.flood_burst) = (rate, 0);
            assert!(guard(&settings).is_ok());
            assert_eq!(is_on(&settings), rate > 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_have_been_quiet_are_forgotten() {
        let mut settings = HttpSettings::defaults().unwrap();
        // Each has its burst back after a microsecond of the library's own time.
        (settings.flood_per_second, settings.flood_burst) = (1_000_000, 1);
        let guard = guard(&settings).unwrap();
        let limiter = guard.limiter();
        tokio::spawn(forget_quiet_clients(guard));
        for round in 0..3 {
            for number in 0..1000 {
                let address = Ipv4Addr::from_bits(1000 * round + number);
                let client = Client::at(address.into());
                assert!(limiter.check_key(&Counted::Client(client)).is_ok());
            }
            assert_eq!(limiter.len(), 1000);
            eventually(Duration::from_secs(10), async || limiter.is_empty()).await;
        }
    }
}
