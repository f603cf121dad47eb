//! Whether a request is within its client's quotas.

use std::net::IpAddr;
use std::sync::Arc;

use posthorn_domain::{AddressRange, Client, QuotaRule};

use crate::{QuotaClass, QuotaCounter, QuotaDecision, QuotaError, QuotaKey, QuotaScope};

/// The limits of each class of requests, and who has none.
#[derive(Clone, Debug)]
pub struct AdmissionSettings {
    /// On accepting messages.
    pub message: QuotaRule,
    /// On reading topics, messages and streams.
    pub read: QuotaRule,
    /// On each other route.
    pub default: QuotaRule,
    /// Clients at these addresses have no limits.
    pub exempt: Vec<AddressRange>,
    /// Whether the counter is meant to be shared by all processes.
    pub shared: bool,
}

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller<'a> {
    /// The client's address, as far as proxies are trusted to tell it.
    pub address: IpAddr,
    /// The subject of the token, once its signature was checked.
    pub subject: Option<&'a str>,
}

/// What was decided about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The limits and their use.
    pub decision: QuotaDecision,
    /// Which limits.
    pub class: QuotaClass,
    /// Whether this process counts alone although the processes are meant to count together.
    pub degraded: bool,
}

/// Decides whether requests are within their clients' quotas.
pub struct Admission {
    counter: Arc<dyn QuotaCounter>,
    settings: AdmissionSettings,
}

impl Caller<'_> {
    /// As whom it is counted: its subject, else its network.
    pub fn client(&self) -> Client {
        match self.subject {
            Some(subject) => Client::of_subject(subject),
            None => Client::at(self.address),
        }
    }
}

impl Admission {
    /// Counts with `counter`.
    pub fn new(counter: Arc<dyn QuotaCounter>, settings: AdmissionSettings) -> Self {
        Self { counter, settings }
    }

    /// Counts one request in `scope`; `None` when the caller has no limits.
    pub async fn admit(
        &self,
        scope: QuotaScope,
        caller: Caller<'_>,
    ) -> Result<Option<Admitted>, QuotaError> {
        if self.is_exempt(caller.address) {
            return Ok(None);
        }
        let client = caller.client();
        let key = QuotaKey { client, scope };
        let decision = self.counter.hit(&key, self.rule(scope.class)).await?;
        Ok(Some(self.admitted(scope, decision)))
    }

    /// What the caller has left in `scope`; counts nothing. `None` when it has no limits.
    pub async fn look(
        &self,
        scope: QuotaScope,
        caller: Caller<'_>,
    ) -> Result<Option<Admitted>, QuotaError> {
        if self.is_exempt(caller.address) {
            return Ok(None);
        }
        let client = caller.client();
        let key = QuotaKey { client, scope };
        let decision = self.counter.peek(&key, self.rule(scope.class)).await?;
        Ok(Some(self.admitted(scope, decision)))
    }

    /// The limits of a class.
    pub fn rule(&self, class: QuotaClass) -> &QuotaRule {
        match class {
            QuotaClass::Message => &self.settings.message,
            QuotaClass::Read => &self.settings.read,
            QuotaClass::Default => &self.settings.default,
        }
    }

    /// Whether who calls from `address` has no limits.
    pub fn is_exempt(&self, address: IpAddr) -> bool {
        let mut ranges = self.settings.exempt.iter();
        ranges.any(|range| range.contains(address))
    }

    fn admitted(&self, scope: QuotaScope, decision: QuotaDecision) -> Admitted {
        Admitted {
            degraded: self.settings.shared && !decision.shared,
            class: scope.class,
            decision,
        }
    }
}
