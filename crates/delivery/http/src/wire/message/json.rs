//! JSON with every member of every object kept, so that one that is there twice is seen.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A JSON value as far as a message needs it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Text(String),
    /// The members in their order, repeated names included.
    Object(Vec<(String, Json)>),
    /// A number, a boolean or a list.
    Other,
}

struct JsonVisitor;

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, _value: u64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Json>) {
        assert_eq!(serde_json::from_str(text).ok(), expected, "{text}");
    }

    #[test]
    fn every_member_is_kept() {
        let text = |text: &str| Json::Text(text.to_owned());
        check("null", Some(Json::Null));
        check(r#""\u043f""#, Some(text("п")));
        for other in ["true", "1", "-1", "1.5", "1e99", "[1, [\"a\"], {}]"] {
            check(other, Some(Json::Other));
        }
        let members = vec![
            ("b".to_owned(), text("1")),
            ("a".to_owned(), Json::Object(Vec::new())),
            ("b".to_owned(), Json::Null),
        ];
        check(
            r#"{"b": "1", "a": {}, "b": null}"#,
            Some(Json::Object(members)),
        );
        check("{", None);
        check(&"{\"a\":".repeat(100_000), None);
    }
}
