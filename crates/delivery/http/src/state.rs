//! What every handler may use, shared by all workers.

pub(crate) mod metrics;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::{MetricsExposition, RequestMetrics};
use posthorn_application::{
    AccessControl, Clock, HealthService, InfoService, Lifecycle, MessageService, RateLimiter,
};
use posthorn_domain::Timestamp;
use tokio::sync::watch;

use crate::settings::HttpSettings;

/// The use cases and ports behind the routes.
#[derive(Clone)]
pub struct Services {
    /// Says who may do what.
    pub access: Arc<AccessControl>,
    /// Accepts messages and hands them back.
    pub messages: Arc<MessageService>,
    /// Says who answers.
    pub info: Arc<InfoService>,
    /// Decides whether requests are within their clients' quotas; `None` when nobody has any.
    pub rate_limiter: Option<Arc<RateLimiter>>,
    /// Says how it is.
    pub health: Arc<HealthService>,
    /// Where the process is in its life.
    pub lifecycle: Arc<Lifecycle>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Counts requests.
    pub request_metrics: Arc<dyn RequestMetrics>,
    /// Writes what was counted.
    pub exposition: Arc<dyn MetricsExposition>,
    /// Becomes `true` when streams have to end.
    pub stop_streams: watch::Receiver<bool>,
}

/// The services, the settings, and what is counted across workers. Each worker has a clone.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) services: Services,
    pub(crate) settings: Arc<HttpSettings>,
    pub(crate) in_flight: Gauge,
    /// The bytes of bodies whose rest has not come yet.
    pub(crate) waiting_bytes: Gauge,
    pub(crate) streams: Gauge,
    pub(crate) started_at: Timestamp,
}

/// A number of things that are under way, with a cap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge(Arc<AtomicUsize>);

/// Some things that are under way; they end when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    gauge: Gauge,
    count: usize,
}

impl State {
    pub(crate) fn new(settings: HttpSettings, services: Services) -> Self {
        let started_at = services.clock.now();
        Self {
            services,
            settings: Arc::new(settings),
            in_flight: Gauge::default(),
            waiting_bytes: Gauge::default(),
            streams: Gauge::default(),
            started_at,
        }
    }
}

impl Gauge {
    /// A place for one more, unless `most` are taken.
    pub(crate) fn enter(&self, most: usize) -> Option<Place> {
        let mut place = self.empty();
        place.grow(1, most).then_some(place)
    }

    /// A place that is for nothing yet.
    pub(crate) fn empty(&self) -> Place {
        Place {
            gauge: self.clone(),
            count: 0,
        }
    }
}

impl Place {
    /// Takes in `more`, unless more than `most` would be taken then.
    pub(crate) fn grow(&mut self, more: usize, most: usize) -> bool {
        let taken = self.gauge.0.fetch_add(more, Ordering::AcqRel);
        let fits = taken.saturating_add(more) <= most;
        if fits {
            self.count += more;
        } else {
            self.gauge.0.fetch_sub(more, Ordering::AcqRel);
        }
        fits
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gauge.0.fetch_sub(self.count, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_takes_no_more_than_its_cap_and_frees_places() {
        let gauge = Gauge::default();
        let places = (gauge.enter(2).unwrap(), gauge.enter(2).unwrap());
        assert!(gauge.enter(2).is_none());
        drop(places);
        assert!(gauge.enter(2).is_some());
        let mut place = gauge.empty();
        assert!(place.grow(2, 5) && !place.grow(4, 5) && place.grow(3, 5));
        assert!(gauge.enter(5).is_none());
        drop(place);
        assert!(gauge.enter(1).is_some());
    }
}
