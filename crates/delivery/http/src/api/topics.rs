//! The list of topics.

use actix_web::{HttpRequest, HttpResponse, web};
use posthorn_application::TopicRequest;
use posthorn_domain::Topic;
use serde::Serialize;
use utoipa::ToSchema;

use crate::request::grant;
use crate::state::State;
use crate::wire::links::insert_links;
use crate::wire::problem::ApiError;
use crate::wire::query::Query;
use crate::wire::responses::{AccessFailures, Failures, ReadFailures};

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
    let grant = grant::of(&request);
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
