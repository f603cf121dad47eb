//! The health of the process and of its dependencies.

mod dependencies;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::lock::Mutex;
use posthorn_domain::Timestamp;

use crate::lifecycle::{Lifecycle, Phase};
use crate::ports::clock::Clock;
use crate::ports::dependency::{Dependency, DependencyError};
pub use dependencies::{CacheDependency, StoreDependency};

/// Readiness is checked at least this often, so that the log has its changes also where no platform asks for it.
const READINESS_INTERVAL: Duration = Duration::from_secs(10);

/// For how long the result of a check serves further callers. Anybody may ask, as often as they like, and a check writes
/// to the store.
const MAX_AGE: Duration = Duration::from_millis(100);

/// A dependency to check.
pub struct HealthCheck {
    /// The name in reports.
    pub name: &'static str,
    /// True if no message can be accepted without the dependency.
    pub required: bool,
    /// The dependency.
    pub dependency: Arc<dyn Dependency>,
    /// The last result and its monotonic time. Held during a check, so that one runs at a time.
    last: Mutex<Option<(Duration, Result<(), DependencyError>)>>,
}

/// The outcome of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// The dependency works.
    Ok,
    /// The dependency does not work.
    Error,
}

/// The health of the whole process, ordered from healthy to unhealthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthStatus {
    /// Every dependency works.
    Healthy,
    /// A dependency does not work; messages are accepted all the same.
    Degraded,
    /// Messages cannot be accepted.
    Unhealthy,
}

/// The outcome of all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthReport {
    /// The health of the whole process.
    pub status: HealthStatus,
    /// The time after the checks.
    pub timestamp: Timestamp,
    /// The outcome of each check, by name.
    pub checks: Vec<(&'static str, CheckOutcome)>,
}

/// Why the process should not receive traffic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// It has not started yet.
    #[error("the process starts")]
    Starting,
    /// It drains or stops.
    #[error("the process stops")]
    Stopping,
    /// A required dependency does not work.
    #[error("{check}: {reason}")]
    Dependency {
        /// The name of the check.
        check: &'static str,
        /// What failed, for the log.
        reason: String,
    },
}

/// Checks the dependencies of the process.
pub struct HealthService {
    checks: Vec<HealthCheck>,
    lifecycle: Arc<Lifecycle>,
    clock: Arc<dyn Clock>,
    /// True if the last check of readiness found a dependency that does not work.
    is_unready: AtomicBool,
    /// The monotonic time of the last check of readiness, in milliseconds.
    checked_at: AtomicU64,
}

impl HealthReport {
    /// The outcome of the check called `name`; `None` if this process has no such check.
    pub fn check(&self, name: &str) -> Option<CheckOutcome> {
        let mut checks = self.checks.iter();
        let (_, outcome) = checks.find(|(checked, _)| *checked == name)?;
        Some(*outcome)
    }
}

impl HealthService {
    /// Runs `checks`, one after the other.
    pub fn new(checks: Vec<HealthCheck>, lifecycle: Arc<Lifecycle>, clock: Arc<dyn Clock>) -> Self {
        Self {
            checks,
            lifecycle,
            clock,
            is_unready: AtomicBool::new(false),
            checked_at: AtomicU64::new(0),
        }
    }

    /// Runs every check once.
    pub async fn report(&self) -> HealthReport {
        let mut checks = Vec::with_capacity(self.checks.len());
        let mut status = HealthStatus::Healthy;
        for check in &self.checks {
            let outcome = check.run(&*self.clock).await;
            if outcome == CheckOutcome::Error {
                status = status.max(if check.required {
                    HealthStatus::Unhealthy
                } else {
                    HealthStatus::Degraded
                });
            }
            checks.push((check.name, outcome));
        }
        HealthReport {
            status,
            timestamp: self.clock.now(),
            checks,
        }
    }

    /// Checks that the process should receive traffic: it has started, does not drain, and its required
    /// dependencies work. Logs each change of the latter once.
    ///
    /// # Errors
    /// The process should not receive traffic.
    pub async fn check_readiness(&self) -> Result<(), NotReady> {
        match self.lifecycle.phase() {
            Phase::Starting => return Err(NotReady::Starting),
            Phase::Ready => {}
            Phase::Draining | Phase::Stopping => return Err(NotReady::Stopping),
        }
        self.checked_at.store(self.now_millis(), Ordering::Relaxed);
        let result = self.check_required().await;
        // A store that closes fails its check, which is no change to log.
        if self.lifecycle.phase() == Phase::Ready
            && self.is_unready.swap(result.is_err(), Ordering::AcqRel) != result.is_err()
        {
            match &result {
                Ok(()) => tracing::info!("ready again"),
                Err(reason) => tracing::warn!(%reason, "not ready"),
            }
        }
        result
    }

    /// Checks readiness for ever, where nobody else does often enough. The binary runs one task.
    pub async fn watch_readiness(&self) {
        loop {
            self.clock.sleep(READINESS_INTERVAL).await;
            let checked_at = self.checked_at.load(Ordering::Relaxed);
            let age = Duration::from_millis(self.now_millis().saturating_sub(checked_at));
            if age >= READINESS_INTERVAL {
                // The change is logged.
                let _ = self.check_readiness().await;
            }
        }
    }

    async fn check_required(&self) -> Result<(), NotReady> {
        for check in self.checks.iter().filter(|check| check.required) {
            if let Err(DependencyError(reason)) = check.result(&*self.clock).await {
                let check = check.name;
                return Err(NotReady::Dependency { check, reason });
            }
        }
        Ok(())
    }

    fn now_millis(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }

    /// True once the process has started.
    pub fn is_started(&self) -> bool {
        self.lifecycle.phase() != Phase::Starting
    }
}

impl HealthCheck {
    /// A check of `dependency`.
    pub fn new(name: &'static str, required: bool, dependency: Arc<dyn Dependency>) -> Self {
        Self {
            name,
            required,
            dependency,
            last: Mutex::default(),
        }
    }

    /// The result of a check that is at most [`MAX_AGE`] old.
    async fn result(&self, clock: &dyn Clock) -> Result<(), DependencyError> {
        let mut last = self.last.lock().await;
        if let Some((at, result)) = &*last
            && clock.monotonic().saturating_sub(*at) < MAX_AGE
        {
            return result.clone();
        }
        let result = self.dependency.check().await;
        *last = Some((clock.monotonic(), result.clone()));
        result
    }

    async fn run(&self, clock: &dyn Clock) -> CheckOutcome {
        match self.result(clock).await {
            Ok(()) => CheckOutcome::Ok,
            Err(DependencyError(error)) => {
                tracing::debug!(check = self.name, error, "a health check failed");
                CheckOutcome::Error
            }
        }
    }
}
