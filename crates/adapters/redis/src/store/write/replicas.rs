//! The replicas that must acknowledge a write before a fail-over cannot lose it.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use redis::Value;
use tokio::time::Instant;

use crate::cluster::slots::NodeAddress;
use crate::deployment::sentinel::PromotionCandidate;

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

/// The connected replicas in a reply to `ROLE`; `None` if the server is not a primary.
pub(crate) fn connected_replicas(role: &Value) -> Option<Vec<NodeAddress>> {
    let Value::Array(role) = role else {
        return None;
    };
    let [Value::BulkString(name), _, Value::Array(replicas), ..] = role.as_slice() else {
        return None;
    };
    if name != b"master" {
        return None;
    }
    let address = |replica: &Value| {
        let (host, port, _): (String, u16, String) = redis::from_redis_value_ref(replica).ok()?;
        Some(NodeAddress {
            host: host.into(),
            port,
        })
    };
    replicas.iter().map(address).collect()
}

/// Removes from `candidates` those that are among the `connected` replicas.
pub(crate) fn without_connected(
    mut candidates: Vec<PromotionCandidate>,
    connected: &[NodeAddress],
) -> Vec<PromotionCandidate> {
    let mut connected = connected.to_vec();
    let mut run_ids = HashSet::new();
    // Equal addresses first. Then a name and a number with the same port, each of them once: Sentinels can
    // be configured with names, while a primary reports numbers.
    for matches in [NodeAddress::eq, may_be_equal] {
        candidates.retain(|candidate| {
            let mut addresses = connected.iter();
            let found = addresses.position(|address| matches(address, &candidate.address));
            if let Some(index) = found {
                connected.swap_remove(index);
                run_ids.insert(candidate.run_id.clone());
            }
            found.is_none()
        });
    }
    // A Sentinel can know one process by two addresses.
    run_ids.remove("");
    candidates.retain(|candidate| !run_ids.contains(&candidate.run_id));
    candidates
}

/// True if one of the addresses is a name that may stand for the other one.
fn may_be_equal(first: &NodeAddress, second: &NodeAddress) -> bool {
    let is_name = |address: &NodeAddress| address.host.parse::<IpAddr>().is_err();
    first.port == second.port && (is_name(first) || is_name(second))
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
        let one = Some(vec![address("h:1")]);
        assert_eq!(role("master", Value::Array(vec![replica.clone()])), one);
        assert_eq!(role("master", Value::Array(Vec::new())), Some(Vec::new()));
        assert_eq!(role("slave", Value::Array(vec![replica])), None);
        assert_eq!(connected_replicas(&Value::Nil), None);
    }

    fn address(text: &str) -> NodeAddress {
        let (host, port) = text.split_once(':').unwrap();
        NodeAddress {
            host: host.into(),
            port: port.parse().unwrap(),
        }
    }

    /// Checks the candidates that are left of `candidates`, each an address and a run id.
    #[track_caller]
    fn check(candidates: &[(&str, &str)], connected: &[&str], expected: &[&str]) {
        let candidate = |(text, run_id): &(&str, &str)| PromotionCandidate {
            address: address(text),
            run_id: (*run_id).to_owned(),
        };
        let connected: Vec<_> = connected.iter().map(|text| address(text)).collect();
        let candidates = candidates.iter().map(candidate).collect();
        let left = without_connected(candidates, &connected);
        let left: Vec<_> = left.into_iter().map(|left| left.address).collect();
        let expected: Vec<_> = expected.iter().map(|text| address(text)).collect();
        assert_eq!(left, expected);
    }

    #[test]
    fn a_candidate_is_connected_under_its_address() {
        let both = [("10.0.0.2:1", "a"), ("10.0.0.3:1", "b")];
        check(&both, &["10.0.0.3:1", "10.0.0.2:1"], &[]);
        check(&both, &["10.0.0.2:1"], &["10.0.0.3:1"]);
        // A replica that no Sentinel promotes stands for none of them.
        check(&both, &["10.0.0.2:1", "10.0.0.9:1"], &["10.0.0.3:1"]);
        check(&both, &["10.0.0.2:1", "10.0.0.3:2"], &["10.0.0.3:1"]);
        let unknown = [("10.0.0.2:1", ""), ("10.0.0.3:1", "")];
        check(&unknown, &["10.0.0.2:1"], &["10.0.0.3:1"]);
    }

    #[test]
    fn a_name_stands_for_one_number_with_its_port() {
        let both = [("redis-0:1", "a"), ("redis-1:1", "b")];
        check(&both, &["10.0.0.2:1", "10.0.0.3:1"], &[]);
        check(&both, &["10.0.0.2:1"], &["redis-1:1"]);
        check(&both, &["10.0.0.2:2", "redis-1:1"], &["redis-0:1"]);
    }

    #[test]
    fn a_process_with_two_addresses_is_one_candidate() {
        let twice = [
            ("10.0.0.2:1", "a"),
            ("192.0.2.2:1", "a"),
            ("10.0.0.3:1", "b"),
        ];
        check(&twice, &["10.0.0.2:1"], &["10.0.0.3:1"]);
    }
}
