//! Following a topic live, as Server-Sent Events (WHATWG HTML, 9.2).

mod frames;
mod permit;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crate::state::metrics::Shed;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use posthorn_application::{Clock, CursorEvent, StoreError, TopicCursor};
use posthorn_domain::{Message, MessageId, Topic};
use posthorn_http1::{ClientDisconnected, RequestTracker};
use rand::RngExt;
use tokio::sync::watch;

use self::permit::Permit;
use crate::request::grant;
use crate::request::path::topic_of;
use crate::state::{Place, State};
use crate::wire::problem::{ApiError, FieldCode};
use crate::wire::query::Query;
use crate::wire::responses::{AccessFailures, Failures, StreamFailures};

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A comment this often keeps proxies from closing a silent stream.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The first wait after the store failed; it doubles up to the longest one.
const BACKOFF_BASE: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Follows a topic: first what is stored after the given id, then what is accepted, as it is
/// accepted, without loss or repeat.
#[utoipa::path(get, path = "/api/v1/topics/{topic}/stream", tag = "messages",
    params(("topic" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
        ("after" = Option<String>, Query, description = "Start right after this id; from now on when absent",
            min_length = 26, max_length = 26),
        ("Last-Event-ID" = Option<String>, Header, description = "As `after`; it wins",
            min_length = 26, max_length = 26)),
    responses((status = 200, content_type = "text/event-stream", body = String,
        description = "Events `message`, `gap` (retention removed messages) and `bye` (the server stops)"),
        StreamFailures, AccessFailures, Failures))]
pub(crate) async fn stream(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let topic = topic_of(&request)?;
    let after = place(&request)?;
    let mut answer = HttpResponse::Ok();
    answer
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        // nginx would hold events back otherwise.
        .insert_header(("X-Accel-Buffering", "no"));
    if request.method() == Method::HEAD {
        return Ok(answer.streaming(stream::empty::<Result<Bytes, Infallible>>()));
    }
    let open = Open::enter(&state).ok_or_else(|| {
        state.services.request_metrics.request_shed(Shed::Streams);
        ApiError::overloaded()
    })?;
    let follow = state.services.messages.follow(topic.clone(), after).await?;
    let disconnected: ClientDisconnected = request.conn_data().cloned().unwrap_or_default();
    let guard = request.conn_data().map(RequestTracker::start);
    let stop = state.services.stop_streams.clone();
    let permit = Permit::new(grant::of(&request), &state);
    let reader = Box::new(Reader::new(topic, follow, open, stop, permit));
    Ok(answer.streaming(stream::unfold(
        (Some(reader), disconnected, guard),
        |(reader, disconnected, guard)| async move {
            let mut reader = reader?;
            let chunk = tokio::select! {
                chunk = reader.chunk() => chunk,
                // Without this an idle stream would be kept until a heartbeat fails.
                () = disconnected.wait() => return None,
            };
            let rest = (!reader.said_bye).then_some(reader);
            Some((Ok::<_, Infallible>(chunk), (rest, disconnected, guard)))
        },
    )))
}

/// Where to start: the header of a reader that reconnects wins over the parameter.
fn place(request: &HttpRequest) -> Result<Option<MessageId>, ApiError> {
    let mut query = Query::parse(request.query_string(), &["after"]);
    let after = query.id("after");
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

/// One open stream, counted until it is dropped.
struct Open {
    state: web::Data<State>,
    _place: Place,
}

/// The state of one stream between two chunks.
struct Reader {
    topic: Topic,
    follow: TopicCursor,
    /// Read from the store and not yet sent: what a follower is handed at once.
    pending: VecDeque<Arc<Message>>,
    stop: watch::Receiver<bool>,
    failures: u32,
    /// Whether the log was told of an error that will not pass by itself.
    damage_told: bool,
    greeted: bool,
    said_bye: bool,
    open: Open,
    permit: Permit,
}

impl Reader {
    fn new(
        topic: Topic,
        follow: TopicCursor,
        open: Open,
        stop: watch::Receiver<bool>,
        permit: Permit,
    ) -> Self {
        let pending = VecDeque::new();
        Self {
            topic,
            follow,
            pending,
            stop,
            failures: 0,
            damage_told: false,
            greeted: false,
            said_bye: false,
            open,
            permit,
        }
    }

    /// The next bytes to send; waits until there are some.
    async fn chunk(&mut self) -> Bytes {
        if !self.greeted {
            self.greeted = true;
            return frames::greeting(self.follow.cursor());
        }
        if *self.stop.borrow() || !self.permit.holds(&self.open.state).await {
            self.said_bye = true;
            return frames::bye();
        }
        if self.pending.is_empty() {
            let Self {
                stop,
                follow,
                open,
                permit,
                ..
            } = self;
            let event = tokio::select! {
                // An error means that the server is gone, which ends the stream as well.
                _ = stop.wait_for(|stop| *stop) => None,
                event = follow.next() => Some(event),
                held = permit.wait(HEARTBEAT, &open.state) => {
                    if held {
                        return frames::heartbeat();
                    }
                    None
                }
            };
            match event {
                None => {
                    self.said_bye = true;
                    return frames::bye();
                }
                Some(Ok(CursorEvent::Gap { first })) => return frames::gap(first),
                Some(Ok(CursorEvent::Messages(messages))) => self.pending.extend(messages),
                Some(Err(error)) => return self.back_off(&error).await,
            }
            self.failures = 0;
        }
        frames::messages(&mut self.pending)
    }

    /// Waits before the store is asked again; the stream stays open and keeps its place.
    async fn back_off(&mut self, error: &StoreError) -> Bytes {
        if error.is_transient() || self.damage_told {
            tracing::debug!(%error, "a stream waits for the store");
        } else {
            // Once: every retry will fail like this one.
            self.damage_told = true;
            let (topic, after) = (&self.topic, self.follow.cursor());
            tracing::error!(%error, %topic, %after, "a stream cannot read on");
        }
        let bound = BACKOFF_BASE.saturating_mul(2_u32.saturating_pow(self.failures.min(16)));
        self.failures = self.failures.saturating_add(1);
        let wait = bound
            .min(BACKOFF_MAX)
            .mul_f64(rand::rng().random_range(0.5..=1.0));
        let Self { stop, open, .. } = self;
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = open.clock().sleep(wait) => {}
        }
        frames::heartbeat()
    }
}

impl Open {
    fn enter(state: &web::Data<State>) -> Option<Self> {
        let place = state.streams.enter(state.settings.max_streams)?;
        state.services.request_metrics.stream_changed(true);
        Some(Self {
            state: state.clone(),
            _place: place,
        })
    }

    fn clock(&self) -> &dyn Clock {
        &*self.state.services.clock
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.state.services.request_metrics.stream_changed(false);
    }
}
