//! Reads the body of a response, within a bound.

use reqwest::Response;

use crate::error::ClientError;
use crate::transport::convert_error;

/// The largest body that is read: more than a page of the longest messages that a server accepts.
const MAX_BODY_BYTES: usize = 256 << 20;

/// Reads the whole body.
///
/// # Errors
/// Retryable if the connection was cut; local if the body exceeds 256 MiB.
pub(crate) async fn read_body(mut response: Response) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| convert_error(&e))? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            let text = format!("the response exceeds {MAX_BODY_BYTES} bytes");
            return Err(ClientError::Local(text));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
