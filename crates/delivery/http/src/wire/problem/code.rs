//! The stable codes of errors: their status, their texts, and what the original said.

use actix_web::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::settings::Locale;

/// What went wrong, as programs read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Code {
    MalformedJson,
    UnsupportedMediaType,
    ValidationFailed,
    PayloadTooLarge,
    NotFound,
    MethodNotAllowed,
    Unauthorized,
    Forbidden,
    RateLimited,
    IdempotencyKeyReused,
    Overloaded,
    StoreUnavailable,
    RequestTimeout,
    NotReady,
    Internal,
}

/// What a code means: its name, status, the titles and details in Russian and English.
struct Meaning {
    name: &'static str,
    status: StatusCode,
    title: (&'static str, &'static str),
    detail: (&'static str, &'static str),
}

impl Code {
    /// Every code, in the order of the documentation.
    pub(crate) const ALL: [Self; 15] = [
        Self::MalformedJson,
        Self::UnsupportedMediaType,
        Self::ValidationFailed,
        Self::PayloadTooLarge,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Unauthorized,
        Self::Forbidden,
        Self::RateLimited,
        Self::IdempotencyKeyReused,
        Self::Overloaded,
        Self::StoreUnavailable,
        Self::RequestTimeout,
        Self::NotReady,
        Self::Internal,
    ];

    /// The code called `name`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    /// The code for an answer that came from below with nothing but its status.
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
            status if status.is_client_error() => Self::ValidationFailed,
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

    /// Seconds to wait before another try, where one is worth it.
    pub(crate) fn retry_after(self) -> Option<u64> {
        match self {
            Self::RateLimited | Self::Overloaded | Self::StoreUnavailable | Self::NotReady => {
                Some(1)
            }
            _ => None,
        }
    }

    /// What the original service wrote into `error`; where it had no such answer, the English
    /// title.
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
            Self::MalformedJson => meaning(
                "malformed-json",
                StatusCode::BAD_REQUEST,
                ("Тело запроса не является JSON", "The body is not JSON"),
                (
                    "Тело запроса должно быть объектом JSON в кодировке UTF-8.",
                    "The body has to be a JSON object in UTF-8.",
                ),
            ),
            Self::UnsupportedMediaType => meaning(
                "unsupported-media-type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                (
                    "Тип содержимого не поддерживается",
                    "The media type is not supported",
                ),
                (
                    "Отправьте JSON с заголовком Content-Type: application/json.",
                    "Send JSON with the header Content-Type: application/json.",
                ),
            ),
            Self::ValidationFailed => meaning(
                "validation-failed",
                StatusCode::BAD_REQUEST,
                ("Запрос не прошёл проверку", "The request is not valid"),
                (
                    "Хотя бы одно поле нарушает правило; все они перечислены в errors.",
                    "At least one field breaks its rule; errors lists all of them.",
                ),
            ),
            Self::PayloadTooLarge => meaning(
                "payload-too-large",
                StatusCode::PAYLOAD_TOO_LARGE,
                ("Тело запроса слишком велико", "The body is too large"),
                (
                    "Тело запроса длиннее, чем принимает сервер.",
                    "The body is longer than the server takes.",
                ),
            ),
            Self::NotFound => meaning(
                "not-found",
                StatusCode::NOT_FOUND,
                ("Не найдено", "Not found"),
                (
                    "По этому адресу ничего нет.",
                    "There is nothing at this address.",
                ),
            ),
            Self::MethodNotAllowed => meaning(
                "method-not-allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                ("Метод не поддерживается", "The method is not allowed"),
                (
                    "Допустимые методы перечислены в заголовке Allow.",
                    "The header Allow lists the methods that are.",
                ),
            ),
            Self::Unauthorized => meaning(
                "unauthorized",
                StatusCode::UNAUTHORIZED,
                ("Нужен токен", "A token is needed"),
                (
                    "Отправьте действительный токен: Authorization: Bearer <токен>.",
                    "Send a valid token: Authorization: Bearer <token>.",
                ),
            ),
            Self::Forbidden => meaning(
                "forbidden",
                StatusCode::FORBIDDEN,
                ("Недостаточно прав", "Not permitted"),
                (
                    "Токен не даёт на это права.",
                    "The token does not permit this.",
                ),
            ),
            Self::RateLimited => meaning(
                "rate-limited",
                StatusCode::TOO_MANY_REQUESTS,
                ("Слишком много запросов", "Too many requests"),
                (
                    "Повторите после паузы из заголовка Retry-After.",
                    "Try again after the seconds in Retry-After.",
                ),
            ),
            Self::IdempotencyKeyReused => meaning(
                "idempotency-key-reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                (
                    "Ключ идемпотентности уже использован",
                    "The idempotency key was used before",
                ),
                (
                    "С этим Idempotency-Key уже отправлено другое сообщение.",
                    "Another message was sent with this Idempotency-Key.",
                ),
            ),
            Self::Overloaded => meaning(
                "overloaded",
                StatusCode::SERVICE_UNAVAILABLE,
                ("Сервер перегружен", "The server is overloaded"),
                (
                    "Сервер занят; повторите после паузы из заголовка Retry-After.",
                    "The server is busy; try again after the seconds in Retry-After.",
                ),
            ),
            Self::StoreUnavailable => meaning(
                "store-unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                ("Хранилище недоступно", "The store is unavailable"),
                (
                    "Сообщения сейчас не сохранить и не прочитать; повторите позже с тем же \
                     Idempotency-Key.",
                    "Messages cannot be stored or read now; try again later with the same \
                     Idempotency-Key.",
                ),
            ),
            Self::RequestTimeout => meaning(
                "request-timeout",
                StatusCode::REQUEST_TIMEOUT,
                ("Время запроса истекло", "The request took too long"),
                (
                    "Запрос не был прочитан и обработан вовремя.",
                    "The request was not read and answered in time.",
                ),
            ),
            Self::NotReady => meaning(
                "not-ready",
                StatusCode::SERVICE_UNAVAILABLE,
                ("Сервер не готов", "The server is not ready"),
                (
                    "Сервер запускается, останавливается или не может сохранять сообщения.",
                    "The server is starting, is stopping, or cannot store messages.",
                ),
            ),
            Self::Internal => meaning(
                "internal",
                StatusCode::INTERNAL_SERVER_ERROR,
                ("Внутренняя ошибка", "Internal error"),
                (
                    "Сервер ошибся; сообщите request_id тому, кто его обслуживает.",
                    "The server failed; tell request_id to whoever runs it.",
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
    fn what_may_be_tried_again_says_when() {
        for code in Code::ALL {
            let again = matches!(code.status().as_u16(), 429 | 503);
            assert_eq!(code.retry_after().is_some(), again, "{code:?}");
        }
    }
}
