//! The errors of the use cases as errors of requests.

use posthorn_application::{
    AppendError, BackendError, ConsumerError, StoreError, VaultError, WebhookError,
};

use super::ApiError;
use super::code::Code;
use super::field::FieldCode;
use super::missing::Missing;

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        // A damaged store is repaired or restored by its operator; until then it is unavailable.
        let unavailable = Self::caused_by(Code::StoreUnavailable, error.to_string());
        match error {
            StoreError::Full(_) => unavailable.with_detail(
                "В хранилище нет места: заполнен его диск или достигнут его предел.",
                "The store has no space: its disk is full, or its limit is reached.",
            ),
            _ => unavailable,
        }
    }
}

impl From<BackendError> for ApiError {
    fn from(error: BackendError) -> Self {
        let code = if error.is_transient() {
            Code::StoreUnavailable
        } else {
            Code::Internal
        };
        Self::caused_by(code, error.to_string())
    }
}

impl From<Missing> for ApiError {
    fn from(missing: Missing) -> Self {
        let (russian, english) = missing.detail();
        Self::new(Code::NotFound).with_detail(russian, english)
    }
}

impl From<ConsumerError> for ApiError {
    fn from(error: ConsumerError) -> Self {
        match error {
            ConsumerError::NotFound => Missing::Consumer.into(),
            ConsumerError::PreconditionFailed => Self::new(Code::PreconditionFailed),
            ConsumerError::LimitReached => Self::new(Code::LimitReached),
            ConsumerError::TooManyTopics => too_many_topics(),
            ConsumerError::PositionAhead => Self::member("start", FieldCode::PositionAhead),
            ConsumerError::Store(error) => error.into(),
        }
    }
}

impl From<WebhookError> for ApiError {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::Consumer(error) => error.into(),
            WebhookError::ForbiddenAddress(address) => {
                Self::member("url", FieldCode::ForbiddenAddress(address))
            }
            WebhookError::NoLastingKey => Self::new(Code::SecretKeyRequired),
            WebhookError::Vault(VaultError::Sealed) => {
                Self::new(Code::SecretKeyRequired).with_detail(
                    "Секреты этого вебхука зашифрованы другим SECRET_KEY. Задайте прежний ключ в \
                     SECRET_KEY_PREVIOUS или отправьте PUT с новым secret.",
                    "The secrets of this webhook are encrypted under another SECRET_KEY. Set the key before \
                     as SECRET_KEY_PREVIOUS, or send a PUT with a new secret.",
                )
            }
            WebhookError::Vault(error) => Self::caused_by(Code::Internal, error.to_string()),
        }
    }
}

impl From<AppendError> for ApiError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::TooManyTopics => too_many_topics(),
            AppendError::KeyReused => Self::new(Code::IdempotencyKeyReused),
            AppendError::TooLarge => Self::new(Code::PayloadTooLarge).with_detail(
                "Сообщения больше всего хранилища, предел которого задаёт MAX_STORE_BYTES. Отправьте их меньшими пакетами.",
                "The messages are larger than the whole store, which MAX_STORE_BYTES limits. Send them in smaller batches.",
            ),
            AppendError::Store(error) => error.into(),
        }
    }
}

fn too_many_topics() -> ApiError {
    ApiError::new(Code::LimitReached).with_detail(
        "В хранилище уже столько тем, сколько разрешает MAX_TOPICS. Используйте существующую тему.",
        "The store already has as many topics as MAX_TOPICS allows. Use a topic that exists.",
    )
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError as _;
    use actix_web::http::StatusCode;

    use super::*;

    #[test]
    fn messages_larger_than_the_store_are_too_large_and_not_a_lack_of_space() {
        let status = |error| ApiError::from(error).status_code();
        let too_large = AppendError::TooLarge;
        assert_eq!(status(too_large), StatusCode::PAYLOAD_TOO_LARGE);
        let full = AppendError::Store(StoreError::Full(String::new()));
        assert_eq!(status(full), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn secrets_under_another_key_are_a_conflict() {
        let status = |error| ApiError::from(WebhookError::Vault(error)).status_code();
        assert_eq!(status(VaultError::Sealed), StatusCode::CONFLICT);
        assert_eq!(status(VaultError::Form), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
