//! Access control: keys, revoked tokens, and the policy of the environment.

use std::sync::Arc;

use posthorn_application::{AccessControl, AccessPolicy, Clock, FailureLimit, RevocationList};
use posthorn_config::Settings;
use posthorn_jwt::JwtTokens;
use posthorn_memory::{CachedRevocationList, MemoryQuotaCounter, MemoryQuotaSettings};

use super::context::Context;

/// The most clients whose failures are counted at once.
const MAX_CLIENTS: usize = 10_000;

/// Builds the access control over the store's list of revoked tokens.
pub(super) fn control(
    context: &Context,
    revocations: Arc<dyn RevocationList>,
) -> Arc<AccessControl> {
    let (settings, clock) = (&context.settings, &context.clock);
    let access = &settings.access;
    let policy = if settings.app.environment.is_open() {
        AccessPolicy::OPEN
    } else {
        AccessPolicy::protected(access.require_write_token)
    };
    let bounds = MemoryQuotaSettings {
        max_keys: MAX_CLIENTS,
        ..MemoryQuotaSettings::default()
    };
    let counter = Arc::new(MemoryQuotaCounter::new(Arc::clone(clock), bounds));
    Arc::new(AccessControl::new(
        policy,
        Arc::new(tokens(settings, clock)),
        Arc::new(CachedRevocationList::new(revocations, Arc::clone(clock))),
        FailureLimit::new(counter, Some(access.rate_limit_auth_failures.clone())),
        Arc::clone(clock),
    ))
}

/// Builds the issuer and verifier of tokens with the configured keys.
pub(crate) fn tokens(settings: &Settings, clock: &Arc<dyn Clock>) -> JwtTokens {
    let secret = &settings.secret;
    JwtTokens::new(secret.key(), secret.previous_key(), Arc::clone(clock))
}
