//! Asking a server to revoke a token.

use std::time::Duration;

use posthorn_domain::{Timestamp, TokenId};

use super::{ClientError, Server, explain, transport};

/// The bound on the whole question.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks `server`, whose token permits it, to revoke the token called `id`, which ends at
/// `expires_at` if that is known.
pub(crate) async fn revoke(
    server: &Server,
    id: &TokenId,
    expires_at: Option<Timestamp>,
) -> Result<(), ClientError> {
    let mut endpoint = server.endpoint(&format!("api/v1/tokens/{id}"))?;
    if let Some(end) = expires_at {
        // Rounded up: a second too long does no harm.
        let seconds = end.as_millis().div_ceil(1000);
        endpoint.set_query(Some(&format!("exp={seconds}")));
    }
    let client = server.client(None)?;
    match client.delete(endpoint).timeout(TIMEOUT).send().await {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => Err(ClientError::Refused(explain(response).await)),
        Err(error) if error.is_connect() => Err(ClientError::Unreachable(
            server.url.to_string(),
            transport(&error),
        )),
        Err(error) => Err(ClientError::Local(transport(&error))),
    }
}
