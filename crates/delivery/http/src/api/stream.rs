//! The live stream of a topic, as Server-Sent Events (WHATWG HTML, 9.2).

mod log;
mod reader;

use std::convert::Infallible;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use posthorn_application::Anchor;
use posthorn_domain::{MessageId, Topic};
use posthorn_http1::{ClientDisconnected, RequestTracker};

use self::log::StreamLog;
use self::reader::{OpenStream, StreamReader};
use crate::api::grant_watch::GrantWatch;
use crate::request::{accept, grant, path, since};
use crate::state::AppState;
use crate::state::metrics::Shed;
use crate::wire::problem::{ApiError, FieldCode};
use crate::wire::query::Query;
use crate::wire::responses::{AccessFailures, Failures, StreamFailures};
use crate::wire::stream_frames;

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Streams the messages of a topic: first those stored after the given id, then new ones as they are
/// accepted, without loss or repetition.
#[utoipa::path(get, path = "/api/v1/topics/{topic}/stream", tag = "messages",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("after" = Option<String>, Query, description = "Start after this id; with new messages when absent",
            pattern = "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"),
        ("since" = Option<String>, Query, description = "Start with the messages accepted since this time (RFC 3339), or since a duration back: a number and `s`, `m`, `h` or `d`; excludes `after`"),
        ("lastEventId" = Option<String>, Query, description = "As `after`, which it overrides, for clients that cannot set headers",
            pattern = "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"),
        ("Last-Event-ID" = Option<String>, Header, description = "As `after`; overrides the parameters",
            pattern = "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$")),
    responses((status = 200, content_type = "text/event-stream", body = String,
        description = "Events `message`, `gap` (messages are missing), `unreadable` (a damaged \
            message was skipped), `bye` (the server stops) and `busy` (the \
            server has no capacity for a stream; for clients whose `Accept` names `text/event-stream`)"),
        StreamFailures, AccessFailures, Failures))]
pub(crate) async fn stream(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let topic = path::existing_topic(&request)?;
    let start = start(&request, &state, &topic).await?;
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Without it nginx buffers the events.
        .insert_header(("X-Accel-Buffering", "no"));
    if request.method() == Method::HEAD {
        return Ok(response.streaming(stream::empty::<Result<Bytes, Infallible>>()));
    }
    let Some(open) = OpenStream::acquire(&state) else {
        state.services.request_metrics.request_shed(Shed::Streams);
        // An EventSource never connects again after an error, but it does after an event and the end.
        if accept::names(request.headers(), "text/event-stream") {
            return Ok(response.body(stream_frames::busy(position(start))));
        }
        return Err(ApiError::overloaded("MAX_STREAMS"));
    };
    let follower = state.tails.follow(topic.clone(), start).await?;
    let grant = GrantWatch::new(grant::of(&request), &state);
    let log = StreamLog::start(&request, topic.clone(), Arc::clone(&state.services.clock));
    let reader = Box::new(StreamReader::new(topic, follower, open, grant, log));
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

/// The position that the client has named.
fn position(start: Option<Anchor>) -> Option<MessageId> {
    match start {
        Some(Anchor::After(id) | Anchor::Since(id)) => Some(id),
        _ => None,
    }
}

/// The id to start after. The header of a reconnecting client overrides the parameters; `lastEventId`, which polyfills
/// add when they reconnect, overrides the others.
async fn start(
    request: &HttpRequest,
    state: &AppState,
    topic: &Topic,
) -> Result<Option<Anchor>, ApiError> {
    let known = ["after", "since", "lastEventId"];
    // Clients of EventSource add parameters of their own, against caches for instance.
    let mut query = Query::parse_known(request.query_string(), &known);
    let (last, after) = (query.id("lastEventId"), query.id("after"));
    let since = query.since();
    query.exclude("since", "after");
    query.finish()?;
    let header = last_event_id(request.headers())?;
    match (header.or(last).or(after), since) {
        (Some(after), _) => Ok(Some(Anchor::after(after))),
        (None, Some(since)) => {
            let position = since::position(since, state, topic).await?;
            Ok(Some(Anchor::Since(position)))
        }
        (None, None) => Ok(None),
    }
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<MessageId>, ApiError> {
    let Some(value) = headers.get(&LAST_EVENT_ID) else {
        return Ok(None);
    };
    let text = value.to_str().ok();
    let id = text.and_then(|text| MessageId::parse_position(text.trim()).ok());
    id.map(Some)
        .ok_or_else(|| ApiError::field("Last-Event-ID", FieldCode::MessageId))
}
