//! Access control: keys, revoked tokens, and the policy of the environment.

use std::sync::Arc;

use posthorn_application::{AccessControl, AccessPolicy, Clock, FailureLimit, RevocationList};
use posthorn_config::Settings;
use posthorn_jwt::JwtTokens;
use posthorn_memory::{CachedRevocationList, MemoryQuotaCounter, MemoryQuotaSettings};

use super::error::StartError;

/// The most clients whose failures are counted at once.
const MAX_CLIENTS: usize = 10_000;

/// Builds the access control over the store's list of revoked tokens.
pub(super) fn control(
    settings: &Settings,
    revocations: Arc<dyn RevocationList>,
    clock: &Arc<dyn Clock>,
) -> AccessControl {
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
    AccessControl::new(
        policy,
        Arc::new(tokens(settings, clock)),
        Arc::new(CachedRevocationList::new(revocations, Arc::clone(clock))),
        FailureLimit::new(counter, Some(access.rate_limit_auth_failures.clone())),
        Arc::clone(clock),
    )
}

/// Makes the development key if no key is set, or reads the one that an earlier start made.
pub(super) fn keep_development_key(settings: &mut Settings) -> Result<(), StartError> {
    let kept = settings
        .secret
        .keep_development_key(&settings.store.store_url);
    let kept = kept.map_err(|(path, error)| StartError::Dependency {
        setting: "SECRET_KEY",
        target: path.display().to_string(),
        reason: error.to_string(),
    })?;
    if let Some(error) = kept {
        tracing::warn!(%error, "the development key could not be written beside the store");
    }
    Ok(())
}

/// Builds the issuer and verifier of tokens with the configured keys.
pub(crate) fn tokens(settings: &Settings, clock: &Arc<dyn Clock>) -> JwtTokens {
    let secret = &settings.secret;
    JwtTokens::new(secret.key(), secret.previous_key(), Arc::clone(clock))
}
