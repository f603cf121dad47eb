//! The newest messages of the inbox as part of the page, so that they are shown before its scripts are loaded, and
//! without scripts.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::rt::time::timeout;
use posthorn_application::{Action, Anchor, PageLimit, PageRequest};
use posthorn_domain::{Attributes, Message, Topic};

use crate::middleware::rate_limit;
use crate::route::TOPIC_MESSAGES;
use crate::state::AppState;
use crate::wire::time::rfc3339;

/// The most bytes of texts and attributes. A longer list is cut: the script loads the rest.
const MAX_BYTES: usize = 32 * 1024;
/// How long the page waits for the store.
const MAX_WAIT: Duration = Duration::from_millis(200);

/// The newest messages of a topic.
pub(super) struct GivenPage {
    pub(super) topic: Topic,
    /// The newest first.
    pub(super) messages: Vec<GivenMessage>,
    /// True if there are older ones.
    pub(super) has_more: bool,
}

pub(super) struct GivenMessage {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) time: String,
    pub(super) attributes: Attributes,
    pub(super) traceparent: Option<String>,
}

/// The newest messages of the inbox; `None` if reading needs a token, exceeds the client's quota, or fails or takes long:
/// the page is served all the same.
pub(super) async fn given_page(request: &HttpRequest, state: &AppState) -> Option<GivenPage> {
    if state.services.access.policy().needs(Action::Read).is_some() {
        return None;
    }
    let scope = TOPIC_MESSAGES.quota_scope(&Method::GET)?;
    let counted = rate_limit::check_many(scope, state, request, 1).await;
    // The page itself is exempt, so it describes no limits.
    rate_limit::take_outcome(request);
    counted.ok()?;
    timeout(MAX_WAIT, read(state, Topic::inbox())).await.ok()?
}

async fn read(state: &AppState, topic: Topic) -> Option<GivenPage> {
    let _permit = state.page_permits.acquire().await;
    let page = PageRequest {
        anchor: Anchor::Newest,
        limit: PageLimit::DEFAULT,
    };
    let page = state.services.messages.list(&topic, page).await.ok()?;
    let mut bytes = 0;
    let newest_first = page.messages.iter().rev();
    let fitting = newest_first.take_while(|message| {
        bytes += size(message);
        bytes <= MAX_BYTES
    });
    let messages: Vec<_> = fitting
        .map(|message| GivenMessage {
            id: message.id.to_string(),
            text: message.content.as_str().to_owned(),
            time: rfc3339(message.processed_at),
            attributes: message.attributes.clone(),
            traceparent: message.traceparent.as_ref().map(ToString::to_string),
        })
        .collect();
    let has_more = page.has_older || messages.len() < page.messages.len();
    // One message that is too long is left to the script: an empty list would say that there is none.
    (!messages.is_empty() || !has_more).then_some(GivenPage {
        topic,
        messages,
        has_more,
    })
}

fn size(message: &Message) -> usize {
    let attributes = message.attributes.iter();
    let attributes: usize = attributes.map(|(key, value)| key.len() + value.len()).sum();
    message.content.as_str().len() + attributes
}
