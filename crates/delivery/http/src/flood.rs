//! The flood guard: how many requests a second one client may make to this process, whatever the
//! route. It protects the process; it knows nothing of other processes.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use actix_governor::governor::NotUntil;
use actix_governor::governor::clock::{Clock, DefaultClock, QuantaInstant};
use actix_governor::governor::middleware::NoOpMiddleware;
use actix_governor::{GovernorConfig, GovernorConfigBuilder, KeyExtractor};
use actix_web::dev::ServiceRequest;
use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder};

use crate::HttpSettings;
use crate::context;
use crate::problem::ApiError;
use crate::routes;

/// The rule of the guard, with what it counted.
pub(crate) type FloodGuard = GovernorConfig<FloodKey, NoOpMiddleware>;

/// How often clients that have been quiet are forgotten.
const FORGET_INTERVAL: Duration = Duration::from_secs(1);

/// Tells clients apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FloodKey;

/// One client, as the guard counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// An IPv4 address, or the first 64 bits of an IPv6 address: a household has that many.
    Address(IpAddr),
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
    let rate = settings.flood_per_second.clamp(1, MAX_PER_SECOND);
    builder.requests_per_second(u64::from(rate));
    builder.burst_size(settings.flood_burst.max(1));
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

impl KeyExtractor for FloodKey {
    type Key = Client;
    type KeyExtractionError = ApiError;

    fn extract(&self, request: &ServiceRequest) -> Result<Self::Key, Self::KeyExtractionError> {
        if routes::is_probe_path(request.path()) {
            return Ok(Client::Exempt);
        }
        Ok(Client::Address(network(
            context::of(request.request()).client,
        )))
    }

    fn exceed_rate_limit_response(
        &self,
        negative: &NotUntil<QuantaInstant>,
        _response: HttpResponseBuilder,
    ) -> HttpResponse {
        let wait = negative.wait_time_from(DefaultClock::default().now());
        // Rounded up, so that who waits that long is not too early. The library keeps the status
        // and the headers of this, not the error; the outermost middleware writes the document.
        HttpResponse::TooManyRequests()
            .insert_header((header::RETRY_AFTER, wait.as_secs() + 1))
            .finish()
    }

    fn whitelisted_keys(&self) -> Vec<Self::Key> {
        vec![Client::Exempt]
    }
}

/// What counts as one client's address.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_its_64_bit_network() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
    }

    #[test]
    fn the_guard_is_off_unless_it_is_asked_for() {
        let mut settings = HttpSettings::default();
        for rate in [0, 1, u32::MAX] {
            (settings.flood_per_second, settings.flood_burst) = (rate, 0);
            assert!(guard(&settings).is_ok());
            assert_eq!(is_on(&settings), rate > 0);
        }
    }
}
