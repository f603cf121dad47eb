//! JSON values that have to be of one type: a value of another type is skipped and reported, so that
//! one pass finds the errors of all members, repeated names included.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// A JSON value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Json<T> {
    /// It has the wanted type.
    Wanted(T),
    Null,
    /// It has another type.
    Other,
}

/// Reads a value of the wanted type: a string or an object.
pub(super) trait Read<'de>: Sized {
    /// The result of reading.
    type Output;

    fn string(self, _text: &str) -> Json<Self::Output> {
        Json::Other
    }

    /// Must consume every member.
    fn object<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<Self::Output>, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Json::Other)
    }
}

/// Reads a string by a function.
pub(super) struct Text<F>(pub(super) F);

impl<T, F: FnOnce(&str) -> T> Read<'_> for Text<F> {
    type Output = T;

    fn string(self, text: &str) -> Json<T> {
        Json::Wanted(self.0(text))
    }
}

/// The name of a member, borrowed from the body unless it has escapes.
pub(super) struct Name<'de>(pub(super) Cow<'de, str>);

/// Deserializes one value with a reader.
pub(super) struct Seed<R>(pub(super) R);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

impl<'de, R: Read<'de>> DeserializeSeed<'de> for Seed<R> {
    type Value = Json<R::Output>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, R: Read<'de>> Visitor<'de> for Seed<R> {
    type Value = Json<R::Output>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.0.string(text))
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Self::Value, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Self::Value, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, _value: u64) -> Result<Self::Value, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Self::Value, E> {
        Ok(Json::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        self.0.object(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps the names of an object's members.
    struct Names;

    impl<'de> Read<'de> for Names {
        type Output = Vec<String>;

        fn object<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<Self::Output>, A::Error> {
            let mut names = Vec::new();
            while let Some((name, IgnoredAny)) = members.next_entry()? {
                names.push(name);
            }
            Ok(Json::Wanted(names))
        }
    }

    fn read<'de, R: Read<'de>>(text: &'de str, reader: R) -> Option<Json<R::Output>> {
        let mut json = serde_json::Deserializer::from_str(text);
        let value = Seed(reader).deserialize(&mut json).ok()?;
        json.end().ok().map(|()| value)
    }

    #[test]
    fn a_value_of_the_wanted_type_is_read_and_any_other_is_skipped() {
        assert_eq!(read("null", Text(str::to_owned)), Some(Json::Null));
        assert_eq!(
            read(r#""\u043f""#, Text(str::to_owned)),
            Some(Json::Wanted("п".to_owned()))
        );
        for other in ["true", "1", "-1", "1.5", "1e99", "[1, [\"a\"], {}]"] {
            assert_eq!(read(other, Text(str::len)), Some(Json::Other), "{other}");
            assert_eq!(read(other, Names), Some(Json::Other), "{other}");
        }
        assert_eq!(
            read(r#"{"a": {"b": []}}"#, Text(str::len)),
            Some(Json::Other)
        );
        assert_eq!(read(r#""a""#, Names), Some(Json::Other));
        assert_eq!(read("{", Names), None);
        assert_eq!(read(&"{\"a\":".repeat(100_000), Names), None);
    }

    #[test]
    fn every_member_of_an_object_is_seen() {
        let names = ["b", "a", "b"].map(str::to_owned).to_vec();
        assert_eq!(
            read(r#"{"b": "1", "a": {}, "b": null}"#, Names),
            Some(Json::Wanted(names))
        );
    }
}
