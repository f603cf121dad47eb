//! Receivers of webhooks whose responses the tests choose, and the other fakes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{
    AttemptOutcome, OpenedPrivate, RetryAfter, VaultError, WebhookEncoder, WebhookEndpoint,
    WebhookEvent, WebhookObserver, WebhookReply, WebhookSendError, WebhookSender, WebhookVault,
};
use posthorn_domain::{
    ConsumerKey, DisableReason, Message, Timestamp, Topic, WebhookFormat, WebhookPrivate,
    WebhookSettings,
};
use tokio::sync::watch;

/// How a receiver responds.
#[derive(Clone, Debug)]
pub(crate) enum Response {
    Status(u16),
    RetryAfter(u16, RetryAfter),
    Error(WebhookSendError),
    /// No response until [`Receivers::release`], then this status.
    Hang(u16),
}

/// A request that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) host: String,
    pub(crate) event: WebhookEvent,
    /// The number of secrets that signed it.
    pub(crate) signatures: usize,
}

/// All receivers, by the host of their URL. One without a response of its own responds 200.
#[derive(Clone)]
pub(crate) struct Receivers {
    responses: Arc<Mutex<HashMap<String, Response>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
    under_way: Arc<Mutex<Vec<String>>>,
    released: watch::Sender<bool>,
}

impl Receivers {
    pub(crate) fn new() -> Self {
        Self {
            responses: Arc::default(),
            sent: Arc::default(),
            under_way: Arc::default(),
            released: watch::Sender::new(false),
        }
    }

    pub(crate) fn respond(&self, host: &str, response: Response) {
        self.responses
            .lock()
            .unwrap()
            .insert(host.to_owned(), response);
    }

    fn response(&self, host: &str) -> Response {
        let responses = self.responses.lock().unwrap();
        responses
            .get(host)
            .cloned()
            .unwrap_or(Response::Status(200))
    }

    /// Lets all hanging requests end.
    pub(crate) fn release(&self) {
        self.released.send_replace(true);
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// The ids that were sent to `host`, in order.
    pub(crate) fn sent_to(&self, host: &str) -> Vec<String> {
        let sent = self.sent();
        let of_host = sent.into_iter().filter(|sent| sent.host == host);
        of_host.map(|sent| sent.event.id).collect()
    }
}

impl Receivers {
    /// The number of requests to `host` that have not ended.
    pub(crate) fn under_way(&self, host: &str) -> usize {
        let prefix = format!("{host} ");
        let under_way = self.under_way.lock().unwrap();
        under_way
            .iter()
            .filter(|attempt| attempt.starts_with(&prefix))
            .count()
    }
}

struct FakeEndpoint {
    receivers: Receivers,
    host: String,
    private: WebhookPrivate,
}

/// Ends an attempt also when its future is dropped.
struct UnderWay<'a>(&'a Receivers, String);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.lock().unwrap().retain(|id| *id != self.1);
    }
}

#[async_trait]
impl WebhookEndpoint for FakeEndpoint {
    async fn send(&self, event: WebhookEvent) -> Result<WebhookReply, WebhookSendError> {
        let attempt = format!("{} {}", self.host, event.id);
        let under_way = &self.receivers.under_way;
        let is_double = under_way.lock().unwrap().contains(&attempt);
        assert!(!is_double, "two attempts at once: {attempt}");
        under_way.lock().unwrap().push(attempt.clone());
        let _under_way = UnderWay(&self.receivers, attempt);
        let signatures = self.private.signing_secrets(event.at).count();
        let host = self.host.clone();
        self.receivers.sent.lock().unwrap().push(Sent {
            host,
            event,
            signatures,
        });
        let response = self.receivers.response(&self.host);
        let reply = |status, retry_after| {
            Ok(WebhookReply {
                status,
                retry_after,
            })
        };
        match response {
            Response::Status(status) => reply(status, None),
            Response::RetryAfter(status, wait) => reply(status, Some(wait)),
            Response::Error(error) => Err(error),
            Response::Hang(status) => {
                let mut released = self.receivers.released.subscribe();
                let _ = released.wait_for(|released| *released).await;
                reply(status, None)
            }
        }
    }
}

impl WebhookSender for Receivers {
    fn endpoint(
        &self,
        settings: &WebhookSettings,
        private: &WebhookPrivate,
    ) -> Arc<dyn WebhookEndpoint> {
        Arc::new(FakeEndpoint {
            receivers: self.clone(),
            host: settings.url.as_url().host_str().unwrap().to_owned(),
            private: private.clone(),
        })
    }
}

/// Keeps what is sealed; a record is its number.
pub(crate) struct FakeVault {
    pub(crate) is_lasting: bool,
    sealed: Mutex<Vec<WebhookPrivate>>,
    /// Records below this number are of the previous key, those below the second are lost.
    pub(crate) stale_below: Mutex<(usize, usize)>,
}

impl FakeVault {
    pub(crate) fn new() -> Self {
        Self {
            is_lasting: true,
            sealed: Mutex::default(),
            stale_below: Mutex::default(),
        }
    }

    /// How many records were sealed.
    pub(crate) fn count(&self) -> usize {
        self.sealed.lock().unwrap().len()
    }
}

impl WebhookVault for FakeVault {
    fn is_lasting(&self) -> bool {
        self.is_lasting
    }

    fn seal(&self, _: &ConsumerKey, private: &WebhookPrivate) -> Result<Vec<u8>, VaultError> {
        let mut sealed = self.sealed.lock().unwrap();
        sealed.push(private.clone());
        Ok((sealed.len() - 1).to_le_bytes().to_vec())
    }

    fn open(&self, _: &ConsumerKey, sealed: &[u8]) -> Result<OpenedPrivate, VaultError> {
        let number = usize::from_le_bytes(sealed.try_into().unwrap());
        let (stale, lost) = *self.stale_below.lock().unwrap();
        if number < lost {
            return Err(VaultError::Sealed);
        }
        let private = self.sealed.lock().unwrap()[number].clone();
        let is_stale = number < stale;
        Ok(OpenedPrivate { private, is_stale })
    }
}

/// Writes ids instead of JSON.
pub(crate) struct FakeEncoder;

impl WebhookEncoder for FakeEncoder {
    fn message(&self, message: &Message, _: WebhookFormat) -> Vec<u8> {
        message.id.to_string().into_bytes()
    }

    fn test(&self, key: &ConsumerKey, _: Timestamp, _: WebhookFormat) -> Vec<u8> {
        format!("test of {}", key.name).into_bytes()
    }

    fn source(&self, topic: &Topic) -> String {
        format!("/topics/{topic}")
    }
}

#[derive(Default)]
pub(crate) struct Observed {
    pub(crate) attempts: Mutex<Vec<AttemptOutcome>>,
    pub(crate) disabled: Mutex<Vec<DisableReason>>,
}

impl WebhookObserver for Observed {
    fn attempted(&self, outcome: AttemptOutcome, _: Duration) {
        self.attempts.lock().unwrap().push(outcome);
    }

    fn disabled(&self, reason: DisableReason) {
        self.disabled.lock().unwrap().push(reason);
    }
}
