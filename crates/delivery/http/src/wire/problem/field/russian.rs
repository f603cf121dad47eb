//! The texts of broken rules in Russian.

use posthorn_domain::{UrlSchemes, WebhookHeaders, WebhookUrl, WebhookUrlError};

use super::{FieldCode, HeaderRule};

impl FieldCode {
    #[expect(clippy::too_many_lines, reason = "a table of texts")]
    pub(super) fn russian(&self, field: &str) -> String {
        match self {
            Self::Required => format!("Поле {field} обязательно"),
            Self::Null => "Поле не может быть null.".to_owned(),
            Self::NotAString => "Значение должно быть строкой.".to_owned(),
            Self::NotAnObject => "Значение должно быть объектом.".to_owned(),
            Self::InvalidType => "Тело запроса должно быть объектом.".to_owned(),
            Self::Unknown => "Неизвестное поле.".to_owned(),
            Self::Duplicate => "Поле указано несколько раз.".to_owned(),
            Self::Length { min, max } => format!("Длина должна быть от {min} до {max} символов."),
            Self::ControlCharacter => {
                "Управляющие символы, кроме перевода строки и табуляции, не допускаются.".to_owned()
            }
            Self::Charset => {
                "Допускаются только буквы, цифры, _, пробельные символы и знаки -.,!?;:().".to_owned()
            }
            Self::TopicPattern => {
                "Имя темы: от 1 до 64 символов a-z, 0-9, '.', '_', '-'; первый символ — буква или цифра."
                    .to_owned()
            }
            Self::TopicMismatch => "Тема в теле запроса не совпадает с темой в адресе.".to_owned(),
            Self::TooMany { max } => format!("Допускается не больше {max} элементов."),
            Self::KeyPattern => {
                "Ключ атрибута: от 1 до 64 символов a-z, 0-9, '.', '_', '-'.".to_owned()
            }
            Self::KeyCollision => "Имя поля даёт тот же ключ атрибута, что и другое поле.".to_owned(),
            Self::NotUtf8 => "Текст не в кодировке UTF-8.".to_owned(),
            Self::Since => {
                "Нужно время по RFC 3339 с часовым поясом или длительность: число и s, m, h или d."
                    .to_owned()
            }
            Self::IdempotencyKey => {
                "Нужен один заголовок с ключом из 1–255 видимых символов ASCII.".to_owned()
            }
            Self::MessageId => "Идентификатор сообщения — ULID из 26 символов.".to_owned(),
            Self::Range { min, max } => format!("Число должно быть от {min} до {max}."),
            Self::Choice(choices) => format!("Допустимые значения: {choices}."),
            Self::Excludes(other) => format!("Нельзя использовать вместе с параметром {other}."),
            Self::NotANumber => "Нужно число.".to_owned(),
            Self::NotAList => "Нужен список.".to_owned(),
            Self::Seconds { min, max } => {
                format!("Число секунд должно быть от {min} до {max}, не больше трёх знаков после запятой.")
            }
            Self::Entries { max } => format!("В списке должно быть от 1 до {max} элементов."),
            Self::Position => {
                "Нужно oldest, newest, идентификатор сообщения или время по RFC 3339.".to_owned()
            }
            Self::PositionAhead => "Позиция находится в будущем.".to_owned(),
            Self::AnyControlCharacter => "Управляющие символы не допускаются.".to_owned(),
            Self::WebhookUrl(error) => russian_url(*error),
            Self::ForbiddenAddress(_) => "Адрес не общедоступный. WEBHOOK_ALLOW_CIDRS на сервере может \
                 его разрешить."
                .to_owned(),
            Self::WebhookSecret => "Нужен whsec_ и base64 от 24–64 байтов.".to_owned(),
            Self::Rate { max } => {
                format!("Число должно быть от 0.001 до {max}, не больше трёх знаков после запятой.")
            }
            Self::Header(HeaderRule::Name) => format!(
                "Имя заголовка: от 1 до {} символов по RFC 9110.",
                WebhookHeaders::MAX_NAME_LENGTH
            ),
            Self::Header(HeaderRule::Owned) => "Этот заголовок задаёт сам сервер.".to_owned(),
            Self::Header(HeaderRule::Value) => format!(
                "Значение заголовка: до {} видимых символов ASCII, пробелы и табуляции — только между \
                 ними.",
                WebhookHeaders::MAX_VALUE_LENGTH
            ),
            Self::IdOrTime => {
                "Нужен идентификатор сообщения или время по RFC 3339.".to_owned()
            }
            Self::Backwards => "Конец диапазона раньше его начала.".to_owned(),
        }
    }
}

fn russian_url(error: WebhookUrlError) -> String {
    match error {
        WebhookUrlError::Missing => "Нужен URL.".to_owned(),
        WebhookUrlError::Length => {
            format!("URL может содержать до {} байтов.", WebhookUrl::MAX_LENGTH)
        }
        WebhookUrlError::Syntax => {
            "Нужен абсолютный URL, например https://example.com/hook.".to_owned()
        }
        WebhookUrlError::Scheme(UrlSchemes::Https) => "Схема URL — https.".to_owned(),
        WebhookUrlError::Scheme(UrlSchemes::HttpAndHttps) => {
            "Схема URL — http или https.".to_owned()
        }
        WebhookUrlError::UserInformation => {
            "Имя и пароль в URL не допускаются: передайте их в headers.".to_owned()
        }
        WebhookUrlError::Fragment => "Фрагмент в URL не допускается.".to_owned(),
        WebhookUrlError::Port => "Порт 0 не допускается.".to_owned(),
        WebhookUrlError::HostName => {
            "Имя хоста — метки из 1–63 символов без «*», всего до 253 символов.".to_owned()
        }
    }
}
