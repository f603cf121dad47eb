//! One Sentinel, and its reply: the primary of a service, and the servers that it could promote.

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;
use redis::{Client, ConnectionInfo, RedisResult};
use tokio::sync::Mutex;

use crate::cluster::slots::NodeAddress;
use crate::failure::RedisFailure;

/// The flags with which a Sentinel promotes no server.
const DOWN: [&str; 3] = ["s_down", "o_down", "disconnected"];
/// A Sentinel promotes no replica whose link to the primary has been down for more than this many
/// `down-after-milliseconds`.
const LINK_DOWN_FACTOR: i64 = 10;
/// The age of a link that a Sentinel compares can be too small by this many milliseconds: it is read
/// every second, and counts up to five seconds later.
const LINK_DOWN_SLACK: i64 = 10_000;

/// A Sentinel, and the connection to it.
pub(super) struct Sentinel {
    info: ConnectionInfo,
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// The reply of a Sentinel. Each fail-over has a greater epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vote {
    pub(super) epoch: u64,
    /// The primary.
    pub(super) address: NodeAddress,
    /// The servers that this Sentinel could promote.
    pub(super) candidates: Vec<PromotionCandidate>,
}

/// A server that is not the primary and that a Sentinel could promote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PromotionCandidate {
    pub(crate) address: NodeAddress,
    /// The id of its process; empty until the Sentinel has read it.
    pub(crate) run_id: String,
}

/// Host and port; `None` if the Sentinel does not monitor the service.
type SentinelAddress = Option<(String, u16)>;
/// The fields of a server in the reply of a Sentinel.
type SentinelFields = HashMap<String, String>;

impl Sentinel {
    /// A Sentinel that is connected to with the first vote.
    pub(super) fn new(info: &ConnectionInfo) -> Self {
        Self {
            info: info.clone(),
            connection: Mutex::default(),
        }
    }

    /// Queries the primary of `service` and the servers that could replace it.
    pub(super) async fn vote(&self, service: &str) -> Result<Vote, RedisFailure> {
        let mut kept = self.connection.lock().await;
        // Taken out: a query that is dropped may leave its connection broken.
        let opened = match kept.take() {
            Some(connection) => Ok(connection),
            None => self.connect().await,
        };
        let mut connection = opened.map_err(|error| RedisFailure::from_error(&error))?;
        let mut questions = redis::pipe();
        for question in ["GET-MASTER-ADDR-BY-NAME", "MASTER", "REPLICAS"] {
            questions.cmd("SENTINEL").arg(question).arg(service);
        }
        let reply: RedisResult<(SentinelAddress, SentinelFields, Vec<SentinelFields>)> =
            questions.query_async(&mut connection).await;
        let (address, master, replicas) =
            reply.map_err(|error| RedisFailure::from_error(&error))?;
        *kept = Some(connection);
        let unknown = || RedisFailure::Transient("the Sentinels know no such primary".to_owned());
        let (host, port) = address.ok_or_else(unknown)?;
        let address = NodeAddress {
            host: host.into(),
            port,
        };
        let epoch = number(&master, "config-epoch").and_then(|epoch| u64::try_from(epoch).ok());
        // During a fail-over the entry of the primary is of the old one, which becomes a replica.
        let servers = std::iter::once(&master).chain(&replicas);
        let candidates = servers
            .filter_map(candidate)
            .filter(|candidate| candidate.address != address)
            .collect();
        Ok(Vote {
            epoch: epoch.unwrap_or_default(),
            address,
            candidates,
        })
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let client = Client::open(self.info.clone())?;
        client.get_multiplexed_async_connection().await
    }
}

/// The server of `fields`, unless a Sentinel does not promote it. Where a Sentinel also compares ages of
/// its own records, which can change before the next query, the server counts.
fn candidate(fields: &SentinelFields) -> Option<PromotionCandidate> {
    let text = |name| fields.get(name).map_or("", String::as_str);
    let mut flags = text("flags").split(',');
    if flags.any(|flag| DOWN.contains(&flag)) || text("slave-priority") == "0" {
        return None;
    }
    // Negative since the start of a replica until its first sync: a Sentinel promotes even that.
    let link_down = number(fields, "master-link-down-time").unwrap_or(0);
    let down_after = number(fields, "down-after-milliseconds")?;
    if link_down > LINK_DOWN_FACTOR * down_after + LINK_DOWN_SLACK {
        return None;
    }
    Some(PromotionCandidate {
        address: NodeAddress {
            host: text("ip").into(),
            port: text("port").parse().ok()?,
        },
        run_id: text("runid").to_owned(),
    })
}

fn number(fields: &SentinelFields, name: &str) -> Option<i64> {
    fields.get(name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLICA: [(&str, &str); 6] = [
        ("ip", "10.0.0.2"),
        ("port", "6379"),
        ("runid", "a1"),
        ("flags", "slave"),
        ("slave-priority", "100"),
        ("down-after-milliseconds", "5000"),
    ];

    /// Checks whether a replica with `changes` of its fields is a candidate.
    #[track_caller]
    fn check(changes: &[(&str, &str)], expected: bool) {
        let fields = REPLICA.iter().chain(changes);
        let fields = fields.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let found = candidate(&fields.collect());
        assert_eq!(found.is_some(), expected, "{changes:?}");
    }

    #[test]
    fn a_server_counts_unless_a_sentinel_never_promotes_it() {
        check(&[], true);
        // The old primary after a fail-over, before a Sentinel has made it a replica.
        check(&[("role-reported", "master")], true);
        check(&[("flags", "slave,promoted")], true);
        check(&[("flags", "s_down,slave")], false);
        check(&[("flags", "s_down,o_down,master")], false);
        check(&[("flags", "slave,disconnected")], false);
        check(&[("slave-priority", "0")], false);
    }

    #[test]
    fn a_replica_counts_until_its_link_was_down_for_too_long() {
        for (link_down, expected) in [
            ("0", true),
            ("-1000", true),
            ("60000", true),
            ("60001", false),
        ] {
            check(&[("master-link-down-time", link_down)], expected);
        }
    }
}
