//! Errors, and their problem documents (`application/problem+json`, RFC 9457).

mod accepted;
mod code;
mod conversions;
mod exceeded;
mod field;
mod instance;
mod missing;
mod page;
mod place;

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use posthorn_http1::MAX_TARGET_BYTES;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub(crate) use accepted::AcceptedBody;
pub(crate) use code::Code;
pub(crate) use exceeded::Exceeded;
pub(crate) use field::{FieldCode, FieldProblem, HeaderRule};
pub(crate) use missing::Missing;

use crate::route::Route;
use crate::settings::{Locale, PublicUrl};
use crate::wire::language::insert_language;

/// The stable codes of errors, as metrics count rejected messages by them.
pub fn error_codes() -> impl Iterator<Item = &'static str> {
    Code::ALL.into_iter().map(Code::as_str)
}

/// The media type of a problem document.
pub(crate) const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The limits of actix-http on a head, in bytes and in headers.
const MAX_HEAD_BYTES: usize = 131_072;
const MAX_HEAD_FIELDS: usize = 96;

/// The maximum number of failing fields in a problem document: a request of 64 KiB can have thousands.
pub(crate) const MAX_FIELDS: usize = 100;

/// The error of a request, independent of the client's language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) code: Code,
    /// The failing fields of `validation-failed`.
    pub(crate) fields: Vec<FieldProblem>,
    /// `Retry-After` in seconds; at least 1.
    pub(crate) retry_after: Option<u64>,
    /// `Allow`.
    pub(crate) allow: Option<String>,
    /// The exceeded limit of `rate-limited`.
    pub(crate) exceeded: Option<Box<Exceeded>>,
    /// The status, if it is not the code's.
    pub(crate) status: Option<StatusCode>,
    /// `WWW-Authenticate`.
    pub(crate) challenge: Option<String>,
    /// The detail in Russian and in English, if it is not the code's.
    pub(crate) detail: Option<Box<(String, String)>>,
    /// The bodies that the route accepts, for `unsupported-media-type`.
    pub(crate) accepted: Option<AcceptedBody>,
    /// What failed in the server, for the log alone: no client sees it.
    pub(crate) cause: Option<Box<Cow<'static, str>>>,
}

/// A problem document (RFC 9457) with extension members.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "type": "/problems/validation-failed",
    "title": "Validation failed",
    "status": 400,
    "detail": "At least one field is invalid. All of them are listed in errors.",
    "instance": "/api/v1/message",
    "code": "validation-failed",
    "request_id": "019ab3c4-5d6e-7f80-9a1b-2c3d4e5f6a7b",
    "errors": [{"field": "message", "pointer": "/message", "code": "required", "message": "The field message is required."}]
}))]
pub(crate) struct Problem {
    /// The URL of a page that explains the code.
    #[schema(format = "uri-reference")]
    r#type: String,
    /// A summary of the code, in the client's language.
    title: &'static str,
    /// The HTTP status code.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// An explanation of this error, in the client's language.
    detail: String,
    /// The path of the request.
    #[schema(format = "uri-reference")]
    instance: String,
    /// The stable code of the error, for programs.
    code: Code,
    /// The id of the request, as in `X-Request-ID`.
    request_id: String,
    /// Every failing field of `validation-failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<FieldError>>,
    /// The exceeded limits of `rate-limited`, by their names in `RateLimit-Policy`.
    #[serde(rename = "violated-policies", skip_serializing_if = "Option::is_none")]
    violated_policies: Option<Vec<String>>,
    /// On the unversioned paths only: the error as the original service returned it, a text or, for
    /// validation, lists of texts by field.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    error: Option<Value>,
}

/// One failing field.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// The member, header, parameter or field; `attributes.KEY` for an attribute, `3.message` for a
    /// member of the fourth message of a batch.
    field: String,
    /// The JSON Pointer (RFC 6901) to the member of a JSON body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "json-pointer")]
    pointer: Option<String>,
    /// The stable code of the rule, for programs.
    code: &'static str,
    /// The rule, in the client's language.
    message: String,
}

impl ApiError {
    pub(crate) const fn new(code: Code) -> Self {
        Self {
            code,
            fields: Vec::new(),
            retry_after: None,
            allow: None,
            exceeded: None,
            status: None,
            challenge: None,
            detail: None,
            accepted: None,
            cause: None,
        }
    }

    /// The error of a server that failed because of `cause`, which only the log shows.
    pub(crate) fn caused_by(code: Code, cause: impl Into<Cow<'static, str>>) -> Self {
        Self {
            cause: Some(Box::new(cause.into())),
            ..Self::new(code)
        }
    }

    /// The error of a body of another media type than the route accepts.
    pub(crate) const fn unsupported_media_type(accepted: AcceptedBody) -> Self {
        let mut error = Self::new(Code::UnsupportedMediaType);
        error.accepted = Some(accepted);
        error
    }

    /// The error of a body that is not JSON, of a request with another method than POST.
    pub(crate) fn json_required() -> Self {
        let error = Self::unsupported_media_type(AcceptedBody::JsonByAnyMethod);
        error.with_detail(
            "Тип содержимого не принимается. Допустимые типы указаны в заголовке Accept.",
            "The media type is not accepted. The accepted ones are listed in the Accept header.",
        )
    }

    /// The error of a body with a content coding.
    pub(crate) fn unsupported_encoding() -> Self {
        let mut error = Self::new(Code::UnsupportedMediaType).with_detail(
            "Тело запроса принимается без сжатия: без заголовка Content-Encoding.",
            "Send the body without a content coding: without the header Content-Encoding.",
        );
        error.accepted = Some(AcceptedBody::Uncoded);
        error
    }

    /// The error with a detail of its own.
    pub(crate) fn with_detail(
        mut self,
        russian: impl Into<String>,
        english: impl Into<String>,
    ) -> Self {
        self.detail = Some(Box::new((russian.into(), english.into())));
        self
    }

    /// The error of failing fields; at least one.
    pub(crate) fn validation(fields: Vec<FieldProblem>) -> Self {
        Self {
            fields,
            ..Self::new(Code::ValidationFailed)
        }
    }

    /// The error of one failing field.
    pub(crate) fn field(field: &str, code: FieldCode) -> Self {
        Self::validation(vec![FieldProblem::new(field, code)])
    }

    /// The error of one failing member of a JSON body.
    pub(crate) fn member(name: &str, code: FieldCode) -> Self {
        Self::validation(vec![FieldProblem::member(&[name], code)])
    }

    /// The error of a client that exceeds a limit.
    pub(crate) fn rate_limited(exceeded: Exceeded) -> Self {
        Self {
            retry_after: Some(exceeded.seconds),
            exceeded: Some(Box::new(exceeded)),
            ..Self::new(Code::RateLimited)
        }
    }

    pub(crate) fn method_not_allowed(route: &Route) -> Self {
        Self {
            allow: Some(route.allow()),
            ..Self::new(Code::MethodNotAllowed)
        }
    }

    /// The error of a head that is too large (RFC 6585, 5).
    pub(crate) fn head_too_large() -> Self {
        let (bytes, fields) = (MAX_HEAD_BYTES, MAX_HEAD_FIELDS);
        let mut error = Self::new(Code::PayloadTooLarge).with_detail(
            format!("Строка запроса и заголовки вместе занимают не больше {bytes} байт, а заголовков не больше {fields}."),
            format!("The request line and the headers have at most {bytes} bytes together, and there are at most {fields} headers."),
        );
        error.status = Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        error
    }

    /// The error of a path with a query that is too long (RFC 9110, 15.5.15).
    pub(crate) fn target_too_long() -> Self {
        let bytes = MAX_TARGET_BYTES;
        let mut error = Self::new(Code::PayloadTooLarge).with_detail(
            format!("Путь с параметрами занимает не больше {bytes} байт."),
            format!("The path has at most {bytes} bytes together with its query."),
        );
        error.status = Some(StatusCode::URI_TOO_LONG);
        error
    }

    /// The error of a server whose `limit` is reached; a retry makes sense after a second.
    pub(crate) fn overloaded(limit: &'static str) -> Self {
        Self {
            retry_after: Some(1),
            ..Self::caused_by(Code::Overloaded, limit)
        }
    }

    /// The error of a server that does not respond in time to a request that has arrived.
    pub(crate) fn too_slow() -> Self {
        Self::overloaded("REQUEST_TIMEOUT").with_detail(
            "Сервер не успел ответить за отведённое время. Повторите запрос: заголовок Retry-After указывает, через \
             сколько секунд. Сообщение отправляйте с тем же Idempotency-Key.",
            "The server did not respond in time. Try again after the number of seconds in the Retry-After header. \
             Send a message with the same Idempotency-Key.",
        )
    }

    fn status(&self, legacy: bool) -> StatusCode {
        // The original responded to a wrong media type with 400.
        if legacy && self.code == Code::UnsupportedMediaType {
            StatusCode::BAD_REQUEST
        } else {
            self.status.unwrap_or_else(|| self.code.status())
        }
    }

    /// The response with the problem document; on a `legacy` path with the original's member `error`.
    pub(crate) fn response(
        &self,
        request_id: &str,
        locale: Locale,
        public_url: &PublicUrl,
        path: &str,
        legacy: bool,
    ) -> HttpResponse {
        let status = self.status(legacy);
        let mut response = self.head(status);
        response.insert_header((header::CONTENT_TYPE, CONTENT_TYPE));
        insert_language(&mut response, locale);
        let problem = self.problem(request_id, locale, public_url, path, legacy);
        // Texts and numbers always serialize.
        response.body(serde_json::to_vec(&problem).unwrap_or_default())
    }

    /// The head of the response, without the type of its body.
    fn head(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut response = HttpResponseBuilder::new(status);
        if let Some(seconds) = self.retry_after.or(self.code.retry_after()) {
            response.insert_header((header::RETRY_AFTER, seconds.max(1)));
        }
        if let Some(allow) = &self.allow {
            response.insert_header((header::ALLOW, allow.as_str()));
        }
        if let Some(challenge) = &self.challenge {
            response.insert_header((header::WWW_AUTHENTICATE, challenge.as_str()));
        }
        if let Some(accepted) = self.accepted {
            response.insert_header(accepted.header());
        }
        response
    }

    fn problem(
        &self,
        request_id: &str,
        locale: Locale,
        public_url: &PublicUrl,
        path: &str,
        legacy: bool,
    ) -> Problem {
        let errors = self.fields.iter().map(|problem| FieldError {
            field: problem.field.clone(),
            pointer: problem.pointer.clone(),
            code: problem.code.as_str(),
            message: problem.code.text(&problem.field, locale),
        });
        Problem {
            r#type: public_url.link(&format!("/problems/{}", self.code.as_str())),
            title: self.code.title(locale),
            status: self.status(legacy).as_u16(),
            detail: self.detail(locale),
            instance: instance::of(path),
            code: self.code,
            request_id: request_id.to_owned(),
            errors: (self.code == Code::ValidationFailed).then(|| errors.collect()),
            violated_policies: self
                .exceeded
                .as_ref()
                .map(|exceeded| exceeded.violated.clone()),
            error: legacy.then(|| self.original_error()),
        }
    }

    fn detail(&self, locale: Locale) -> String {
        match (&self.exceeded, self.detail.as_deref()) {
            (Some(exceeded), _) => exceeded.text(locale),
            (None, Some((russian, english))) => locale.pick(russian, english).clone(),
            (None, None) => self.code.detail(locale).to_owned(),
        }
    }

    /// The member `error` as the original service returned it.
    fn original_error(&self) -> Value {
        if self.fields.is_empty() {
            return Value::from(self.code.original());
        }
        let mut fields = Map::new();
        for FieldProblem { field, code, .. } in &self.fields {
            let texts = fields
                .entry(field.clone())
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(texts) = texts {
                texts.push(Value::from(code.original(field)));
            }
        }
        Value::Object(fields)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.as_str())
    }
}

/// Carries the error through actix-web to the outermost middleware, which writes the document.
impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.code.status())
    }
}

#[cfg(test)]
mod tests;
