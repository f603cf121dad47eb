//! Which node of a cluster owns which slot.
//!
//! Source: Redis Cluster specification, "Key distribution model",
//! <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use redis::{Cmd, ErrorKind, RedisError, RedisResult, Value};

/// How many slots there are.
const SLOTS: u16 = 16_384;

/// The numbers up to this one are in every slot.
const MAX_TAG: u32 = 250_000;

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeAddress {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
}

/// The primaries of a cluster with their slots, as one of its nodes saw them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Topology {
    ranges: Vec<Range>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
    primary: NodeAddress,
}

impl Topology {
    /// The command whose answer [`Topology::parse`] takes.
    pub(crate) fn command() -> Cmd {
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        command
    }

    /// Reads the answer of `asked`, which stands in where a node does not know its own address.
    pub(crate) fn parse(answer: &Value, asked: Option<&str>) -> RedisResult<Self> {
        let Value::Array(ranges) = answer else {
            return Err(unexpected());
        };
        let ranges = ranges.iter().map(|range| Range::parse(range, asked));
        Ok(Self {
            ranges: ranges.collect::<RedisResult<_>>()?,
        })
    }

    /// How many slots have an owner.
    pub(crate) fn covered(&self) -> usize {
        let lengths = self
            .ranges
            .iter()
            .map(|range| (range.first..=range.last).len());
        lengths.sum()
    }

    /// Whether every slot has an owner.
    pub(crate) fn is_complete(&self) -> bool {
        self.covered() >= usize::from(SLOTS)
    }

    /// The primary that owns `slot`, if one does.
    pub(crate) fn owner(&self, slot: u16) -> Option<&NodeAddress> {
        let owns = |range: &&Range| (range.first..=range.last).contains(&slot);
        self.ranges.iter().find(owns).map(|range| &range.primary)
    }

    /// For each primary a number whose slot it owns, when the number is a key's hash tag.
    pub(crate) fn tags(&self) -> BTreeMap<NodeAddress, u32> {
        let mut tags = BTreeMap::new();
        for range in &self.ranges {
            if !tags.contains_key(&range.primary) {
                // Small numbers are in all slots, so the first few will do if the range is wide.
                let inside =
                    |tag: &u32| (range.first..=range.last).contains(&slot_of(&tag.to_string()));
                let tag = (0..=MAX_TAG).find(inside).unwrap_or_default();
                tags.insert(range.primary.clone(), tag);
            }
        }
        tags
    }

    /// Every primary that owns a slot, once.
    pub(crate) fn primaries(&self) -> BTreeSet<NodeAddress> {
        self.ranges
            .iter()
            .map(|range| range.primary.clone())
            .collect()
    }
}

impl Range {
    /// `[first, last, [host, port, …], …]`; the first node is the primary.
    fn parse(range: &Value, asked: Option<&str>) -> RedisResult<Self> {
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
        // A node that does not know its own address says `?`, nothing or nil.
        let host = if matches!(host, "" | "?") {
            asked.ok_or_else(unexpected)?
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

/// The slot of `key`: CRC-16/XMODEM of its hash tag, or of all of it without one.
pub(crate) fn slot_of(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map(|(tag, _)| tag)
        .filter(|tag| !tag.is_empty());
    let crc = tag.unwrap_or(key).bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    });
    crc % SLOTS
}

fn unexpected() -> RedisError {
    (
        ErrorKind::UnexpectedReturnType,
        "CLUSTER SLOTS answered in an unknown form",
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
    fn slots_are_what_the_client_library_computes() {
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
    fn every_slot_finds_its_owner() {
        let answer = Value::Array(vec![
            range(0, 5, "a", 1),
            range(6, 10, "", 2),
            range(11, 16_000, "a", 1),
        ]);
        let topology = Topology::parse(&answer, Some("asked")).unwrap();
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
        let answer = Value::Array(vec![range(0, 5, "a", 1), range(6, 16_383, "b", 1)]);
        assert!(Topology::parse(&answer, None).unwrap().is_complete());
        assert_eq!(Topology::default().covered(), 0);
    }

    #[test]
    fn every_slot_has_a_small_number() {
        let found: BTreeSet<_> = (0..=MAX_TAG).map(|tag| slot_of(&tag.to_string())).collect();
        assert_eq!(found.len(), usize::from(SLOTS));
        let answer = Value::Array(vec![
            range(0, 0, "a", 1),
            range(1, 9_000, "b", 1),
            range(9_001, 16_383, "a", 2),
        ]);
        let topology = Topology::parse(&answer, None).unwrap();
        let tags = topology.tags();
        assert_eq!(tags.len(), 3);
        for (node, tag) in tags {
            assert_eq!(topology.owner(slot_of(&tag.to_string())), Some(&node));
        }
    }

    #[test]
    fn an_answer_of_another_form_is_an_error() {
        for answer in [
            Value::Nil,
            Value::Array(vec![Value::Nil]),
            Value::Array(vec![range(0, 70_000, "a", 1)]),
            Value::Array(vec![range(0, 1, "?", 1)]),
        ] {
            assert!(Topology::parse(&answer, None).is_err(), "{answer:?}");
        }
    }
}
