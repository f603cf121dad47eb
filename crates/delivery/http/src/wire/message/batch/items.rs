//! The items of a JSON array as they were sent, at most as many as a batch may have.

use std::fmt;

use posthorn_domain::MessageBatch;
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::wire::problem::ApiError;

/// The first items of an array.
pub(super) struct RawItems<'a> {
    pub(super) items: Vec<&'a RawValue>,
    /// True if there are more.
    pub(super) has_more: bool,
}

/// Visits an array.
struct ItemsVisitor;

impl<'de> Deserialize<'de> for RawItems<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ItemsVisitor)
    }
}

impl<'de> Visitor<'de> for ItemsVisitor {
    type Value = RawItems<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawItems<'de>, A::Error> {
        let mut items = Vec::new();
        while items.len() < MessageBatch::MAX_MESSAGES {
            let Some(item) = seq.next_element()? else {
                let has_more = false;
                return Ok(RawItems { items, has_more });
            };
            items.push(item);
        }
        let mut has_more = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            has_more = true;
        }
        Ok(RawItems { items, has_more })
    }
}

/// The items of the array in `text`; `None` if it is other JSON.
pub(super) fn raw_items(text: &str) -> Result<Option<RawItems<'_>>, ApiError> {
    let malformed = |error| ApiError::malformed_json(&error);
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map(Some).map_err(malformed);
    }
    let other: Result<IgnoredAny, _> = serde_json::from_str(text);
    other.map(|_| None).map_err(malformed)
}
