//! The stable codes of errors, with their statuses and texts.

use actix_web::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::settings::Locale;

/// The stable code of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Code {
    MalformedRequest,
    MalformedJson,
    MalformedBody,
    UnsupportedMediaType,
    ValidationFailed,
    PayloadTooLarge,
    NotFound,
    MethodNotAllowed,
    PreconditionFailed,
    Unauthorized,
    Forbidden,
    RateLimited,
    IdempotencyKeyReused,
    LimitReached,
    SecretKeyRequired,
    Overloaded,
    StoreUnavailable,
    RequestTimeout,
    NotReady,
    Internal,
}

/// The name, the status, and the title and detail of a code in Russian and English.
struct Meaning {
    name: &'static str,
    status: StatusCode,
    title: (&'static str, &'static str),
    detail: (&'static str, &'static str),
}

impl Code {
    /// Every code, in the order of the documentation.
    pub(crate) const ALL: [Self; 20] = [
        Self::MalformedRequest,
        Self::MalformedJson,
        Self::MalformedBody,
        Self::UnsupportedMediaType,
        Self::ValidationFailed,
        Self::PayloadTooLarge,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::PreconditionFailed,
        Self::Unauthorized,
        Self::Forbidden,
        Self::RateLimited,
        Self::IdempotencyKeyReused,
        Self::LimitReached,
        Self::SecretKeyRequired,
        Self::Overloaded,
        Self::StoreUnavailable,
        Self::RequestTimeout,
        Self::NotReady,
        Self::Internal,
    ];

    /// The code with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    /// The code for a response of actix-web that has only a status.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Self::PayloadTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimeout,
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited,
            StatusCode::SERVICE_UNAVAILABLE => Self::Overloaded,
            status if status.is_client_error() => Self::MalformedRequest,
            _ => Self::Internal,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        self.meaning().name
    }

    pub(crate) fn status(self) -> StatusCode {
        self.meaning().status
    }

    pub(crate) fn title(self, locale: Locale) -> &'static str {
        let (ru, en) = self.meaning().title;
        locale.pick(ru, en)
    }

    pub(crate) fn detail(self, locale: Locale) -> &'static str {
        let (ru, en) = self.meaning().detail;
        locale.pick(ru, en)
    }

    /// The seconds to wait before a retry, if a retry makes sense.
    pub(crate) fn retry_after(self) -> Option<u64> {
        match self {
            Self::RateLimited | Self::Overloaded | Self::StoreUnavailable | Self::NotReady => {
                Some(1)
            }
            _ => None,
        }
    }

    /// The original service's value of `error`; the English title if it had no such error.
    pub(crate) fn original(self) -> &'static str {
        match self {
            Self::MalformedJson => "Failed to decode JSON object",
            Self::UnsupportedMediaType => "Request must be JSON",
            Self::NotFound => "Endpoint not found",
            other => other.title(Locale::En),
        }
    }

    #[expect(clippy::too_many_lines, reason = "a table of texts")]
    fn meaning(self) -> Meaning {
        let meaning = |name, status, title, detail| Meaning {
            name,
            status,
            title,
            detail,
        };
        match self {
            Self::MalformedRequest => meaning(
                "malformed-request",
                StatusCode::BAD_REQUEST,
                ("Некорректный запрос HTTP", "Malformed request"),
                (
                    "Запрос не соответствует HTTP/1.1.",
                    "The request is not valid HTTP/1.1.",
                ),
            ),
            Self::MalformedJson => meaning(
                "malformed-json",
                StatusCode::BAD_REQUEST,
                ("Некорректный JSON", "Malformed JSON"),
                (
                    "Тело запроса должно быть в формате JSON и в кодировке UTF-8.",
                    "The request body must be JSON in UTF-8.",
                ),
            ),
            Self::MalformedBody => meaning(
                "malformed-body",
                StatusCode::BAD_REQUEST,
                ("Некорректное тело запроса", "Malformed body"),
                (
                    "Тело запроса не в кодировке UTF-8, оборвано или не соответствует своему Content-Type.",
                    "The request body is not UTF-8, is truncated, or does not match its Content-Type.",
                ),
            ),
            Self::UnsupportedMediaType => meaning(
                "unsupported-media-type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                ("Неподдерживаемый тип содержимого", "Unsupported media type"),
                (
                    "Тип содержимого не принимается. Допустимые типы указаны в заголовке Accept-Post.",
                    "The media type is not accepted. The accepted ones are listed in the Accept-Post header.",
                ),
            ),
            Self::ValidationFailed => meaning(
                "validation-failed",
                StatusCode::BAD_REQUEST,
                ("Ошибка в данных запроса", "Validation failed"),
                (
                    "Хотя бы одно поле некорректно. Все такие поля перечислены в errors.",
                    "At least one field is invalid. All of them are listed in errors.",
                ),
            ),
            Self::PayloadTooLarge => meaning(
                "payload-too-large",
                StatusCode::PAYLOAD_TOO_LARGE,
                ("Слишком большой запрос", "Payload too large"),
                (
                    "Запрос превышает допустимый размер.",
                    "The request exceeds the maximum size.",
                ),
            ),
            Self::NotFound => meaning(
                "not-found",
                StatusCode::NOT_FOUND,
                ("Не найдено", "Not found"),
                (
                    "Ресурс по этому адресу не существует.",
                    "There is no resource at this address.",
                ),
            ),
            Self::MethodNotAllowed => meaning(
                "method-not-allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                ("Метод не поддерживается", "Method not allowed"),
                (
                    "Допустимые методы перечислены в заголовке Allow.",
                    "The allowed methods are listed in the Allow header.",
                ),
            ),
            Self::Unauthorized => meaning(
                "unauthorized",
                StatusCode::UNAUTHORIZED,
                ("Требуется токен", "Authentication required"),
                (
                    "Отправьте действительный токен в заголовке Authorization: Bearer <токен>.",
                    "Send a valid token in the header Authorization: Bearer <token>.",
                ),
            ),
            Self::Forbidden => meaning(
                "forbidden",
                StatusCode::FORBIDDEN,
                ("Недостаточно прав", "Forbidden"),
                (
                    "У токена нет права на это действие.",
                    "The token does not permit this action.",
                ),
            ),
            Self::RateLimited => meaning(
                "rate-limited",
                StatusCode::TOO_MANY_REQUESTS,
                ("Слишком много запросов", "Too many requests"),
                (
                    "Повторите запрос позже: заголовок Retry-After указывает, через сколько секунд.",
                    "Try again after the number of seconds in the Retry-After header.",
                ),
            ),
            Self::PreconditionFailed => meaning(
                "precondition-failed",
                StatusCode::PRECONDITION_FAILED,
                ("Условие не выполнено", "Precondition failed"),
                (
                    "Состояние ресурса не соответствует If-Match или If-None-Match.",
                    "The state of the resource does not meet If-Match or If-None-Match.",
                ),
            ),
            Self::LimitReached => meaning(
                "limit-reached",
                StatusCode::CONFLICT,
                ("Достигнут предел", "Limit reached"),
                (
                    "У темы уже 64 потребителя и вебхука — это предел.",
                    "The topic already has 64 consumers and webhooks, which is the limit.",
                ),
            ),
            Self::SecretKeyRequired => meaning(
                "secret-key-required",
                StatusCode::CONFLICT,
                ("Нужен SECRET_KEY", "SECRET_KEY is required"),
                (
                    "Секреты вебхуков хранятся зашифрованными, поэтому серверу нужен постоянный ключ: \
                     задайте SECRET_KEY или SECRET_KEY_FILE.",
                    "Secrets of webhooks are stored encrypted, so the server needs a key that outlives \
                     its process: set SECRET_KEY or SECRET_KEY_FILE.",
                ),
            ),
            Self::IdempotencyKeyReused => meaning(
                "idempotency-key-reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                (
                    "Ключ идемпотентности уже использован",
                    "Idempotency key reused",
                ),
                (
                    "С этим ключом Idempotency-Key уже отправлено другое сообщение.",
                    "Another message was already sent with this Idempotency-Key.",
                ),
            ),
            Self::Overloaded => meaning(
                "overloaded",
                StatusCode::SERVICE_UNAVAILABLE,
                ("Сервер перегружен", "Server overloaded"),
                (
                    "Сервер временно не принимает запросы. Повторите позже: заголовок Retry-After указывает, через сколько секунд.",
                    "The server cannot accept the request now. Try again after the number of seconds in the Retry-After header.",
                ),
            ),
            Self::StoreUnavailable => meaning(
                "store-unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                ("Хранилище недоступно", "Store unavailable"),
                (
                    "Хранилище временно недоступно. Повторите запрос позже. Сообщение отправляйте с тем же \
                     Idempotency-Key.",
                    "The store is unavailable at the moment. Try again later. Send a message with the same \
                     Idempotency-Key.",
                ),
            ),
            Self::RequestTimeout => meaning(
                "request-timeout",
                StatusCode::REQUEST_TIMEOUT,
                ("Время ожидания истекло", "Request timeout"),
                (
                    "Запрос не был получен целиком за отведённое время.",
                    "The request did not arrive in time.",
                ),
            ),
            Self::NotReady => meaning(
                "not-ready",
                StatusCode::SERVICE_UNAVAILABLE,
                ("Сервер не готов", "Server not ready"),
                (
                    "Сервер запускается, завершает работу или не может сохранять сообщения.",
                    "The server is starting, shutting down, or unable to store messages.",
                ),
            ),
            Self::Internal => meaning(
                "internal",
                StatusCode::INTERNAL_SERVER_ERROR,
                ("Внутренняя ошибка", "Internal error"),
                (
                    "Внутренняя ошибка сервера. Сообщите этот request_id администратору.",
                    "Internal error. Give this request_id to the operator.",
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_name_and_serialises_to_it() {
        for code in Code::ALL {
            assert_eq!(Code::named(code.as_str()), Some(code));
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        assert_eq!(Code::named("no-such-code"), None);
    }

    #[test]
    fn retryable_codes_have_a_retry_after() {
        for code in Code::ALL {
            let again = matches!(code.status().as_u16(), 429 | 503);
            assert_eq!(code.retry_after().is_some(), again, "{code:?}");
        }
    }
}
