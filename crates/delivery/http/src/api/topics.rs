//! The list of topics.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::request::grant;
use crate::state::AppState;
use crate::wire::links::insert_links;
use crate::wire::problem::ApiError;
use crate::wire::query::Query;
use crate::wire::responses::{AccessFailures, Failures, ReadFailures};

/// A page of the topics that hold messages.
#[derive(Serialize, ToSchema)]
pub(crate) struct TopicsResponse {
    /// The topics, sorted by name.
    topics: Vec<TopicResponse>,
    /// The URL of the next page: absolute if `PUBLIC_URL` is set, otherwise a path; `null` on the last page. For a token
    /// that does not permit all topics, a page may be short or empty without being the last.
    next: Option<String>,
}

/// A topic.
#[derive(Serialize, ToSchema)]
pub(crate) struct TopicResponse {
    /// The name.
    topic: String,
    /// The number of its messages.
    count: u64,
    /// The id of its oldest message.
    first_id: String,
    /// The id of its newest message.
    last_id: String,
}

/// Lists the topics that hold messages, and that the token permits.
#[utoipa::path(get, path = "/api/v1/topics", tag = "messages",
    params(("after" = Option<String>, Query, description = "List topics after this name",
            pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "50 when absent")),
    responses((status = 200, body = TopicsResponse), ReadFailures, AccessFailures, Failures))]
pub(crate) async fn list_topics(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let mut query = Query::parse(request.query_string(), &["after", "limit"]);
    let after = query.topic("after");
    let limit = query.limit();
    query.finish()?;
    let messages = &state.services.messages;
    let grant = grant::of(&request);
    let listing = match grant.topics() {
        None => messages.topics(after.as_ref(), limit).await?,
        Some(patterns) => {
            let topics = messages.matching_topics(after.as_ref(), limit, patterns);
            topics.await?
        }
    };
    let next = listing.next;
    let next = next.map(|after| {
        let next = format!("/api/v1/topics?after={after}&limit={}", limit.get());
        state.settings.public_url.link(&next)
    });
    let mut response = HttpResponse::Ok();
    insert_links(&mut response, next.as_deref(), None);
    let topics = listing.topics.iter().map(|summary| TopicResponse {
        topic: summary.topic.to_string(),
        count: summary.count,
        first_id: summary.first.to_string(),
        last_id: summary.last.to_string(),
    });
    let topics = topics.collect();
    Ok(response.json(TopicsResponse { topics, next }))
}
