//! `DELETE /api/v1/tokens/{id}`.

use posthorn_domain::{Timestamp, TokenId};

use super::client::ApiClient;
use crate::error::ClientError;

impl ApiClient {
    /// Revokes the token `id`, which expires at `expires_at` if that is known. The token of this
    /// client must permit it.
    pub async fn revoke_token(
        &self,
        id: &TokenId,
        expires_at: Option<Timestamp>,
    ) -> Result<(), ClientError> {
        let mut url = self.url(&format!("tokens/{id}"))?;
        if let Some(end) = expires_at {
            // Rounded up: a second too long does no harm.
            let seconds = end.as_millis().div_ceil(1000);
            url.set_query(Some(&format!("exp={seconds}")));
        }
        self.call(self.http.delete(url)).await.map(drop)
    }
}
