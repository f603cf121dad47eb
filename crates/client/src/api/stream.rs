//! `GET /api/v1/topics/{topic}/stream`.

use posthorn_domain::Topic;
use reqwest::Response;
use reqwest::header::{ACCEPT, CONTENT_TYPE};

use super::client::{ApiClient, header};
use crate::error::ClientError;
use crate::sse::FrameStream;

const MEDIA_TYPE: &str = "text/event-stream";

impl ApiClient {
    /// Opens the stream of a topic: right after the message `last_id`, else with the messages
    /// accepted `since` a time or a duration back, else with the next message that is accepted.
    pub async fn open_stream(
        &self,
        topic: &Topic,
        last_id: Option<&str>,
        since: Option<&str>,
    ) -> Result<FrameStream, ClientError> {
        let mut url = self.url(&format!("topics/{topic}/stream"))?;
        if let Some(since) = since.filter(|_| last_id.is_none()) {
            url.query_pairs_mut().append_pair("since", since);
        }
        let mut request = self.http.get(url).header(ACCEPT, MEDIA_TYPE);
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", header("--after", id)?);
        }
        let response = self.send(request).await?;
        check_media_type(&response)?;
        Ok(FrameStream::new(response))
    }
}

/// Rejects a response of another media type: the address leads to another server.
fn check_media_type(response: &Response) -> Result<(), ClientError> {
    let media_type = response.headers().get(CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(MEDIA_TYPE) {
        return Ok(());
    }
    Err(ClientError::UnexpectedResponse {
        expected: "an event stream",
        found: format!("{} and `{media_type}`", response.status().as_u16()),
    })
}
