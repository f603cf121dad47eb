//! Refused access as an error with the challenge of RFC 6750, 3.

use posthorn_application::{Refusal, TokenError};
use posthorn_domain::{Scope, Timestamp};

use crate::middleware::rate_limit::outcome::RateLimitOutcome;
use crate::middleware::rejection::RequestRejection;
use crate::wire::problem::{ApiError, Code};

const REALM: &str = "Bearer realm=\"posthorn\"";

/// The rejection for a refusal that was decided `now`.
pub(super) fn of(refusal: Refusal, now: Timestamp) -> RequestRejection {
    let error = match refusal {
        Refusal::Missing(scope) => ApiError {
            challenge: Some(format!("{REALM}, scope=\"{scope}\"")),
            ..ApiError::new(Code::Unauthorized)
        },
        Refusal::Invalid(error) => invalid(russian(error).to_owned(), error.to_string()),
        Refusal::Revoked => invalid(
            "токен отозван".to_owned(),
            "the token was revoked".to_owned(),
        ),
        Refusal::Scope(scope) => forbidden(
            scope,
            format!("У токена нет права {scope}."),
            format!("The token lacks the scope {scope}."),
        ),
        Refusal::Topic(scope, topic) => forbidden(
            scope,
            format!("Токен не даёт права {scope} на тему {topic}."),
            format!("The token does not permit {scope} on the topic {topic}."),
        ),
        Refusal::Throttled(decision) => {
            let outcome = RateLimitOutcome::of_auth_failures(decision, now);
            return RequestRejection::of(outcome);
        }
        Refusal::Unavailable(error) => error.into(),
    };
    error.into()
}

/// The token is invalid; the reasons have no full stop.
fn invalid(russian: String, english: String) -> ApiError {
    let challenge = format!("{REALM}, error=\"invalid_token\", error_description=\"{english}\"");
    ApiError {
        challenge: Some(challenge),
        detail: Some(Box::new((
            format!("Токен недействителен: {russian}."),
            format!("The token is invalid: {english}."),
        ))),
        ..ApiError::new(Code::Unauthorized)
    }
}

/// The token is valid but does not permit the request.
fn forbidden(scope: Scope, russian: String, english: String) -> ApiError {
    let challenge = format!("{REALM}, error=\"insufficient_scope\", scope=\"{scope}\"");
    ApiError {
        challenge: Some(challenge),
        detail: Some(Box::new((russian, english))),
        ..ApiError::new(Code::Forbidden)
    }
}

fn russian(error: TokenError) -> &'static str {
    match error {
        TokenError::TooLong => "он слишком длинный",
        TokenError::Malformed => "он повреждён",
        TokenError::Algorithm => "он подписан не алгоритмом HS256",
        TokenError::Signature => "подпись неверна",
        TokenError::Expired => "срок действия истёк",
        TokenError::NotYet => "срок действия ещё не начался",
        TokenError::TooLongLived => "срок действия больше допустимого",
        TokenError::Audience => "он выдан для другого сервиса",
        TokenError::Claim(_) => "обязательное поле отсутствует или неверно",
    }
}
