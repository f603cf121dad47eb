//! A strict reading of JSON objects, for lines of the log.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

/// The members of an object in their order, each name once.
#[derive(Debug, Default, PartialEq)]
pub struct UniqueMembers(pub Vec<(String, Value)>);

impl UniqueMembers {
    /// Parses one object. A name that it has twice is an error, which most parsers ignore.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The member with this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let mut members = self.0.iter();
        members.find_map(|(known, value)| (known == name).then_some(value))
    }
}

impl<'de> Deserialize<'de> for UniqueMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueMembers::default())
    }
}

impl<'de> Visitor<'de> for UniqueMembers {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if self.get(&name).is_some() {
                return Err(A::Error::custom(format!("`{name}` is there twice")));
            }
            self.0.push((name, value));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_there_twice_is_an_error() {
        let members = UniqueMembers::parse(r#"{"b": 1, "a": "x"}"#).unwrap();
        let names: Vec<_> = members.0.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(members.get("a"), Some(&Value::from("x")));
        for text in [r#"{"a": 1, "b": 2, "a": 1}"#, "{} {}", "[]"] {
            assert!(UniqueMembers::parse(text).is_err(), "{text}");
        }
    }
}
