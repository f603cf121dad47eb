//! The revocation of tokens.

use actix_web::{HttpRequest, HttpResponse, web};
use posthorn_domain::TokenId;

use crate::request::audit::{AuditAction, AuditEvent, AuditOutcome};
use crate::state::AppState;
use crate::wire::problem::{ApiError, Code};
use crate::wire::query::Query;
use crate::wire::responses::{AccessFailures, Failures, ReadFailures};

/// Revokes a token: every process rejects it within five seconds.
#[utoipa::path(delete, path = "/api/v1/tokens/{jti}", tag = "tokens",
    params(("jti" = String, Path, description = "The token's id", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ("exp" = Option<u64>, Query, minimum = 0, maximum = 281_474_976_710_u64,
            description = "The token's `exp`, in seconds since 1970; the revocation is kept for \
                the longest lifetime of a token, and until then if that is later")),
    responses((status = 204, description = "The token is revoked; whether it was ever issued is not checked"),
        ReadFailures, AccessFailures, Failures))]
pub(crate) async fn revoke_token(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let id = request.match_info().query("jti");
    let id = TokenId::parse(id).map_err(|_| ApiError::new(Code::NotFound))?;
    let mut query = Query::parse(request.query_string(), &["exp"]);
    let expires_at = query.time("exp");
    query.finish()?;
    let event = AuditEvent::start(&request, AuditAction::RevokeToken, id.to_string());
    state.services.access.revoke(&id, expires_at).await?;
    event.finish(AuditOutcome::Done);
    Ok(HttpResponse::NoContent().finish())
}
