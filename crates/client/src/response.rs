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
pub(crate) async fn read_body(response: Response) -> Result<Vec<u8>, ClientError> {
    read_at_most(MAX_BODY_BYTES, response).await
}

async fn read_at_most(bytes: usize, mut response: Response) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| convert_error(&e))? {
        if body.len() + chunk.len() > bytes {
            let text = format!("the response exceeds {bytes} bytes");
            return Err(ClientError::Local(text));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_the_bound() {
        let response = || Response::from(http::Response::new("12345"));
        assert_eq!(read_at_most(5, response()).await.unwrap(), b"12345");
        let Err(ClientError::Local(text)) = read_at_most(4, response()).await else {
            panic!("a longer body was read");
        };
        assert_eq!(text, "the response exceeds 4 bytes");
    }
}
