//! The limit on the rejected tokens of one client.

use std::net::IpAddr;
use std::sync::Arc;

use posthorn_domain::{Client, QuotaRule};

use crate::ports::quota_counter::{QuotaClass, QuotaCounter, QuotaDecision, QuotaKey, QuotaScope};

/// The scope of the quota.
const SCOPE: QuotaScope = QuotaScope {
    class: QuotaClass::Default,
    route: "auth-failures",
};

/// Counts the rejected tokens of each client.
pub struct FailureLimit {
    counter: Arc<dyn QuotaCounter>,
    /// No limit when `None`.
    rule: Option<QuotaRule>,
}

impl FailureLimit {
    /// Counts with `counter`, which must be bounded, against the limits of `rule`, if there is one.
    pub fn new(counter: Arc<dyn QuotaCounter>, rule: Option<QuotaRule>) -> Self {
        Self { counter, rule }
    }

    /// Counts one rejected token of the client at `address`; returns the decision if it exceeds the
    /// limit. If counting fails, the client is not throttled: its token is rejected anyway.
    pub(super) async fn count(&self, address: IpAddr) -> Option<QuotaDecision> {
        let rule = self.rule.as_ref()?;
        let key = QuotaKey {
            client: Client::at(address),
            scope: SCOPE,
        };
        match self.counter.hit(&key, rule).await {
            Ok(decision) if !decision.allowed => Some(decision),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(%error, "failed authentication was not counted");
                None
            }
        }
    }
}
