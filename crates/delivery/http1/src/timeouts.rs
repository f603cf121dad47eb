//! Limits the time that a client may take between two requests and for reading a response.
//!
//! Gap: actix-http limits the first head alone (actix-web issue 928), reads the unread rest of a chunked body (pull
//! request 3936) and lets clients not read (no public issue) without a limit, and sets a timer anew for each idle time.
//! Red without it: `half_a_head_on_a_used_connection_has_the_time_of_a_head`, `a_client_that_does_not_read_is_cut_off`.

use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use crate::deadline::DeadlineTimer;
use crate::requests::RequestTracker;

/// The slowest reading of a response that is accepted, in bytes per second, once the system's buffers are full.
const MIN_READ_RATE: u64 = 4096;
/// How many times longer than any other client the reader of a stream may read nothing.
const STREAM_FACTOR: u32 = 4;

/// The time limits of a connection.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionSettings {
    /// The most time from the first byte of a head to its last, and for the unread rest of a body.
    pub header_timeout: Duration,
    /// How long an idle connection is kept open.
    pub keep_alive: Duration,
    /// The most connections of a worker.
    pub max_connections: usize,
}

/// The time limits of one connection.
#[derive(Debug)]
pub(crate) struct ConnectionTimeouts {
    requests: RequestTracker,
    settings: ConnectionSettings,
    /// The number of started requests at the last `sync`.
    seen_requests: u64,
    /// When the next request must be there; set only between two requests.
    deadline: Option<Instant>,
    /// True if the first bytes of the next head were read.
    has_partial_head: bool,
    /// Since when a write waits for the client to read, moved forward by what the client reads.
    write_blocked_since: Option<Instant>,
    /// The same of the last wait: actix-http writes a long response in parts, and each may have to wait.
    last_blocked_since: Option<Instant>,
    timer: DeadlineTimer,
}

impl ConnectionTimeouts {
    pub(crate) fn new(requests: RequestTracker, settings: ConnectionSettings) -> Self {
        Self {
            requests,
            settings,
            seen_requests: 0,
            deadline: None,
            has_partial_head: false,
            write_blocked_since: None,
            last_blocked_since: None,
            timer: DeadlineTimer::default(),
        }
    }

    /// Bytes were read. The first ones of a head start the time for its rest.
    pub(crate) fn bytes_read(&mut self) {
        self.sync();
        if self.is_between_requests() && !self.has_partial_head {
            self.has_partial_head = true;
            let deadline = Instant::now() + self.settings.header_timeout;
            // The unread rest of a body ends no later than before. A head has its time, however long the connection
            // was idle.
            let other = self.deadline.filter(|_| !self.requests.is_body_received());
            self.deadline = Some(other.map_or(deadline, |other| other.min(deadline)));
        }
    }

    /// The unread rest of a body was read to its end: what comes next is a request.
    pub(crate) fn rest_read(&mut self) {
        self.sync();
        if self.is_between_requests() {
            self.has_partial_head = false;
            self.deadline = None;
        }
    }

    /// `count` bytes were written; with `is_all` nothing waits to be written.
    pub(crate) fn bytes_written(&mut self, count: usize, is_all: bool) {
        self.sync();
        // The time for the next request starts after the response.
        if self.is_between_requests() {
            self.deadline = None;
        }
        let blocked_since = self.write_blocked_since.take();
        let Some(since) = blocked_since.or(self.last_blocked_since.take()) else {
            return;
        };
        let now = Instant::now();
        if self.requests.is_busy() {
            // A stream holds little for its reader, so any progress is enough.
            self.write_blocked_since = (!is_all).then_some(now);
            return;
        }
        // Every byte earns its share of time, but never more than up to now: a fast start saves nothing for later.
        let bytes = u64::try_from(count).unwrap_or(u64::MAX);
        let earned = Duration::from_millis(bytes.saturating_mul(1000) / MIN_READ_RATE);
        let since = Some((since + earned).min(now));
        if is_all || blocked_since.is_none() {
            self.last_blocked_since = since;
        } else {
            self.write_blocked_since = since;
        }
    }

    /// A write has to wait for the client to read.
    pub(crate) fn write_blocked(&mut self) {
        self.sync();
        let last = self.last_blocked_since.take();
        self.write_blocked_since
            .get_or_insert_with(|| last.unwrap_or_else(Instant::now));
    }

    /// True while a write waits for the client to read.
    pub(crate) fn is_write_blocked(&self) -> bool {
        self.write_blocked_since.is_some()
    }

    /// True if the first bytes of the next head were read.
    pub(crate) fn has_partial_head(&self) -> bool {
        self.has_partial_head
    }

    /// True while the connection waits for a next request, of which nothing was read, and for nothing else.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.sync();
        self.is_between_requests()
            && !self.has_partial_head
            && self.write_blocked_since.is_none()
            && self.requests.is_body_received()
    }

    /// True once the client has used up its time; until then the task of `cx` is woken at the end of that time.
    pub(crate) fn poll_expired(&mut self, cx: &mut Context<'_>) -> bool {
        self.sync();
        let is_between = self.is_between_requests();
        let (header_timeout, keep_alive) = (self.settings.header_timeout, self.settings.keep_alive);
        // The response is sent, and nobody needs the rest of the body.
        let is_rest_unread = is_between && !self.requests.is_body_received();
        let deadline = match self.write_blocked_since {
            Some(since) if self.requests.is_busy() => {
                since + (keep_alive + header_timeout) * STREAM_FACTOR
            }
            Some(since) if is_rest_unread => since + header_timeout,
            Some(since) => since + keep_alive + header_timeout,
            None if is_between => *self.deadline.get_or_insert_with(|| {
                let limit = if is_rest_unread {
                    header_timeout
                } else {
                    keep_alive
                };
                Instant::now() + limit
            }),
            // actix-http limits the first head, and the application a request.
            None => return false,
        };
        self.timer.poll(deadline, cx).is_ready()
    }

    /// Applies requests that started since the last call: each resets the time of the next one.
    fn sync(&mut self) {
        let started = self.requests.started();
        let is_new = self.seen_requests != started;
        if is_new {
            self.last_blocked_since = None;
        }
        if is_new || self.requests.is_busy() {
            self.seen_requests = started;
            self.deadline = None;
            self.has_partial_head = false;
        }
    }

    /// True if a request came and none is in flight.
    fn is_between_requests(&self) -> bool {
        self.requests.started() > 0 && !self.requests.is_busy()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use tokio::time::advance;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(80);

    fn timeouts() -> (RequestTracker, ConnectionTimeouts) {
        let requests = RequestTracker::default();
        drop(requests.start());
        let settings = ConnectionSettings {
            header_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(75),
            max_connections: 1,
        };
        let timeouts = ConnectionTimeouts::new(requests.clone(), settings);
        (requests, timeouts)
    }

    /// The time until a client expires that reads `count` bytes each `pause`.
    async fn time_to_expiry(
        timeouts: &mut ConnectionTimeouts,
        count: usize,
        pause: Duration,
    ) -> Duration {
        let start = Instant::now();
        timeouts.write_blocked();
        while !poll_fn(|cx| Poll::Ready(timeouts.poll_expired(cx))).await {
            advance(pause).await;
            timeouts.bytes_written(count, false);
            if start.elapsed() > LIMIT * 100 {
                break;
            }
        }
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_has_time_as_long_as_enough_of_it_is_read() {
        let second = Duration::from_secs(1);
        for (count, factor) in [(0, 1), (2048, 2), (3072, 4)] {
            let (_requests, mut timeouts) = timeouts();
            let time = time_to_expiry(&mut timeouts, count, second).await;
            let expected = LIMIT * factor;
            assert!(time.abs_diff(expected) <= second, "{count}: {time:?}");
        }
        let (_requests, mut timeouts) = timeouts();
        assert!(time_to_expiry(&mut timeouts, 4096, second).await > LIMIT * 100);
    }

    #[tokio::test(start_paused = true)]
    async fn the_parts_of_a_response_have_no_time_of_their_own() {
        let part = 32_768;
        let time_of = async |pause: Duration| {
            let (_requests, mut timeouts) = timeouts();
            let start = Instant::now();
            while !poll_fn(|cx| Poll::Ready(timeouts.poll_expired(cx))).await {
                timeouts.write_blocked();
                advance(pause).await;
                timeouts.bytes_written(part, true);
                timeouts.write_blocked();
                if start.elapsed() > LIMIT * 100 {
                    break;
                }
            }
            start.elapsed()
        };
        assert!(time_of(Duration::from_secs(8)).await > LIMIT * 100);
        // 40 s for what may take 8.
        assert!(time_of(Duration::from_secs(40)).await <= LIMIT * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_next_response_has_time_of_its_own() {
        let (requests, mut timeouts) = timeouts();
        timeouts.write_blocked();
        advance(LIMIT / 2).await;
        timeouts.bytes_written(1, true);
        drop(requests.start());
        timeouts.write_blocked();
        advance(LIMIT.saturating_sub(Duration::from_secs(1))).await;
        assert!(!poll_fn(|cx| Poll::Ready(timeouts.poll_expired(cx))).await);
    }

    #[tokio::test(start_paused = true)]
    async fn reading_much_at_first_earns_no_time_for_later() {
        let (_requests, mut timeouts) = timeouts();
        timeouts.write_blocked();
        timeouts.bytes_written(100_000_000, false);
        let time = time_to_expiry(&mut timeouts, 0, Duration::from_secs(1)).await;
        assert_eq!(time, LIMIT);
        timeouts.bytes_written(1, true);
        assert!(!timeouts.is_write_blocked());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_has_more_time_and_any_byte_counts() {
        let (requests, mut timeouts) = timeouts();
        let _guard = requests.start();
        let pause = Duration::from_secs(1);
        assert_eq!(
            time_to_expiry(&mut timeouts, 1, pause).await,
            LIMIT * 100 + pause
        );
        timeouts.bytes_written(1, true);
        timeouts.write_blocked();
        advance((LIMIT * 4).saturating_sub(pause)).await;
        assert!(!poll_fn(|cx| Poll::Ready(timeouts.poll_expired(cx))).await);
        advance(pause).await;
        assert!(poll_fn(|cx| Poll::Ready(timeouts.poll_expired(cx))).await);
    }
}
