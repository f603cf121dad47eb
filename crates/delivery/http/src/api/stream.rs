//! The live stream of a topic, as Server-Sent Events (WHATWG HTML, 9.2).

mod frames;
mod reader;

use std::convert::Infallible;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use posthorn_domain::MessageId;
use posthorn_http1::{ClientDisconnected, RequestTracker};

use self::reader::{OpenStream, StreamReader};
use crate::api::grant_watch::GrantWatch;
use crate::request::{grant, path};
use crate::state::AppState;
use crate::state::metrics::Shed;
use crate::wire::problem::{ApiError, FieldCode};
use crate::wire::query::Query;
use crate::wire::responses::{AccessFailures, Failures, StreamFailures};

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Streams the messages of a topic: first those stored after the given id, then new ones as they are
/// accepted, without loss or repetition.
#[utoipa::path(get, path = "/api/v1/topics/{topic}/stream", tag = "messages",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("after" = Option<String>, Query, description = "Start after this id; with new messages when absent",
            min_length = 26, max_length = 26),
        ("since" = Option<String>, Query, description = "Start with the messages accepted since this time (RFC 3339), or since a duration back: a number and `s`, `m`, `h` or `d`; excludes `after`"),
        ("Last-Event-ID" = Option<String>, Header, description = "As `after`; overrides the parameters",
            min_length = 26, max_length = 26)),
    responses((status = 200, content_type = "text/event-stream", body = String,
        description = "Events `message`, `gap` (retention removed messages) and `bye` (the server stops)"),
        StreamFailures, AccessFailures, Failures))]
pub(crate) async fn stream(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let topic = path::existing_topic(&request)?;
    let after = start(&request, &state)?;
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        // Without it nginx buffers the events.
        .insert_header(("X-Accel-Buffering", "no"));
    if request.method() == Method::HEAD {
        return Ok(response.streaming(stream::empty::<Result<Bytes, Infallible>>()));
    }
    let open = OpenStream::acquire(&state).ok_or_else(|| {
        state.services.request_metrics.request_shed(Shed::Streams);
        ApiError::overloaded()
    })?;
    let cursor = state.services.messages.follow(topic.clone(), after).await?;
    let grant = GrantWatch::new(grant::of(&request), &state);
    let reader = Box::new(StreamReader::new(topic, cursor, open, grant));
    let disconnected: ClientDisconnected = request.conn_data().cloned().unwrap_or_default();
    // The connection stays busy until the stream ends.
    let guard = request.conn_data().map(RequestTracker::start);
    Ok(response.streaming(stream::unfold(
        (Some(reader), disconnected, guard),
        |(reader, disconnected, guard)| async move {
            let mut reader = reader?;
            let chunk = tokio::select! {
                chunk = reader.next_chunk() => chunk,
                // Otherwise an idle stream would stay open until writing a heartbeat fails.
                () = disconnected.wait() => return None,
            };
            let rest = (!reader.has_ended()).then_some(reader);
            Some((Ok::<_, Infallible>(chunk), (rest, disconnected, guard)))
        },
    )))
}

/// The id to start after; the header of a reconnecting client overrides the parameters.
fn start(request: &HttpRequest, state: &AppState) -> Result<Option<MessageId>, ApiError> {
    let mut query = Query::parse(request.query_string(), &["after", "since"]);
    let after = query.id("after");
    let after = after.or(query.since(state.services.clock.now()));
    query.exclude("since", "after");
    query.finish()?;
    Ok(last_event_id(request.headers())?.or(after))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<MessageId>, ApiError> {
    let Some(value) = headers.get(&LAST_EVENT_ID) else {
        return Ok(None);
    };
    let id = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok());
    id.map(Some)
        .ok_or_else(|| ApiError::field("Last-Event-ID", FieldCode::MessageId))
}
