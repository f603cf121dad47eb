//! The time of the server, guarded against jumps, and kept in Redis for the next process.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use posthorn_application::{ClockGuard, StoreError};
use posthorn_domain::{MessageId, Timestamp};
use redis::Value;
use tokio::time::Instant;

use super::record;
use super::scripts::TIME;
use super::write::command::AppendTime;
use crate::cluster::sessions::Sessions;
use crate::keys;
use crate::mutex::lock;

/// The lead of an id that the clocks of two processes do not explain.
const LEAD: Duration = Duration::from_secs(1);

/// The guarded time of the server. On a cluster it is that of one primary; a script on another uses the
/// earlier or later of this and its own.
pub(super) struct ServerTime {
    origin: Instant,
    guard: Mutex<Option<ClockGuard>>,
    /// The time of the server at the origin, by its last reading, in milliseconds; 0 before the first.
    server_origin: AtomicU64,
    /// True if ids may be ahead of the server's clock.
    is_leading: AtomicBool,
}

impl ServerTime {
    /// The time before the server was read.
    pub(super) fn new() -> Self {
        Self {
            origin: Instant::now(),
            guard: Mutex::default(),
            server_origin: AtomicU64::new(0),
            is_leading: AtomicBool::new(false),
        }
    }

    /// Reads the clock of the server and the time that other processes trust, and returns the trusted
    /// time. It stores the trusted time of the last call.
    pub(super) async fn read(
        &self,
        sessions: &Sessions,
        prefix: &str,
    ) -> Result<Timestamp, StoreError> {
        let key = keys::seen(prefix);
        let slot = keys::slot(&key);
        let mut script = TIME.key(key);
        script.arg(self.trusted().as_millis());
        let reply: Value = sessions.query(slot, &script).await?;
        let (now, seen): (u64, u64) = record::from_value(reply)?;
        let (now, seen) = (Timestamp::from_millis(now), Timestamp::from_millis(seen));
        let monotonic = self.origin.elapsed();
        let trusted = self.advance(now, seen, monotonic);
        let origin = now.saturating_sub(monotonic).as_millis();
        self.server_origin.store(origin, Ordering::Relaxed);
        if now.saturating_since(trusted) < LEAD {
            self.is_leading.store(false, Ordering::Relaxed);
        }
        Ok(trusted)
    }

    /// Records how far ids are ahead of the server's clock, after a round of pruning.
    pub(super) fn observe_lead(&self, lead: Duration) {
        if lead > Duration::ZERO {
            self.is_leading.store(true, Ordering::Relaxed);
        }
    }

    /// Compares a new id with the time of the server: a later one means that the clock jumped or was
    /// ahead. The time of the messages is right from the next append on.
    pub(super) fn observe(&self, id: MessageId) {
        let origin = self.server_origin.load(Ordering::Relaxed);
        let now = Timestamp::from_millis(origin).saturating_add(self.origin.elapsed());
        if origin > 0 && id.timestamp().saturating_since(now) > LEAD {
            self.is_leading.store(true, Ordering::Relaxed);
        }
    }

    /// The time for an append; only one by a script has a use for it.
    pub(super) fn of_append(&self, is_scripted: bool) -> AppendTime {
        let is_scripted = is_scripted || self.is_leading.load(Ordering::Relaxed);
        let trusted = if is_scripted {
            self.trusted()
        } else {
            Timestamp::default()
        };
        AppendTime {
            trusted,
            is_scripted,
        }
    }

    /// The trusted time now, without a call; the Unix epoch before the first one.
    pub(super) fn trusted(&self) -> Timestamp {
        let monotonic = self.origin.elapsed();
        let guard = lock(&self.guard);
        guard.map_or_else(Timestamp::default, |guard| guard.reachable(monotonic))
    }

    fn advance(&self, now: Timestamp, seen: Timestamp, monotonic: Duration) -> Timestamp {
        let mut guard = lock(&self.guard);
        // The first process of a store trusts the server.
        let first = if seen == Timestamp::default() {
            now
        } else {
            seen
        };
        let guard = guard.get_or_insert_with(|| ClockGuard::new(first, monotonic));
        guard.raise(seen, monotonic);
        guard.advance(now, monotonic)
    }
}
