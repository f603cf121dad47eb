//! The path of a request and the values in it.

use actix_web::HttpRequest;
use posthorn_domain::{ConsumerKey, ConsumerKind, ConsumerName, MessageId, Topic};

use crate::request::context;
use crate::wire::problem::{ApiError, Missing};

/// The path as the router sees it: characters that were percent-encoded needlessly, such as the `a`
/// in `/%61pi/ping`, are decoded. Every decision about a path must use this one.
pub(crate) fn routed_path(request: &HttpRequest) -> &str {
    request.match_info().as_str()
}

/// The topic of the path; `None` if there is none, or no topic can have this name.
pub(crate) fn topic(request: &HttpRequest) -> Option<Topic> {
    let parse = || request.match_info().get("topic")?.parse().ok();
    context::of(request).topic.get_or_init(parse).clone()
}

/// The topic of the path.
///
/// # Errors
/// `not-found`: no topic can have this name.
pub(crate) fn existing_topic(request: &HttpRequest) -> Result<Topic, ApiError> {
    topic(request).ok_or_else(|| Missing::TopicName.into())
}

/// The consumer of the path.
///
/// # Errors
/// `not-found`: no consumer can have this name.
pub(crate) fn consumer(request: &HttpRequest) -> Result<ConsumerKey, ApiError> {
    key(request, ConsumerKind::Consumer, "consumer")
}

/// The webhook of the path.
///
/// # Errors
/// `not-found`: no webhook can have this name.
pub(crate) fn webhook(request: &HttpRequest) -> Result<ConsumerKey, ApiError> {
    key(request, ConsumerKind::Webhook, "webhook")
}

/// The consumer or webhook whose name is in the segment `segment`.
fn key(request: &HttpRequest, kind: ConsumerKind, segment: &str) -> Result<ConsumerKey, ApiError> {
    let name = request.match_info().query(segment);
    Ok(ConsumerKey {
        topic: existing_topic(request)?,
        kind,
        name: ConsumerName::parse(name).map_err(|_| Missing::ConsumerName)?,
    })
}

/// The path of a consumer or a webhook.
pub(crate) fn consumer_path(key: &ConsumerKey) -> String {
    let ConsumerKey { topic, kind, name } = key;
    format!("/api/v1/topics/{topic}/{}s/{name}", kind.as_str())
}

/// The message id of the path.
///
/// # Errors
/// `not-found`: no message can have this id.
pub(crate) fn message_id(request: &HttpRequest) -> Result<MessageId, ApiError> {
    let id = request.match_info().query("id");
    id.parse().map_err(|_| Missing::MessageId.into())
}
