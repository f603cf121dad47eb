//! How long a client is waited for: between its requests, and until it reads its answers. The library
//! times the first head alone: whoever was answered once could otherwise hold a connection for ever.

use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use super::alarm::LazySleep;
use super::turns::{Body, Turns};

/// The slowest reading of an answer that is waited for, in bytes a second, once nothing more fits
/// into the system's buffers.
const SLOWEST: u64 = 4096;
/// How many times longer than any other reader that of a stream may read nothing.
const STREAM_FACTOR: u32 = 4;

/// Watches over the time between two requests, and over reading.
#[derive(Debug)]
pub(super) struct Patience {
    turns: Turns,
    header_timeout: Duration,
    keep_alive: Duration,
    /// How many requests had begun when this was brought up to date.
    seen: u64,
    deadline: Option<Instant>,
    /// Whether some of the next head is there.
    has_bytes: bool,
    /// Since when the client reads too little, while something waits until it reads.
    stalled_since: Option<Instant>,
    sleep: LazySleep,
}

impl Patience {
    pub(super) fn new(turns: Turns, header_timeout: Duration, keep_alive: Duration) -> Self {
        Self {
            turns,
            header_timeout,
            keep_alive,
            seen: 0,
            deadline: None,
            has_bytes: false,
            stalled_since: None,
            sleep: LazySleep::default(),
        }
    }

    /// Bytes have come: the rest of their head has to come in time.
    pub(super) fn read(&mut self) {
        if self.is_between() && !self.has_bytes {
            self.has_bytes = true;
            let deadline = Instant::now() + self.header_timeout;
            self.deadline = Some(self.deadline.map_or(deadline, |other| other.min(deadline)));
        }
    }

    /// So many bytes have gone, and with `is_all` nothing is left that waits.
    pub(super) fn wrote(&mut self, count: usize, is_all: bool) {
        if self.is_between() {
            self.deadline = None;
        }
        let Some(since) = self.stalled_since else {
            return;
        };
        let now = Instant::now();
        self.stalled_since = if is_all {
            None
        } else if self.turns.is_busy() {
            // What a stream holds for its reader is little, however slow that is.
            Some(now)
        } else {
            let bytes = u64::try_from(count).unwrap_or(u64::MAX);
            let earned = Duration::from_millis(bytes.saturating_mul(1000) / SLOWEST);
            Some((since + earned).min(now))
        };
    }

    /// Something waits until the client reads.
    pub(super) fn stall(&mut self) {
        self.stalled_since.get_or_insert_with(Instant::now);
    }

    /// Whether something waits until the client reads.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled_since.is_some()
    }

    /// Whether some of the next head is there.
    pub(super) fn has_bytes(&self) -> bool {
        self.has_bytes
    }

    /// Whether the client has had its time.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let is_between = self.is_between();
        let most = if is_between && self.turns.body() != Body::Ended {
            // What is left of a body that has its answer.
            self.header_timeout
        } else {
            self.keep_alive + self.header_timeout
        };
        let deadline = match self.stalled_since {
            Some(since) if self.turns.is_busy() => since + most * STREAM_FACTOR,
            Some(since) => since + most,
            None if is_between => *self.deadline.get_or_insert_with(|| Instant::now() + most),
            None => return false,
        };
        self.sleep.poll(deadline, cx).is_ready()
    }

    /// Whether at least one request came, and none is being handled.
    fn is_between(&mut self) -> bool {
        let (begun, is_busy) = (self.turns.begun(), self.turns.is_busy());
        if self.seen != begun || is_busy {
            self.seen = begun;
            self.deadline = None;
            self.has_bytes = false;
        }
        self.seen > 0 && !is_busy
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use tokio::time::advance;

    use super::*;

    const MOST: Duration = Duration::from_secs(80);

    fn patience() -> (Turns, Patience) {
        let turns = Turns::default();
        drop(turns.begin());
        let patience = Patience::new(
            turns.clone(),
            Duration::from_secs(5),
            Duration::from_secs(75),
        );
        (turns, patience)
    }

    /// How long a client is waited for that reads `count` bytes each `pause`.
    async fn waited_for(patience: &mut Patience, count: usize, pause: Duration) -> Duration {
        let start = Instant::now();
        patience.stall();
        while !poll_fn(|cx| Poll::Ready(patience.poll(cx))).await {
            advance(pause).await;
            patience.wrote(count, false);
            if start.elapsed() > MOST * 100 {
                break;
            }
        }
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_waited_for_as_long_as_enough_of_it_is_read() {
        let second = Duration::from_secs(1);
        for (count, factor) in [(0, 1), (2048, 2), (3072, 4)] {
            let (_turns, mut patience) = patience();
            let waited = waited_for(&mut patience, count, second).await;
            let expected = MOST * factor;
            assert!(waited.abs_diff(expected) <= second, "{count}: {waited:?}");
        }
        let (_turns, mut patience) = patience();
        assert!(waited_for(&mut patience, 4096, second).await > MOST * 100);
    }

    #[tokio::test(start_paused = true)]
    async fn reading_much_at_first_earns_no_time_for_later() {
        let (_turns, mut patience) = patience();
        patience.stall();
        patience.wrote(100_000_000, false);
        let waited = waited_for(&mut patience, 0, Duration::from_secs(1)).await;
        assert_eq!(waited, MOST);
        patience.wrote(1, true);
        assert!(!patience.is_stalled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_waited_for_longer_and_any_byte_counts() {
        let (turns, mut patience) = patience();
        let _turn = turns.begin();
        let pause = Duration::from_secs(1);
        assert_eq!(
            waited_for(&mut patience, 1, pause).await,
            MOST * 100 + pause
        );
        patience.wrote(1, true);
        patience.stall();
        advance((MOST * 4).saturating_sub(pause)).await;
        assert!(!poll_fn(|cx| Poll::Ready(patience.poll(cx))).await);
        advance(pause).await;
        assert!(poll_fn(|cx| Poll::Ready(patience.poll(cx))).await);
    }
}
