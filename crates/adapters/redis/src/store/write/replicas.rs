//! The number of replicas that must acknowledge a write before a fail-over cannot lose it.

use std::time::Duration;

use redis::Value;
use tokio::time::Instant;

/// How long fewer replicas must be connected until fewer need to acknowledge. A replica that left may
/// have been promoted: the Sentinels report that within this time.
const GRACE: Duration = Duration::from_secs(10);

/// The replicas of one primary. Any of them may be promoted, whichever acknowledged, so all that are
/// connected must acknowledge.
#[derive(Debug)]
pub(crate) struct ReplicaQuorum {
    /// The configured number, at least 1.
    least: u64,
    /// The greatest number of connected replicas within [`GRACE`].
    connected: u64,
    fewer_since: Option<Instant>,
}

impl ReplicaQuorum {
    /// A quorum of at least `least` replicas.
    pub(crate) fn new(least: u64) -> Self {
        Self {
            least,
            connected: 0,
            fewer_since: None,
        }
    }

    /// The number of replicas that must acknowledge.
    pub(crate) fn required(&self) -> u64 {
        self.least.max(self.connected)
    }

    /// Notes the number of connected replicas. `is_confirmed` is true if the server is known to be the
    /// primary still.
    pub(crate) fn observe(&mut self, connected: u64, is_confirmed: bool, now: Instant) {
        if connected >= self.connected {
            self.connected = connected;
            self.fewer_since = None;
            return;
        }
        let since = *self.fewer_since.get_or_insert(now);
        if is_confirmed && now.duration_since(since) >= GRACE {
            self.connected = connected;
            self.fewer_since = None;
        }
    }

    /// Forgets the replicas: another server is the primary.
    pub(crate) fn reset(&mut self) {
        self.connected = 0;
        self.fewer_since = None;
    }
}

/// The number of connected replicas in a reply to `ROLE`; `None` if the server is not a primary.
pub(crate) fn connected_replicas(role: &Value) -> Option<u64> {
    let Value::Array(role) = role else {
        return None;
    };
    match role.as_slice() {
        [Value::BulkString(name), _, Value::Array(replicas), ..] if name == b"master" => {
            u64::try_from(replicas.len()).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_counts_until_the_grace_is_over() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut quorum = ReplicaQuorum::new(1);
        assert_eq!(quorum.required(), 1);
        quorum.observe(2, true, at(0));
        assert_eq!(quorum.required(), 2);
        quorum.observe(1, true, at(1));
        quorum.observe(1, true, at(10));
        assert_eq!(quorum.required(), 2);
        // The replica is back: the next loss starts a new grace.
        quorum.observe(2, true, at(11));
        quorum.observe(0, true, at(12));
        quorum.observe(0, false, at(30));
        assert_eq!(quorum.required(), 2);
        quorum.observe(0, true, at(31));
        assert_eq!(quorum.required(), 1);
        quorum.observe(2, true, at(32));
        quorum.reset();
        assert_eq!(quorum.required(), 1);
    }

    #[test]
    fn only_a_primary_has_replicas() {
        let text = |text: &str| Value::BulkString(text.into());
        let replica = Value::Array(vec![text("h"), text("1"), text("9")]);
        let role = |name: &str, replicas| {
            connected_replicas(&Value::Array(vec![text(name), Value::Int(9), replicas]))
        };
        assert_eq!(role("master", Value::Array(vec![replica.clone()])), Some(1));
        assert_eq!(role("master", Value::Array(Vec::new())), Some(0));
        assert_eq!(role("slave", Value::Array(vec![replica])), None);
        assert_eq!(connected_replicas(&Value::Nil), None);
    }
}
