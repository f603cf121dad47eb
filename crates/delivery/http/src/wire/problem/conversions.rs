//! The errors of the use cases as errors of requests.

use posthorn_application::{AppendError, BackendError, ConsumerError, StoreError, WebhookError};

use super::ApiError;
use super::code::Code;
use super::field::FieldCode;

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            tracing::debug!(%error, "the store failed");
            Self::new(Code::StoreUnavailable)
        } else {
            tracing::error!(%error, "the store failed");
            Self::new(Code::Internal)
        }
    }
}

impl From<BackendError> for ApiError {
    fn from(error: BackendError) -> Self {
        if error.is_transient() {
            tracing::debug!(%error, "the revocation list failed");
            Self::new(Code::StoreUnavailable)
        } else {
            tracing::error!(%error, "the revocation list failed");
            Self::new(Code::Internal)
        }
    }
}

impl From<ConsumerError> for ApiError {
    fn from(error: ConsumerError) -> Self {
        match error {
            ConsumerError::NotFound => Self::new(Code::NotFound),
            ConsumerError::PreconditionFailed => Self::new(Code::PreconditionFailed),
            ConsumerError::LimitReached => Self::new(Code::LimitReached),
            ConsumerError::PositionAhead => Self::field("start", FieldCode::PositionAhead),
            ConsumerError::Store(error) => error.into(),
        }
    }
}

impl From<WebhookError> for ApiError {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::Consumer(error) => error.into(),
            WebhookError::ForbiddenAddress(address) => {
                Self::field("url", FieldCode::ForbiddenAddress(address))
            }
            WebhookError::NoLastingKey => Self::new(Code::SecretKeyRequired),
            WebhookError::Vault(error) => {
                tracing::error!(%error, "the secrets of a webhook cannot be used");
                Self::new(Code::Internal)
            }
        }
    }
}

impl From<AppendError> for ApiError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::KeyReused => Self::new(Code::IdempotencyKeyReused),
            AppendError::Store(error) => error.into(),
        }
    }
}
