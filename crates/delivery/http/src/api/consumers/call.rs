//! A call on one consumer: its key from the path, and its JSON body.

use actix_web::{HttpRequest, web};
use posthorn_domain::ConsumerKey;

use crate::request::{body, path};
use crate::state::AppState;
use crate::wire::problem::ApiError;

/// Reads the consumer and the body of a call; `parse` makes the domain's values of the body.
///
/// # Errors
/// Those of the path, of reading the body, and of `parse`.
pub(super) async fn read<T>(
    request: &HttpRequest,
    payload: web::Payload,
    state: &AppState,
    parse: impl FnOnce(&[u8]) -> Result<T, ApiError>,
) -> Result<(ConsumerKey, T), ApiError> {
    let key = path::consumer(request)?;
    let values = body::parse_json(request, payload, state, parse).await?;
    Ok((key, values))
}
