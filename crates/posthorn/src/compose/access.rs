//! Who may do what: keys, revoked tokens, and the policy of the environment.

use std::sync::Arc;

use posthorn_application::{AccessControl, AccessPolicy, Clock, FailureLimit, RevocationList};
use posthorn_jwt::JwtTokens;
use posthorn_memory::{CachedRevocationList, MemoryQuotaCounter, MemoryQuotaSettings};

use crate::config::Settings;

/// Of this many clients failures are counted at once.
const MAX_CLIENTS: usize = 10_000;

/// The access control that the settings describe, over the store's own list of revoked tokens.
pub(super) fn control(
    settings: &Settings,
    revocations: Arc<dyn RevocationList>,
    clock: &Arc<dyn Clock>,
) -> AccessControl {
    let access = &settings.access;
    let policy = if settings.environment.is_open() {
        AccessPolicy::OPEN
    } else {
        AccessPolicy::protected(access.require_write_token)
    };
    let bounds = MemoryQuotaSettings {
        max_keys: MAX_CLIENTS,
        ..MemoryQuotaSettings::default()
    };
    let counter = Arc::new(MemoryQuotaCounter::new(Arc::clone(clock), bounds));
    AccessControl::new(
        policy,
        Arc::new(tokens(settings, clock)),
        Arc::new(CachedRevocationList::new(revocations, Arc::clone(clock))),
        FailureLimit::new(counter, access.failures.clone()),
        Arc::clone(clock),
    )
}

/// Issues and checks tokens with the configured keys.
pub(crate) fn tokens(settings: &Settings, clock: &Arc<dyn Clock>) -> JwtTokens {
    let secret = &settings.secret;
    JwtTokens::new(&secret.key, secret.previous.as_ref(), Arc::clone(clock))
}

/// Says once what everybody may do.
pub(super) fn warn_of_open_access(settings: &Settings) {
    if !settings.environment.is_open() {
        return;
    }
    tracing::warn!(
        environment = settings.environment.as_str(),
        "access is open: everybody who reaches this server may send, read and delete messages; \
         ENVIRONMENT=production asks for tokens"
    );
    if settings.access.require_write_token {
        tracing::warn!("REQUIRE_WRITE_TOKEN=true has no effect outside production");
    }
}
