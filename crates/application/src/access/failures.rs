//! How often one client may show tokens that are refused.

use std::net::IpAddr;
use std::sync::Arc;

use posthorn_domain::{Client, QuotaRule};

use crate::ports::quota_counter::{QuotaClass, QuotaCounter, QuotaDecision, QuotaKey, QuotaScope};

/// What failures are counted as.
const SCOPE: QuotaScope = QuotaScope {
    class: QuotaClass::Default,
    route: "auth-failures",
};

/// Counts each client's failures.
pub struct FailureLimit {
    counter: Arc<dyn QuotaCounter>,
    /// No limit when `None`.
    rule: Option<QuotaRule>,
}

impl FailureLimit {
    /// Counts with `counter`, which has to be bounded, up to the limits of `rule`, if there is one.
    pub fn new(counter: Arc<dyn QuotaCounter>, rule: Option<QuotaRule>) -> Self {
        Self { counter, rule }
    }

    /// Counts one failure of the client at `address`; gives the decision when it made too many. Who cannot be counted is not made to wait: it is refused anyway.
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
