//! Quotas on the way of a request: which limits it has, the decision, and what its answer says.

mod fields;

use std::cell::RefCell;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use posthorn_application::{Admission, Admitted, QuotaClass, QuotaWindow};
use posthorn_domain::Quota;

use crate::caller;
use crate::problem::{ApiError, Exceeded};
use crate::routes::Route;
use crate::state::State;

pub(crate) use fields::{Policies, Policy, Use, put};

/// What was decided about one request, if it has limits.
pub(crate) async fn admit(
    route: &'static Route,
    state: &State,
    request: &HttpRequest,
) -> Option<Admitted> {
    let admission: &Admission = state.services.admission.as_deref()?;
    let scope = route.quota_scope(request.method())?;
    let subject = caller::authenticated_subject(request);
    let caller = caller::of(request, subject.as_ref());
    match admission.admit(scope, caller).await {
        Ok(admitted) => admitted,
        Err(error) => {
            // To refuse everybody because nobody can be counted would help nobody.
            tracing::error!(%error, "a request was not counted");
            None
        }
    }
}

/// Why the request is refused, if it is.
pub(crate) fn refusal(admitted: &Admitted, state: &State) -> Option<ApiError> {
    if admitted.decision.allowed {
        return None;
    }
    if admitted.class == QuotaClass::Message {
        let code = crate::problem::Code::RateLimited.as_str();
        state.services.request_metrics.message_rejected(code);
    }
    let seconds = whole_seconds(admitted.decision.retry_after()).max(1);
    let window = hit(admitted);
    let windows = admitted.decision.windows.iter();
    let full = windows.filter(|window| window.remaining() == 0);
    Some(ApiError::rate_limited(Exceeded {
        violated: full.map(|window| name(admitted, window)).collect(),
        policy: window.map_or_else(String::new, |window| name(admitted, window)),
        limit: window.map_or_else(String::new, |window| window.quota.to_string()),
        seconds,
    }))
}

/// Says in the headers of an answer which limits its request has, and what is left of them.
pub(crate) fn describe(headers: &mut HeaderMap, admitted: &Admitted, state: &State) {
    let now = state.services.clock.now().as_millis() / 1000;
    let windows = &admitted.decision.windows;
    let tightest = hit(admitted).and_then(|hit| windows.iter().position(|window| window == hit));
    let tightest = tightest.unwrap_or_default();
    let uses = windows.iter().map(|window| Use {
        remaining: window.remaining(),
        reset: whole_seconds(window.reset),
    });
    known(admitted, |policies| {
        put(headers, policies, uses, tightest, now);
    });
}

/// The class, whether it is degraded, and the limits, with their texts.
type Known = (QuotaClass, bool, Vec<Quota>, Policies);

/// The policies of a decision: there are few, so each thread keeps the texts of the last ones.
fn known(admitted: &Admitted, use_of: impl FnOnce(&Policies)) {
    const MOST: usize = 16;
    thread_local! {
        static KNOWN: RefCell<Vec<Known>> = const { RefCell::new(Vec::new()) };
    }
    let windows = &admitted.decision.windows;
    KNOWN.with_borrow_mut(|known| {
        let is_same = |(class, degraded, quotas, _): &&Known| {
            *class == admitted.class
                && *degraded == admitted.degraded
                && quotas.iter().eq(windows.iter().map(|window| &window.quota))
        };
        if let Some((.., policies)) = known.iter().find(is_same) {
            return use_of(policies);
        }
        let policies = windows.iter().map(|window| Policy {
            name: name(admitted, window),
            quota: window.quota.count(),
            window: window.quota.window_seconds(),
        });
        let policies = Policies::new(&policies.collect::<Vec<_>>());
        use_of(&policies);
        let quotas = windows.iter().map(|window| window.quota).collect();
        known.truncate(MOST - 1);
        known.push((admitted.class, admitted.degraded, quotas, policies));
    });
}

/// The window that decides what its client may do next.
fn hit(admitted: &Admitted) -> Option<&QuotaWindow> {
    admitted.decision.tightest()
}

/// The name of a limit: its class and its window, and whether this process counts alone although
/// it should not.
pub(crate) fn name(admitted: &Admitted, window: &QuotaWindow) -> String {
    let mark = if admitted.degraded { "-degraded" } else { "" };
    let class = admitted.class.as_str();
    format!("{class}-{}{mark}", window.quota.window_name())
}

/// Rounded up: who waits that long is not too early.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
