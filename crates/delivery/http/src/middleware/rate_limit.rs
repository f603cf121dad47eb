//! Quotas on the way of a request: which limits it has, the decision, and what its answer says.

use std::cell::RefCell;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use posthorn_application::{QuotaDecision, QuotaWindow, RateLimitDecision, RateLimiter};
use posthorn_domain::{Quota, Timestamp};

use crate::request::caller;
use crate::route::Route;
use crate::state::State;
use crate::wire::problem::{ApiError, Exceeded};

use crate::wire::rate_limit_fields::{self as fields, Policies, Policy, Use, put, whole_seconds};

/// What the names of the limits on refused tokens begin with.
const AUTH_FAILURES: &str = "auth-failures";

/// What was decided about one request, with what answers call its limits.
#[derive(Debug)]
pub(crate) struct Decided {
    /// What the names of the limits begin with.
    kind: &'static str,
    /// Whether this process counts alone although it should not.
    degraded: bool,
    decision: QuotaDecision,
    /// When it was asked for: resets are counted from then.
    at: Timestamp,
}

/// A request that may not be made, and the limit that was reached, if it is for that.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) error: ApiError,
    limit: Option<Box<Decided>>,
}

/// Counts a request; says what its answer tells of limits, and why it is refused, if it is.
///
/// One that access has `refused` counts as well, for its address: nobody vouches for what its token
/// says. Once there is no room it hears that, not the reason. What was refused for a limit already
/// does not count again.
pub(crate) async fn decide(
    route: &'static Route,
    state: &State,
    request: &HttpRequest,
    refused: Option<Refused>,
) -> (Option<Decided>, Option<ApiError>) {
    let reason = match refused {
        Some(Refused {
            error,
            limit: Some(limit),
        }) => return (Some(*limit), Some(error)),
        Some(Refused { error, limit: None }) => Some(error),
        None => None,
    };
    let decided = admit(route, state, request).await;
    let full = decided.as_ref().and_then(Decided::refusal);
    (decided, full.or(reason))
}

/// What was decided about one request, if it has limits.
async fn admit(route: &'static Route, state: &State, request: &HttpRequest) -> Option<Decided> {
    let rate_limiter: &RateLimiter = state.services.rate_limiter.as_deref()?;
    let scope = route.quota_scope(request.method())?;
    let subject = caller::authenticated_subject(request);
    let caller = caller::of(request, subject.as_ref());
    let at = state.services.clock.now();
    match rate_limiter.check(scope, caller).await {
        Ok(admitted) => admitted.map(|admitted| Decided::new(admitted, at)),
        Err(error) => {
            // To refuse everybody because nobody can be counted would help nobody.
            tracing::error!(%error, "a request was not counted");
            None
        }
    }
}

/// Says in the headers of an answer which limits its request has, and what is left of them.
pub(crate) fn describe(headers: &mut HeaderMap, decided: &Decided) {
    let windows = &decided.decision.windows;
    let tightest = decided.hit();
    let tightest = tightest.and_then(|hit| windows.iter().position(|window| window == hit));
    let tightest = tightest.unwrap_or_default();
    let uses = windows.iter().map(|window| Use {
        remaining: window.remaining(),
        reset: window.reset,
    });
    known(decided, |policies| {
        put(headers, policies, uses, tightest, decided.at);
    });
}

/// What the names of limits begin with, whether they are degraded, and the limits, with their texts.
type Known = (&'static str, bool, Vec<Quota>, Policies);

/// The policies of a decision: there are few, so each thread keeps the texts of the last ones.
fn known(decided: &Decided, use_of: impl FnOnce(&Policies)) {
    const MOST: usize = 16;
    thread_local! {
        static KNOWN: RefCell<Vec<Known>> = const { RefCell::new(Vec::new()) };
    }
    let windows = &decided.decision.windows;
    KNOWN.with_borrow_mut(|known| {
        let is_same = |(kind, degraded, quotas, _): &&Known| {
            *kind == decided.kind
                && *degraded == decided.degraded
                && quotas.iter().eq(windows.iter().map(|window| &window.quota))
        };
        if let Some((.., policies)) = known.iter().find(is_same) {
            return use_of(policies);
        }
        let policies = windows.iter().map(|window| Policy {
            name: decided.name(window),
            quota: window.quota.count(),
            window: window.quota.window_seconds(),
        });
        let policies = Policies::new(&policies.collect::<Vec<_>>());
        use_of(&policies);
        let quotas = windows.iter().map(|window| window.quota).collect();
        known.truncate(MOST - 1);
        known.push((decided.kind, decided.degraded, quotas, policies));
    });
}

impl Refused {
    /// A limit was reached.
    pub(crate) fn by(limit: Decided) -> Self {
        Self {
            error: limit.error(),
            limit: Some(Box::new(limit)),
        }
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { error, limit: None }
    }
}

impl Decided {
    /// The decision on a quota, which was asked for `at` this time.
    pub(crate) fn new(admitted: RateLimitDecision, at: Timestamp) -> Self {
        Self {
            kind: admitted.class.as_str(),
            degraded: admitted.degraded,
            decision: admitted.decision,
            at,
        }
    }

    /// The decision, at about this time, that a client showed too many tokens that were refused.
    pub(crate) fn of_failures(decision: QuotaDecision, at: Timestamp) -> Self {
        Self {
            kind: AUTH_FAILURES,
            degraded: false,
            decision,
            at,
        }
    }

    /// Each limit with its use.
    pub(crate) fn windows(&self) -> &[QuotaWindow] {
        &self.decision.windows
    }

    /// Whether this process counts alone although it should not.
    pub(crate) fn is_degraded(&self) -> bool {
        self.degraded
    }

    /// The name of a limit: of what it is and its window, and whether this process counts alone
    /// although it should not.
    pub(crate) fn name(&self, window: &QuotaWindow) -> String {
        let mark = if self.degraded { "-degraded" } else { "" };
        format!("{}-{}{mark}", self.kind, window.quota.window_name())
    }

    /// Why the request is refused, if it is.
    fn refusal(&self) -> Option<ApiError> {
        (!self.decision.allowed).then(|| self.error())
    }

    /// When a limit has room again. A fixed window ends with a second, which two clocks that differ
    /// by milliseconds have to agree on.
    pub(crate) fn resets_at(&self, window: &QuotaWindow) -> Timestamp {
        fields::resets_at(self.at, window.reset)
    }

    /// The error that tells which limits have no room.
    fn error(&self) -> ApiError {
        let window = self.hit();
        let full = self
            .windows()
            .iter()
            .filter(|window| window.remaining() == 0);
        ApiError::rate_limited(Exceeded {
            violated: full.map(|window| self.name(window)).collect(),
            policy: window.map_or_else(String::new, |window| self.name(window)),
            limit: window.map_or_else(String::new, |window| window.quota.to_string()),
            seconds: whole_seconds(self.decision.retry_after()).max(1),
        })
    }

    /// The window that decides what its client may do next.
    fn hit(&self) -> Option<&QuotaWindow> {
        self.decision.tightest()
    }
}
