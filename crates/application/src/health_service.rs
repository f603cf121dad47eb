//! The health of the process and of its dependencies.

mod dependencies;

use std::sync::Arc;

use posthorn_domain::Timestamp;

use crate::lifecycle::{Lifecycle, Phase};
use crate::ports::clock::Clock;
use crate::ports::dependency::{Dependency, DependencyError};
pub use dependencies::{CacheDependency, StoreDependency};

/// A dependency to check.
pub struct HealthCheck {
    /// The name in reports.
    pub name: &'static str,
    /// True if no message can be accepted without the dependency.
    pub required: bool,
    /// The dependency.
    pub dependency: Arc<dyn Dependency>,
}

/// The outcome of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// The dependency works.
    Ok,
    /// The dependency does not work.
    Error,
}

/// The health of the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Checks the dependencies of the process.
pub struct HealthService {
    checks: Vec<HealthCheck>,
    lifecycle: Arc<Lifecycle>,
    clock: Arc<dyn Clock>,
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
        }
    }

    /// Runs every check once.
    pub async fn report(&self) -> HealthReport {
        let mut checks = Vec::with_capacity(self.checks.len());
        let mut status = HealthStatus::Healthy;
        for check in &self.checks {
            let outcome = check.run().await;
            if outcome == CheckOutcome::Error {
                let is_unhealthy = check.required || status == HealthStatus::Unhealthy;
                status = if is_unhealthy {
                    HealthStatus::Unhealthy
                } else {
                    HealthStatus::Degraded
                };
            }
            checks.push((check.name, outcome));
        }
        HealthReport {
            status,
            timestamp: self.clock.now(),
            checks,
        }
    }

    /// True if the process should receive traffic: it has started, does not drain, and its required
    /// dependencies work.
    pub async fn is_ready(&self) -> bool {
        if self.lifecycle.phase() != Phase::Ready {
            return false;
        }
        for check in self.checks.iter().filter(|check| check.required) {
            if check.run().await == CheckOutcome::Error {
                return false;
            }
        }
        true
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
        }
    }

    async fn run(&self) -> CheckOutcome {
        match self.dependency.check().await {
            Ok(()) => CheckOutcome::Ok,
            Err(DependencyError(error)) => {
                tracing::debug!(check = self.name, error, "a health check failed");
                CheckOutcome::Error
            }
        }
    }
}
