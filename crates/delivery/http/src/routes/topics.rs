//! Reading messages back: topics, pages, one message, and its deletion.

mod query;

pub(crate) use query::Query;

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use posthorn_application::{Anchor, Page, PageLimit, PageRequest, TopicRequest};
use posthorn_domain::{Message, MessageId, Topic};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access;
use crate::audit::{Deed, Entry, Outcome};
use crate::openapi::{AccessFailures, Failures, ReadFailures};
use crate::problem::{ApiError, Code};
use crate::state::State;
use crate::time::rfc3339;

/// A stored message never changes, so whoever holds it need not ask again.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// The step of an id's time.
const MILLISECOND: Duration = Duration::from_millis(1);

/// A stored message.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageAnswer<'a> {
    /// The message's id, a ULID; ids of a topic sort in store order.
    #[schema(
        min_length = 26,
        max_length = 26,
        example = "01KATQ2J00000000000000001F"
    )]
    id: String,
    /// Where it is.
    topic: &'a str,
    /// Its text.
    message: &'a str,
    /// What else the sender said about it.
    attributes: BTreeMap<&'a str, &'a str>,
    /// When the store accepted it.
    #[schema(format = "date-time")]
    processed_at: String,
}

/// A page of messages.
#[derive(Serialize, ToSchema)]
pub(crate) struct PageAnswer<'a> {
    /// The messages, in the order that was asked for.
    messages: Vec<MessageAnswer<'a>>,
    /// The page that follows in that order, as a relative URL; `null` after the last one.
    next: Option<String>,
    /// The page before in that order, as a relative URL; `null` before the first one.
    prev: Option<String>,
    /// Whether retention removed a message that came after `after`, so that the page does not join on.
    truncated: bool,
}

/// The topics that hold messages.
#[derive(Serialize, ToSchema)]
pub(crate) struct TopicsAnswer {
    /// The topics, in the order of their names.
    topics: Vec<TopicAnswer>,
    /// The page that follows, as a relative URL; `null` after the last one. A page of a token that
    /// does not permit all topics may be short, or empty, and not the last one.
    next: Option<String>,
}

/// One topic.
#[derive(Serialize, ToSchema)]
pub(crate) struct TopicAnswer {
    /// Its name.
    topic: String,
    /// How many messages it holds.
    count: u64,
    /// The id of its oldest message.
    first_id: String,
    /// The id of its newest message.
    last_id: String,
}

/// Lists the topics that hold messages; with a token those that it permits.
#[utoipa::path(get, path = "/api/v1/topics", tag = "messages",
    params(("after" = Option<String>, Query, description = "List names after this one",
            pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "50 when absent")),
    responses((status = 200, body = TopicsAnswer), ReadFailures, AccessFailures, Failures))]
pub(crate) async fn list_topics(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let mut query = Query::parse(request.query_string(), &["after", "limit"]);
    let after = query.topic("after");
    let limit = query.limit();
    query.finish()?;
    let (messages, wanted) = (&state.services.messages, TopicRequest { after, limit });
    let grant = access::grant(&request);
    let listing = if grant.covers_all() {
        messages.topics(wanted).await?
    } else {
        let is_visible = |topic: &Topic| grant.covers(topic);
        messages.visible_topics(wanted, is_visible).await?
    };
    let next = listing.next;
    let next = next.map(|after| format!("/api/v1/topics?after={after}&limit={}", limit.get()));
    let mut answer = HttpResponse::Ok();
    insert_links(&mut answer, next.as_deref(), None);
    let topics = listing.topics.iter().map(|summary| TopicAnswer {
        topic: summary.topic.to_string(),
        count: summary.count,
        first_id: summary.first.to_string(),
        last_id: summary.last.to_string(),
    });
    let topics = topics.collect();
    Ok(answer.json(TopicsAnswer { topics, next }))
}

/// Reads a page of a topic's messages.
#[utoipa::path(get, path = "/api/v1/topics/{topic}/messages", tag = "messages",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("after" = Option<String>, Query, description = "The messages right after this id; excludes `before`",
            min_length = 26, max_length = 26),
        ("before" = Option<String>, Query, description = "The messages right before this id",
            min_length = 26, max_length = 26),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "50 when absent"),
        ("order" = Option<String>, Query, pattern = "^(asc|desc)$",
            description = "Oldest first (`asc`, the default) or newest first")),
    responses((status = 200, body = PageAnswer<'static>), ReadFailures, AccessFailures, Failures))]
pub(crate) async fn list_messages(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let topic = topic_of(&request)?;
    let known = ["after", "before", "limit", "order"];
    let mut query = Query::parse(request.query_string(), &known);
    let (after, before) = (query.id("after"), query.id("before"));
    let limit = query.limit();
    let newest_first = query.newest_first();
    query.exclude("after", "before");
    query.finish()?;
    let anchor = match (after, before) {
        (Some(id), _) => Anchor::After(id),
        (None, Some(id)) => Anchor::Before(id),
        (None, None) if newest_first => Anchor::Newest,
        (None, None) => Anchor::Oldest,
    };
    let page = state
        .services
        .messages
        .list(&topic, PageRequest { anchor, limit })
        .await?;
    let links = Links {
        topic: &topic,
        limit,
        newest_first,
    };
    let (next, prev) = links.of(&page, anchor);
    let mut answer = HttpResponse::Ok();
    insert_links(&mut answer, next.as_deref(), prev.as_deref());
    let mut messages: Vec<_> = page
        .messages
        .iter()
        .map(|message| message_answer(message))
        .collect();
    if newest_first {
        messages.reverse();
    }
    Ok(answer.json(PageAnswer {
        messages,
        next,
        prev,
        truncated: page.truncated,
    }))
}

/// Reads one message.
#[utoipa::path(get, path = "/api/v1/topics/{topic}/messages/{id}", tag = "messages",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("id" = String, Path, min_length = 26, max_length = 26),
        ("If-None-Match" = Option<String>, Header, description = "Entity tags the client holds")),
    responses((status = 200, body = MessageAnswer<'static>, headers(("ETag" = String, description = "The id, quoted"))),
        (status = 304, description = "The client holds it"), ReadFailures, AccessFailures, Failures))]
pub(crate) async fn get_message(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (topic, id) = (topic_of(&request)?, id_of(&request)?);
    let message = state.services.messages.get(&topic, id).await?;
    let message = message.ok_or_else(|| ApiError::new(Code::NotFound))?;
    let tag = format!("\"{id}\"");
    let is_held = matches_tag(request.headers(), &tag);
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, IMMUTABLE));
    if is_held {
        return Ok(answer.status(StatusCode::NOT_MODIFIED).finish());
    }
    Ok(answer.json(message_answer(&message)))
}

/// Removes one message for good.
#[utoipa::path(delete, path = "/api/v1/topics/{topic}/messages/{id}", tag = "messages",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("id" = String, Path, min_length = 26, max_length = 26)),
    responses((status = 204, description = "It is gone"), ReadFailures, AccessFailures, Failures))]
pub(crate) async fn delete_message(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (topic, id) = (topic_of(&request)?, id_of(&request)?);
    let entry = Entry::begin(&request, Deed::DeleteMessage, format!("{topic}/{id}"));
    if state.services.messages.delete(&topic, id).await? {
        entry.end(Outcome::Done);
        Ok(HttpResponse::NoContent().finish())
    } else {
        entry.end(Outcome::Absent);
        Err(ApiError::new(Code::NotFound))
    }
}

/// The topic of the path; a name that no topic can have is not found.
pub(super) fn topic_of(request: &HttpRequest) -> Result<Topic, ApiError> {
    let name = request.match_info().query("topic");
    name.parse().map_err(|_| ApiError::new(Code::NotFound))
}

fn id_of(request: &HttpRequest) -> Result<MessageId, ApiError> {
    let id = request.match_info().query("id");
    id.parse().map_err(|_| ApiError::new(Code::NotFound))
}

/// The wire form of a stored message.
pub(super) fn message_answer(message: &Message) -> MessageAnswer<'_> {
    MessageAnswer {
        id: message.id.to_string(),
        topic: message.topic.as_str(),
        message: message.content.as_str(),
        attributes: message.attributes.iter().collect(),
        processed_at: rfc3339(message.processed_at()),
    }
}

/// Whether `If-None-Match` (RFC 9110, 13.1.2) names `tag`; the comparison is the weak one.
fn matches_tag(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|item| item.trim().trim_start_matches("W/"))
        .any(|item| item == tag || item == "*")
}

/// What the links of a page repeat.
struct Links<'a> {
    topic: &'a Topic,
    limit: PageLimit,
    newest_first: bool,
}

impl Links<'_> {
    /// The following page and the page before, in the order of the listing.
    fn of(&self, page: &Page, anchor: Anchor) -> (Option<String>, Option<String>) {
        // A cursor is not part of its page. An empty page lies at its anchor, which the pages
        // around it have to hold: their cursors are the anchor's neighbours.
        let (before_older, after_newer) = match (page.messages.first(), page.messages.last()) {
            (Some(first), Some(last)) => (Some(first.id), Some(last.id)),
            _ => match anchor {
                Anchor::After(id) | Anchor::Before(id) => {
                    (Some(successor(id)), Some(predecessor(id)))
                }
                Anchor::Oldest | Anchor::Newest => (None, None),
            },
        };
        let older = before_older
            .filter(|_| page.has_older)
            .map(|id| self.link("before", id));
        let newer = after_newer
            .filter(|_| page.has_newer)
            .map(|id| self.link("after", id));
        if self.newest_first {
            (older, newer)
        } else {
            (newer, older)
        }
    }

    fn link(&self, cursor: &str, id: MessageId) -> String {
        let Self {
            topic,
            limit,
            newest_first,
        } = self;
        let order = if *newest_first { "desc" } else { "asc" };
        let limit = limit.get();
        format!("/api/v1/topics/{topic}/messages?{cursor}={id}&limit={limit}&order={order}")
    }
}

/// The least id above `id`.
fn successor(id: MessageId) -> MessageId {
    match id.sequence().checked_add(1) {
        Some(sequence) => MessageId::new(id.timestamp(), sequence),
        None => MessageId::new(id.timestamp().saturating_add(MILLISECOND), 0),
    }
}

/// The greatest id below `id`; the least id of all has none and stays.
fn predecessor(id: MessageId) -> MessageId {
    match id.sequence().checked_sub(1) {
        Some(sequence) => MessageId::new(id.timestamp(), sequence),
        None if id == MessageId::MIN => id,
        None => MessageId::new(id.timestamp().saturating_sub(MILLISECOND), u64::MAX),
    }
}

/// `Link` (RFC 8288) with the relations `next` and `prev`.
fn insert_links(
    answer: &mut actix_web::HttpResponseBuilder,
    next: Option<&str>,
    prev: Option<&str>,
) {
    let links: Vec<_> = [("next", next), ("prev", prev)]
        .into_iter()
        .filter_map(|(relation, url)| Some(format!("<{}>; rel=\"{relation}\"", url?)))
        .collect();
    if !links.is_empty() {
        answer.insert_header((header::LINK, links.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly_and_in_lists() {
        let tag = "\"01\"";
        for (value, expected) in [
            ("\"01\"", true),
            ("W/\"01\"", true),
            ("\"00\", \"01\"", true),
            ("*", true),
            ("\"02\"", false),
            ("01", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
            assert_eq!(matches_tag(&headers, tag), expected, "{value}");
        }
    }
}
