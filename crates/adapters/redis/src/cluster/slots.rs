//! The slots of a cluster and their owners.
//!
//! Source: Redis Cluster specification, "Key distribution model",
//! <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crc16::{State, XMODEM};
use redis::{Cmd, ErrorKind, RedisError, RedisResult, Value};

/// The number of slots.
const SLOTS: u16 = 16_384;

/// The numbers up to this one, as hash tags, cover every slot.
const MAX_TAG: u32 = 250_000;

/// The address of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeAddress {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
}

/// The primaries of a cluster and their slots, as one of its nodes reports them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Topology {
    ranges: Vec<SlotRange>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SlotRange {
    first: u16,
    last: u16,
    primary: NodeAddress,
}

impl Topology {
    /// The command whose reply [`Topology::parse`] parses.
    pub(crate) fn command() -> Cmd {
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        command
    }

    /// Parses the reply of the node at `replying_host`, which replaces the host of a node that does
    /// not know its own address.
    pub(crate) fn parse(reply: &Value, replying_host: Option<&str>) -> RedisResult<Self> {
        let Value::Array(ranges) = reply else {
            return Err(unexpected());
        };
        let ranges = ranges
            .iter()
            .map(|range| SlotRange::parse(range, replying_host));
        Ok(Self {
            ranges: ranges.collect::<RedisResult<_>>()?,
        })
    }

    /// The number of slots with an owner.
    pub(crate) fn covered(&self) -> usize {
        let lengths = self
            .ranges
            .iter()
            .map(|range| (range.first..=range.last).len());
        lengths.sum()
    }

    /// True if every slot has an owner.
    pub(crate) fn is_complete(&self) -> bool {
        self.covered() >= usize::from(SLOTS)
    }

    /// The primary that owns `slot`.
    pub(crate) fn owner(&self, slot: u16) -> Option<&NodeAddress> {
        let owns = |range: &&SlotRange| (range.first..=range.last).contains(&slot);
        self.ranges.iter().find(owns).map(|range| &range.primary)
    }

    /// A number for each primary that, as a hash tag, is in a slot of that primary.
    pub(crate) fn tags(&self) -> BTreeMap<NodeAddress, u32> {
        let mut tags = BTreeMap::new();
        for range in &self.ranges {
            if !tags.contains_key(&range.primary) {
                // The wider the range, the fewer numbers are tried.
                let inside =
                    |tag: &u32| (range.first..=range.last).contains(&slot_of(&tag.to_string()));
                let tag = (0..=MAX_TAG).find(inside).unwrap_or_default();
                tags.insert(range.primary.clone(), tag);
            }
        }
        tags
    }

    /// The primaries, each once.
    pub(crate) fn primaries(&self) -> BTreeSet<NodeAddress> {
        self.ranges
            .iter()
            .map(|range| range.primary.clone())
            .collect()
    }
}

impl SlotRange {
    /// `[first, last, [host, port, …], …]`; the first node is the primary.
    fn parse(range: &Value, replying_host: Option<&str>) -> RedisResult<Self> {
        let Value::Array(members) = range else {
            return Err(unexpected());
        };
        let [Value::Int(first), Value::Int(last), Value::Array(node), ..] = members.as_slice()
        else {
            return Err(unexpected());
        };
        let [host, Value::Int(port), ..] = node.as_slice() else {
            return Err(unexpected());
        };
        let host = match host {
            Value::BulkString(host) => std::str::from_utf8(host).map_err(|_| unexpected())?,
            Value::SimpleString(host) => host,
            _ => "",
        };
        // A node that does not know its own address reports `?`, an empty string or nil.
        let host = if matches!(host, "" | "?") {
            replying_host.ok_or_else(unexpected)?
        } else {
            host
        };
        let number = |number: &i64| u16::try_from(*number).map_err(|_| unexpected());
        Ok(Self {
            first: number(first)?,
            last: number(last)?,
            primary: NodeAddress {
                host: Arc::from(host),
                port: number(port)?,
            },
        })
    }
}

/// The slot of `key`: the CRC of its hash tag, or of the whole key without one.
///
/// redis-rs computes it, too, but does not let its callers read the number.
pub(crate) fn slot_of(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map(|(tag, _)| tag)
        .filter(|tag| !tag.is_empty());
    State::<XMODEM>::calculate(tag.unwrap_or(key).as_bytes()) % SLOTS
}

fn unexpected() -> RedisError {
    (
        ErrorKind::UnexpectedReturnType,
        "the reply to CLUSTER SLOTS has an unknown form",
    )
        .into()
}

#[cfg(test)]
mod tests {
    use redis::cluster_routing::{Route, Slot, SlotAddr};

    use super::*;

    #[track_caller]
    fn check_slot(key: &str) {
        let expected = Slot::new(slot_of(key)).map(|slot| Route::with_slot(slot, SlotAddr::Master));
        assert_eq!(
            expected,
            Some(Route::with_key(key, SlotAddr::Master)),
            "{key}"
        );
    }

    #[test]
    fn slots_equal_those_of_redis_rs() {
        for key in [
            "",
            "123456789",
            "foo",
            "foo{}bar",
            "a{b}c}",
            "a{b{c}}",
            "{x",
            "p:{t:inbox}:k",
        ] {
            check_slot(key);
        }
        // The test vector of the specification: CRC16("123456789") = 0x31C3.
        assert_eq!(slot_of("123456789"), 0x31C3);
    }

    fn range(first: i64, last: i64, host: &str, port: i64) -> Value {
        let node = vec![Value::BulkString(host.into()), Value::Int(port)];
        Value::Array(vec![
            Value::Int(first),
            Value::Int(last),
            Value::Array(node),
        ])
    }

    #[test]
    fn slots_have_owners() {
        let reply = Value::Array(vec![
            range(0, 5, "a", 1),
            range(6, 10, "", 2),
            range(11, 16_000, "a", 1),
        ]);
        let topology = Topology::parse(&reply, Some("asked")).unwrap();
        let owner = |slot| {
            topology
                .owner(slot)
                .map(|node| (node.host.to_string(), node.port))
        };
        assert_eq!(owner(5), Some(("a".to_owned(), 1)));
        assert_eq!(owner(6), Some(("asked".to_owned(), 2)));
        assert_eq!(owner(16_001), None);
        assert_eq!(topology.primaries().len(), 2);
        assert_eq!(
            (topology.covered(), topology.is_complete()),
            (16_001, false)
        );
        let reply = Value::Array(vec![range(0, 5, "a", 1), range(6, 16_383, "b", 1)]);
        assert!(Topology::parse(&reply, None).unwrap().is_complete());
        assert_eq!(Topology::default().covered(), 0);
    }

    #[test]
    fn small_numbers_cover_every_slot() {
        let found: BTreeSet<_> = (0..=MAX_TAG).map(|tag| slot_of(&tag.to_string())).collect();
        assert_eq!(found.len(), usize::from(SLOTS));
        let reply = Value::Array(vec![
            range(0, 0, "a", 1),
            range(1, 9_000, "b", 1),
            range(9_001, 16_383, "a", 2),
        ]);
        let topology = Topology::parse(&reply, None).unwrap();
        let tags = topology.tags();
        assert_eq!(tags.len(), 3);
        for (node, tag) in tags {
            assert_eq!(topology.owner(slot_of(&tag.to_string())), Some(&node));
        }
    }

    #[test]
    fn a_reply_of_another_form_is_an_error() {
        for reply in [
            Value::Nil,
            Value::Array(vec![Value::Nil]),
            Value::Array(vec![range(0, 70_000, "a", 1)]),
            Value::Array(vec![range(0, 1, "?", 1)]),
        ] {
            assert!(Topology::parse(&reply, None).is_err(), "{reply:?}");
        }
    }
}
