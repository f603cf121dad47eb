//! The attributes of a message: a small map from key to text.

use std::collections::BTreeMap;
use std::fmt;

/// At most 16 pairs, keys `[a-z0-9._-]{1,64}`, values of at most 256 Unicode scalar values with
/// no control character other than `\n` and `\t`. Sorted by key.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Attributes(BTreeMap<Box<str>, Box<str>>);

/// Why a map is not the attributes of a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    /// More than [`Attributes::MAX_ENTRIES`] entries.
    #[error("a message has at most {} attributes", Attributes::MAX_ENTRIES)]
    TooMany,
    /// A key outside `[a-z0-9._-]{1,64}`.
    #[error(
        "an attribute's key has 1 to {} characters of a-z, 0-9, '.', '_' and '-'",
        Attributes::MAX_KEY_LENGTH
    )]
    Key,
    /// A value of more than [`Attributes::MAX_VALUE_LENGTH`] Unicode scalar values.
    #[error(
        "an attribute's value has at most {} characters",
        Attributes::MAX_VALUE_LENGTH
    )]
    ValueLength,
    /// A value with a control character other than `\n` and `\t`.
    #[error("an attribute's value contains no control character such as U+{:04X}", u32::from(*.0))]
    ValueControlCharacter(char),
}

impl Attributes {
    /// The most entries.
    pub const MAX_ENTRIES: usize = 16;
    /// The most characters of a key; each is one byte.
    pub const MAX_KEY_LENGTH: usize = 64;
    /// The most Unicode scalar values of a value.
    pub const MAX_VALUE_LENGTH: usize = 256;

    /// Checks every entry. The last of several entries with one key wins.
    pub fn parse<K, V>(entries: impl IntoIterator<Item = (K, V)>) -> Result<Self, AttributeError>
    where
        K: Into<Box<str>>,
        V: Into<Box<str>>,
    {
        let mut attributes = Self::default();
        for (key, value) in entries {
            attributes.insert(key, value)?;
        }
        Ok(attributes)
    }

    /// Checks and adds one entry; it replaces an entry with the same key.
    ///
    /// # Errors
    /// The rule that the entry breaks, or [`AttributeError::TooMany`]; nothing is added then.
    pub fn insert(
        &mut self,
        key: impl Into<Box<str>>,
        value: impl Into<Box<str>>,
    ) -> Result<(), AttributeError> {
        let (key, value) = (key.into(), value.into());
        Self::check_entry(&key, &value)?;
        if self.0.len() >= Self::MAX_ENTRIES && !self.0.contains_key(&key) {
            return Err(AttributeError::TooMany);
        }
        self.0.insert(key, value);
        Ok(())
    }

    fn check_entry(key: &str, value: &str) -> Result<(), AttributeError> {
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
        };
        if key.is_empty() || key.len() > Self::MAX_KEY_LENGTH || !key.bytes().all(allowed) {
            return Err(AttributeError::Key);
        }
        if value.chars().count() > Self::MAX_VALUE_LENGTH {
            return Err(AttributeError::ValueLength);
        }
        match value
            .chars()
            .find(|c| c.is_control() && !matches!(c, '\n' | '\t'))
        {
            Some(character) => Err(AttributeError::ValueControlCharacter(character)),
            None => Ok(()),
        }
    }

    /// The entries, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Prints the number of entries only, so that no log shows their text by accident.
impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attributes({} entries)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, value: &str, expected: Result<(), AttributeError>) {
        assert_eq!(Attributes::parse([(key, value)]).map(|_| ()), expected);
    }

    #[test]
    fn entries_follow_the_rules() {
        check("a", "", Ok(()));
        check("device.id_1-x", "Кухня\n", Ok(()));
        check(&"k".repeat(64), &"я".repeat(256), Ok(()));
        check("", "x", Err(AttributeError::Key));
        check("A", "x", Err(AttributeError::Key));
        check(&"k".repeat(65), "x", Err(AttributeError::Key));
        check("k", &"я".repeat(257), Err(AttributeError::ValueLength));
        check("k", "\0", Err(AttributeError::ValueControlCharacter('\0')));
    }

    #[test]
    fn sixteen_fit_and_seventeen_do_not() {
        let entries = |n: usize| (0..n).map(|i| (format!("k{i}"), "v"));
        assert_eq!(Attributes::parse(entries(16)).map(|a| a.len()), Ok(16));
        assert_eq!(Attributes::parse(entries(17)), Err(AttributeError::TooMany));
    }

    #[test]
    fn entries_come_in_the_order_of_their_keys() {
        let attributes = Attributes::parse([("b", "2"), ("a", "1")]).unwrap();
        assert_eq!(
            attributes.iter().collect::<Vec<_>>(),
            [("a", "1"), ("b", "2")]
        );
        assert!(!attributes.is_empty());
    }
}
