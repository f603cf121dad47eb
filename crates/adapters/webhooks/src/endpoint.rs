//! The requests of one webhook.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{
    WebhookEndpoint, WebhookEvent, WebhookEventKind, WebhookReply, WebhookSendError,
};
use posthorn_domain::{WebhookFormat, WebhookPrivate, WebhookSettings};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Request, Response, StatusCode, Url};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::failure;
use crate::retry_after;
use crate::settings::HttpSenderSettings;
use crate::signer::Signer;

/// The most bytes of a response's body that are read.
const MAX_BODY_BYTES: usize = 4_096;
/// How long an idle connection is kept. Receivers commonly close theirs after a minute or more.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the rest of a response is awaited, so that its connection can be used again.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const CE_SPECVERSION: HeaderName = HeaderName::from_static("ce-specversion");
const CE_ID: HeaderName = HeaderName::from_static("ce-id");
const CE_TYPE: HeaderName = HeaderName::from_static("ce-type");
const CE_SOURCE: HeaderName = HeaderName::from_static("ce-source");
const CE_TRACEPARENT: HeaderName = HeaderName::from_static("ce-traceparent");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// One webhook, with its URL, header fields and keys parsed.
pub(crate) struct HttpEndpoint {
    client: Client,
    /// The permits of all requests of the process.
    requests: Arc<Semaphore>,
    url: Url,
    /// The header fields that all requests share.
    headers: HeaderMap,
    format: WebhookFormat,
    timeout: Duration,
    signer: Signer,
    /// When the receiver responded last.
    responded_at: Mutex<Option<Instant>>,
    /// True if the requests go through a proxy.
    has_proxy: bool,
    /// Why nothing is sent to this URL.
    refusal: Option<WebhookSendError>,
}

impl HttpEndpoint {
    pub(crate) fn new(
        (client, requests): (Client, Arc<Semaphore>),
        sender: &HttpSenderSettings,
        settings: &WebhookSettings,
        private: &WebhookPrivate,
    ) -> Self {
        Self {
            client,
            requests,
            url: settings.url.as_url().clone(),
            headers: shared_headers(settings.format, private),
            format: settings.format,
            timeout: settings.timeout.get(),
            signer: Signer::new(private),
            responded_at: Mutex::default(),
            has_proxy: sender.proxy.is_some(),
            refusal: refusal(sender, settings),
        }
    }

    async fn execute(
        &self,
        request: Request,
        deadline: Instant,
    ) -> Result<Response, WebhookSendError> {
        let executed = timeout_at(deadline, self.client.execute(request)).await;
        self.received(executed.map_err(|_| WebhookSendError::Timeout)?)
    }

    /// True if a request at `now` may have had a connection of an earlier one. The receiver may close that at any time,
    /// so its end says nothing: one more request decides. The receiver knows a repeat by its `webhook-id`.
    fn may_be_kept(&self, now: Instant) -> bool {
        let responded = *self.lock_responded();
        responded.is_some_and(|at| now.saturating_duration_since(at) <= IDLE_TIMEOUT)
    }

    fn lock_responded(&self) -> MutexGuard<'_, Option<Instant>> {
        let responded = self.responded_at.lock();
        responded.unwrap_or_else(PoisonError::into_inner)
    }

    /// What the response is, or why there is none.
    fn received(
        &self,
        response: Result<Response, reqwest::Error>,
    ) -> Result<Response, WebhookSendError> {
        let is_tunneled = self.url.scheme() == "https";
        match response {
            // Only a proxy that reads the requests responds in place of the receiver.
            Ok(response)
                if self.has_proxy
                    && !is_tunneled
                    && response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED =>
            {
                Err(failure::proxy_unauthorized())
            }
            Ok(response) => Ok(response),
            Err(error) if self.has_proxy => Err(failure::convert_of_proxy(&error, is_tunneled)),
            Err(error) => Err(failure::convert(&error)),
        }
    }

    fn request(&self, event: WebhookEvent) -> Result<Request, WebhookSendError> {
        let seconds = (event.at.as_millis() / 1_000).to_string();
        let signature = self.signer.sign(&event.id, &seconds, &event.body, event.at);
        let mut request = Request::new(Method::POST, self.url.clone());
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        if self.format == WebhookFormat::CloudEvents {
            headers.insert(CE_ID, value(&event.id)?);
            headers.insert(CE_TYPE, HeaderValue::from_static(ce_type(event.kind)));
            headers.insert(CE_SOURCE, value(&event.source)?);
            if let Some(traceparent) = &event.traceparent {
                headers.insert(CE_TRACEPARENT, value(traceparent.as_str())?);
            }
        }
        headers.insert(WEBHOOK_ID, value(&event.id)?);
        headers.insert(WEBHOOK_TIMESTAMP, value(&seconds)?);
        headers.insert(WEBHOOK_SIGNATURE, value(&signature)?);
        let traceparent = event.request_traceparent.or(event.traceparent);
        if let Some(traceparent) = traceparent {
            headers.insert(TRACEPARENT, value(traceparent.as_str())?);
        }
        *request.body_mut() = Some(event.body.into());
        Ok(request)
    }
}

#[async_trait]
impl WebhookEndpoint for HttpEndpoint {
    async fn send(&self, event: WebhookEvent) -> Result<WebhookReply, WebhookSendError> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let request = self.request(event)?;
        let start = Instant::now();
        let deadline = start.checked_add(self.timeout).unwrap_or(start);
        let turn = start.checked_add(self.timeout / 2).unwrap_or(start);
        let Ok(Ok(_permit)) = timeout_at(turn, self.requests.acquire()).await else {
            return Err(WebhookSendError::Exhausted);
        };
        // Over everything: the look-up, the connection, the request and the head of the response.
        // Dropping the execution closes its connection.
        let again = request.try_clone();
        let mut executed = self.execute(request, deadline).await;
        if let (Err(WebhookSendError::Closed), Some(again), true) =
            (&executed, again, self.may_be_kept(start))
        {
            executed = self.execute(again, deadline).await;
        }
        let response = executed?;
        *self.lock_responded() = Some(Instant::now());
        let reply = WebhookReply {
            status: response.status().as_u16(),
            retry_after: retry_after(&response),
        };
        // The status decides alone. A body that is long, slow or broken costs only its connection.
        let now = Instant::now();
        let drained = now.checked_add(DRAIN_TIMEOUT).unwrap_or(now).min(deadline);
        let _ = timeout_at(drained, drain(response)).await;
        Ok(reply)
    }
}

/// Why nothing is sent to this URL: its scheme, or the address in it.
fn refusal(sender: &HttpSenderSettings, settings: &WebhookSettings) -> Option<WebhookSendError> {
    if sender.https_only && !settings.url.is_https() {
        return Some(WebhookSendError::Insecure);
    }
    let address = settings.url.address()?;
    let checked = sender.addresses.check(address);
    checked.err().map(WebhookSendError::Forbidden)
}

fn shared_headers(format: WebhookFormat, private: &WebhookPrivate) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in private.headers.iter() {
        // Both were checked when the webhook was set.
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(mut value)) = (name, HeaderValue::from_str(value)) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if format == WebhookFormat::CloudEvents {
        headers.insert(CE_SPECVERSION, HeaderValue::from_static("1.0"));
    }
    headers
}

const fn ce_type(kind: WebhookEventKind) -> &'static str {
    match kind {
        WebhookEventKind::MessageAccepted => "posthorn.message.accepted",
        WebhookEventKind::Test => "posthorn.webhook.test",
    }
}

fn value(text: &str) -> Result<HeaderValue, WebhookSendError> {
    HeaderValue::from_str(text)
        .map_err(|_| WebhookSendError::Failed("a header value is invalid".to_owned()))
}

fn retry_after(response: &Response) -> Option<posthorn_application::RetryAfter> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    retry_after::parse(value)
}

/// Reads the body to its end, or drops the connection after [`MAX_BODY_BYTES`].
async fn drain(mut response: Response) {
    let length = response.content_length();
    let is_short = |bytes| usize::try_from(bytes).is_ok_and(|bytes| bytes <= MAX_BODY_BYTES);
    if !length.is_none_or(is_short) {
        return;
    }
    let mut read = 0_usize;
    while let Ok(Some(chunk)) = response.chunk().await {
        read = read.saturating_add(chunk.len());
        if read > MAX_BODY_BYTES {
            return;
        }
    }
}
