//! The labels of metrics. Values are names from the code, which bounds the number of series.

use posthorn_application::AppIdentity;
use prometheus_client::encoding::EncodeLabelSet;

/// Labels of `app_info`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct InfoLabels {
    version: String,
    environment: String,
    pod: String,
}

impl From<&AppIdentity> for InfoLabels {
    fn from(identity: &AppIdentity) -> Self {
        Self {
            version: identity.version.to_string(),
            environment: identity.environment.to_string(),
            pod: identity.instance.to_string(),
        }
    }
}

/// Labels of `app_store_info`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StoreInfoLabels {
    pub(super) identity: String,
}

/// Labels of `app_requests_total` and `app_request_duration_seconds`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) method: &'static str,
    pub(super) endpoint: &'static str,
    pub(super) status: u16,
}

/// Labels of `app_requests_shed_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ShedLabels {
    pub(super) reason: &'static str,
}

/// Labels of `app_messages_accepted_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct AcceptedLabels {
    pub(super) topic_class: &'static str,
    pub(super) durability: &'static str,
}

/// Labels of `app_messages_rejected_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RejectedLabels {
    pub(super) code: &'static str,
}

/// Labels of `app_consumer_settled_total` and `app_webhook_attempts_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabels {
    pub(super) outcome: &'static str,
}

/// Labels of `app_store_operation_duration_seconds`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StoreLabels {
    pub(crate) operation: &'static str,
    pub(crate) outcome: &'static str,
}

/// Labels of `app_store_errors_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StoreErrorLabels {
    pub(crate) outcome: &'static str,
}

/// Labels of `app_cache_requests_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CacheLabels {
    pub(crate) backend: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) outcome: &'static str,
}

/// Labels of `app_rate_limit_decisions_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct QuotaLabels {
    pub(crate) limit: &'static str,
    pub(crate) outcome: &'static str,
    pub(crate) backend: &'static str,
}

/// Labels of `app_auth_failures_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabels {
    pub(super) reason: &'static str,
}

/// Labels of `app_dependency_up`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DependencyLabels {
    pub(super) dependency: &'static str,
}

/// Labels of `app_pool_connections`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PoolLabels {
    pub(super) state: &'static str,
}
